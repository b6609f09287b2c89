-- A store that checks fences: it accepts a write only from the newest owner that
-- it has heard of. The lock can't stop a process that wakes up late and writes
-- without looking; this can.
--
-- KEYS[1]  hash: fence = newest fence seen, value = last value, writes = accepted
-- ARGV[1]  the writer's fence, decimal; below 2^53, so exact as a Lua number
-- ARGV[2]  the value
-- ARGV[3]  milliseconds after which an abandoned store goes away
--
-- Replies {1, writes accepted so far} or {0, newest fence}: refused.
-- Run again after a lost reply it accepts the same write under the same fence and
-- counts it twice; no older owner gets in that way.
local newest = redis.call('HGET', KEYS[1], 'fence')
if newest and tonumber(ARGV[1]) < tonumber(newest) then
  return {0, tonumber(newest)}
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {1, redis.call('HINCRBY', KEYS[1], 'writes', 1)}
