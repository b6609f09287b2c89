-- ttl: put, behind own, before every script that sets the TTL of a lease.

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
