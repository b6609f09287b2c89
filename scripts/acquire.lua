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
-- its TTL; one that waits keeps its place. After an error NAME was not written: what can fail
-- comes before it, and in the plain case NAME is the first write, where it is denied if any is.
local aux = HAD[key + 2]
if not HAD[key + 1] and (not aux or sub(aux, 17, 17) == '-') then
  if not aux then call('GET', AUX) end -- which fails if it is a key of another type
  local fence, ahead = after(aux and sub(aux, 1, 16))
  -- Since HAD was read another lock of this call may have been this one; and it may be of
  -- another type.
  if call('SET', NAME, TOKEN, 'NX', 'PX', ARGV[1]) then
    call('SET', AUX, fence .. (TOKEN == OWNER and '-36:' or '-' .. #OWNER .. ':') .. OWNER .. INFO, 'PX', STAY)
    return 1, TTL, tonumber(fence), ahead and 2 or 0 -- as note of lease.lua has it
  end
end
contend = contend or more()
return contend()
