-- ttl: put, behind own, before every script that sets the TTL of a lease.

-- last_number returns the number of this owner's last request that set the TTL;
-- number notes that.
local function last_number()
  local last, of = string.match(call('HGET', KEYS[2], 'e') or '', '^(%d+) (.*)$')
  return of == attempt_of(ARGV[2]) and tonumber(last) or 0
end
local function number(this)
  call('HSET', KEYS[2], 'e', this .. ' ' .. attempt_of(ARGV[2]))
end

-- expire gives NAME a TTL, -1 for none, that is not shorter than what is left, and
-- returns it.
local function expire(ttl)
  if ttl < 0 then
    call('PERSIST', KEYS[1])
  else
    ttl = math.max(ttl, call('PTTL', KEYS[1]))
    call('PEXPIRE', KEYS[1], int(ttl))
  end
  return ttl
end
