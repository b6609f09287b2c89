-- touch: renew leases whose tokens nobody but their Locker knows. What NAME holds tells
-- enough then, and how the rest stands is not asked.
--
-- KEYS     the NAMEs
-- ARGV[1]  TTL, ms
-- ARGV[2]… the token of each
--
-- Replies {how many NAMEs, i, ms left, …}: for each NAME that does not have that TTL now, its
-- number, and what it has; 0 if it does not hold its token
--
-- Running it again, or late, is safe: it only adds time.
local call, try, ttl, ms = redis.call, redis.pcall, ARGV[1], tonumber(ARGV[1])
local held, reply = call('MGET', unpack(KEYS)), {#KEYS}
for i, name in ipairs(KEYS) do
  local left = 0
  if held[i] == ARGV[i + 1] then
    -- GT is known from Redis 7 on; it replies 0 where as much is left already, or no end.
    left = try('PEXPIRE', name, ttl, 'GT') == 1 and ms or call('PTTL', name)
    if left < ms then left = call('PEXPIRE', name, ttl) * ms end
  end
  if left ~= ms then
    reply[#reply + 1] = i
    reply[#reply + 1] = left
  end
end
return reply
