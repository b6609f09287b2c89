-- release: give NAME back, to the first in the queue if there is one.
--
-- KEYS, ARGV[1], ARGV[2]: see own.lua
-- ARGV[3]  empty, or for how long, ms, a request of this attempt that is still under way
--          shall find a tombstone and do nothing
-- ARGV[4]  'd' to give NAME back, or the attempt's place in the queue; without it only the
--          tombstone is left. 's': see acquire.lua
-- ARGV[5]  empty, or the largest fence that was used under this lease
-- ARGV[6]… nothing, or the owner, TTL, label and channel of an attempt that shall
--          stand in the queue before NAME is given on, unless it was withdrawn meanwhile
--
-- Replies {status, ms left, fence, n}
--   1  given back; fence is the last one's, n the place of ARGV[6]… in the queue
--   2  given back, and granted to the attempt of ARGV[6]…, for ms, with that fence; n as
--      in acquire.lua
--  -1, -2, -3  gone, taken by another, forced open; ARGV[6]… was ignored
--
-- Running it again is safe: it gives back what its owner holds and nothing else. (A
-- second run says that NAME is gone; the client knows that it asked before.) The deletion
-- comes first: a full memory does not deny it, nor then what follows.
local why, queue = lost()
local reply = {why or OK, 0, 0, 0}
if not find(ARGV[4], 'd', 1, true) then
  why = why or OK -- only a tombstone
elseif why then
  if queue then leave(attempt_of(ARGV[2])) end
else
  call('DEL', KEYS[1])
  highest(ARGV[5])
  local me, last, fence, claim, others
  if ARGV[6] and not withdrawn(call('HGET', KEYS[2], 'x'), ARGV[6]) then
    reply[4] = math.max(stand(queue, ARGV[6], ARGV[7], ARGV[8], ARGV[9]) - 1, 1)
    queue, me = true, attempt_of(ARGV[6])
  end
  if queue then
    fence, claim, others, last = hand_on(call('HGET', KEYS[2], 'f'), me, find(ARGV[4], 's', 1, true))
  end
  if me and not fence then
    local ahead
    last, ahead = next_fence(last)
    install(last, ARGV[6], ARGV[8], ARGV[9])
    keep(tonumber(ARGV[7]))
    call('SET', KEYS[1], token_of(ARGV[6]), 'PX', ARGV[7])
    reply = {2, tonumber(ARGV[7]), 0, note(others, ahead)}
  elseif not fence and ARGV[1] ~= ARGV[2] then
    -- A given token can come again with another holder, redis-py say: let it find that
    -- this owner has gone.
    call('HDEL', KEYS[2], 'o')
  end
  reply[3] = tonumber(last) or 0
end

if ARGV[3] ~= '' then
  -- The tombstones are one string of fixed-length entries, the attempt and the second
  -- at which it is forgotten: acquire reads it in a call that it makes anyway, and
  -- hardly ever finds one. The newest thousand are kept.
  local now = math.floor(clock() / 1000000)
  local old = call('HGET', KEYS[2], 'x') or ''
  local live = {}
  for i = math.max(1, #old - 46 * 999 + 1), #old, 46 do
    if tonumber(sub(old, i + 36, i + 45)) > now then
      live[#live + 1] = sub(old, i, i + 45)
    end
  end
  local ends = now + math.ceil(tonumber(ARGV[3]) / 1000)
  live[#live + 1] = attempt_of(ARGV[2]) .. string.format('%010.0f', ends)
  -- By pcall: with the memory full and nothing deleted it is denied, and so would be
  -- the late request.
  redis.pcall('HSET', KEYS[2], 'x', table.concat(live))
  if call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then
    redis.pcall('PEXPIRE', KEYS[2], ARGV[3])
  end
end
return unpack(reply)
