-- acquire: take NAME if it is free and nobody waits for it, else stand in the queue.
--
-- KEYS, ARGV[1], ARGV[2]: see own.lua
-- ARGV[3]  TTL, ms. A lock without expiry is taken for a short one too, and persisted
--          (renew.lua) once the client knows that it has it.
-- ARGV[4]  label
-- ARGV[5]  channel, empty if the asker does not listen
-- ARGV[6]  'q' to stand in the queue; without it, an attempt that stands there and does
--          not get NAME leaves. 's' if the server knows all who listen to it
--
-- Replies {status, ms left (-1: no expiry), fence, n[, '!']}
--   1  held by this attempt; n: see note in own.lua
--   0  held by another of ours; fence is the last one's, n the place in the queue,
--      0 if not in it; '!': the server knows all who listen, and nobody does to the channel
--  -7  likewise, by a stranger
--  -4  this attempt was withdrawn: a request that came late
--
-- Running it again is safe: an attempt that holds NAME is told so, and what is left of
-- its TTL; one that waits keeps its place. aux is written first and NAME last: after an
-- error NAME was not written.
local aux = call('HMGET', KEYS[2], 'f', 'x', 'q', 'i')
local held = call('GET', KEYS[1])
local last, queue = aux[1], aux[3]
local holder = held and call('HGET', KEYS[2], 'o')
if held == ARGV[1] and holder == ARGV[2] then
  -- It may have begun to listen since it was granted NAME.
  local i = ARGV[5] .. ' ' .. ARGV[4]
  if ARGV[5] ~= '' and aux[4] ~= i then redis.pcall('HSET', KEYS[2], 'i', i) end
  -- Whether the fence ran ahead of the clock is not known here: say yes, to be safe.
  return OK, call('PTTL', KEYS[1]), tonumber(last) or 0, note(queue, true)
end
if withdrawn(aux[2], ARGV[2]) then
  if held then return 0, call('PTTL', KEYS[1]), tonumber(last) or 0, 0 end
  return -4, 0, 0, 0
end

local place, queues = 0, find(ARGV[6], 'q', 1, true)
if queues and (held or queue) then
  place = stand(queue, ARGV[2], ARGV[3], ARGV[4], ARGV[5])
elseif held and queue then
  leave(attempt_of(ARGV[2]))
end
if held then
  local known = ours(held, holder)
  -- The holder hears of the first to wait, and again whenever that one asks: the message may
  -- have been lost.
  if known and place == 1 then tell(info(aux[4]), 'w ' .. KEYS[1]) end
  local nobody = place > 0 and find(ARGV[6], 's', 1, true) and unheard(ARGV[5]) and '!' or nil
  return known and 0 or -7, call('PTTL', KEYS[1]), tonumber(last) or 0, place, nobody
end
local others = false
if queue then
  local me, fence, claim = attempt_of(ARGV[2])
  fence, claim, others, last = hand_on(last, me, find(ARGV[6], 's', 1, true))
  if fence then
    if not queues then leave(me) end
    return 0, claim, fence, place
  end
end

local fence, ahead = next_fence(last)
install(fence, ARGV[2], ARGV[4], ARGV[5], aux[4])
local ttl = tonumber(ARGV[3])
-- To look costs less than to write; an hour less than a day will do.
if call('PTTL', KEYS[2]) < ttl + 82800000 then keep(ttl) end
call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return OK, ttl, fence, note(others, ahead)
