-- touch: renew leases whose tokens only their Locker knows. Then NAME alone says whether the lease is
-- there, and AUX need not be read.
--
-- KEYS     the NAMEs
-- ARGV[1]  TTL, ms
-- ARGV[2]… the token of each
--
-- Replies {how many NAMEs, i, ms left, …}: for each NAME that does not have that TTL now, its number
-- from 1 on, and what is left; 0 if NAME does not hold the token
--
-- Running it again, or late, is safe: it only adds time.
local call, try, ttl, ms = redis.call, redis.pcall, ARGV[1], tonumber(ARGV[1])
local held, reply = call('MGET', unpack(KEYS)), {#KEYS}
for i, name in ipairs(KEYS) do
  local left = 0
  if held[i] == ARGV[i + 1] then
    -- Redis knows GT from version 7 on. It replies 0 if more is left already, or there is no expiry.
    left = try('PEXPIRE', name, ttl, 'GT') == 1 and ms or call('PTTL', name)
    if left < ms then left = call('PEXPIRE', name, ttl) * ms end
  end
  if left ~= ms then
    reply[#reply + 1] = i
    reply[#reply + 1] = left
  end
end
return reply
