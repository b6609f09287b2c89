-- lib_ttl: the TTL of a lease that is held.

-- expire gives NAME that TTL, ms, or what is left if that is more; -1 for no expiry. It returns
-- the TTL that NAME has now.
local function expire(ttl)
  if ttl < 0 then
    call('PERSIST', NAME)
  else
    ttl = math.max(ttl, call('PTTL', NAME))
    call('PEXPIRE', NAME, ttl)
  end
  return ttl
end
