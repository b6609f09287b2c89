-- touch: renew leases whose tokens nobody but their Locker knows. What NAME holds tells
-- enough then, and how the rest stands is not asked.
--
-- KEYS  the NAMEs
-- ARGV  for each, its token and its TTL, ms
--
-- Replies {ms left, …}, 0 for a NAME that does not hold its token
--
-- Running it again, or late, is safe: it only adds time.
local held, left = redis.call('MGET', unpack(KEYS)), {}
for i, name in ipairs(KEYS) do
  local ttl = ARGV[2 * i]
  left[i] = 0
  if held[i] == ARGV[2 * i - 1] then
    -- GT is known from Redis 7 on; it replies 0 where as much is left already, or no end.
    if redis.pcall('PEXPIRE', name, ttl, 'GT') == 1 then
      left[i] = tonumber(ttl)
    else
      left[i] = redis.call('PTTL', name)
      if left[i] < tonumber(ttl) then
        left[i] = redis.call('PEXPIRE', name, ttl) * tonumber(ttl)
      end
    end
  end
end
return left
