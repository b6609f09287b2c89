-- acquire: take NAME if it is free and nobody waits for it, else stand in the queue.
--
-- NAME, AUX, QUEUE, OWNER, TOKEN: see own.lua
-- ARGV[1]  TTL, ms. A lock without expiry is taken for a short one too, and persisted
--          (renew.lua) once the client knows that it has it.
-- ARGV[2]  label
-- ARGV[3]  channel, empty if the asker does not listen
-- ARGV[4]  'q' to stand in the queue; without it, an attempt that stands there and does
--          not get NAME leaves. 's' if the server knows all who listen to it
--
-- Replies {status, ms left (-1: no expiry), fence, n[, '!']}
--   1  held by this attempt; n: see note in lease.lua
--   0  held by another of ours; fence is the last one's, n the place in the queue,
--      0 if not in it; '!': the server knows all who listen, and nobody does to the channel
--  -7  likewise, by a stranger
--  -4  this attempt was withdrawn: a request that came late
--
-- Running it again is safe: an attempt that holds NAME is told so, and what is left of
-- its TTL; one that waits keeps its place. aux is written first and NAME last: after an
-- error NAME was not written.
local aux = call('HMGET', AUX, 'f', 'x', 'q', 'i')
local held = call('GET', NAME)
local others, last = false, aux[1]
if held or aux[2] or aux[3] then
  contend = contend or more()
  local status, left, fence, place, nobody = contend(held, aux)
  if status then return status, left, fence, place, nobody end
  others, last = left, fence
end

local fence, ahead = install(OWNER, ARGV[2], ARGV[3], last, aux[4])
local ttl = tonumber(ARGV[1])
-- To look costs less than to write; an hour less than a day will do.
if call('PTTL', AUX) < ttl + 82800000 then call('PEXPIRE', AUX, ttl + 86400000) end
call('SET', NAME, TOKEN, 'PX', ARGV[1])
-- As note of lease.lua has it.
return 1, ttl, fence, (others and 1 or 0) + (ahead and 2 or 0)
