-- ttl: put, behind own and lease, before every script that sets the TTL of a lease.

-- last_number returns the number of this owner's last request that set the TTL;
-- number notes that.
local function last_number()
  local last, of = string.match(call('HGET', AUX, 'e') or '', '^(%d+) (.*)$')
  return of == attempt_of(OWNER) and tonumber(last) or 0
end
local function number(this)
  call('HSET', AUX, 'e', this .. ' ' .. attempt_of(OWNER))
end

-- expire gives NAME a TTL, -1 for none, that is not shorter than what is left, and
-- returns it.
local function expire(ttl)
  if ttl < 0 then
    call('PERSIST', NAME)
  else
    ttl = math.max(ttl, call('PTTL', NAME))
    call('PEXPIRE', NAME, ttl)
  end
  return ttl
end
