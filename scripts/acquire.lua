-- acquire: take NAME if it is free and nobody waits for it, else stand in the queue.
--
-- KEYS, ARGV, NAME, AUX, QUEUE, OWNER, TOKEN: see own.lua
-- ARGV[1]  TTL, ms. A lock without expiry is taken for a short one too, and persisted
--          (renew.lua) once the client knows that it has it.
-- ARGV[2]  'q' to stand in the queue; without it, an attempt that stands there and does
--          not get NAME leaves. 's' if the server knows all who listen to it
-- ARGV[3]  channel, empty if the asker does not listen, a space, and label
--
-- Replies {status, ms left (-1: no expiry), fence, n[, '!']}
--   1  held by this attempt; n: see note in lease.lua
--   0  held by another of ours; fence is the last one's, n the place in the queue,
--      0 if not in it; '!': the server knows all who listen, and nobody does to the channel
--  -7  likewise, by a stranger
--  -4  this attempt was withdrawn: a request that came late
-- or, if each lock of the call is a plain case, the fence of all: {1, TTL, fence, 0}
--
-- Running it again is safe: an attempt that holds NAME is told so, and what is left of
-- its TTL; one that waits keeps its place. After an error NAME was not written: what can fail
-- comes before it, and in the plain case NAME is the first write, where it is denied if any is.
--
-- This part is the plain case, for all locks of the call. To make a function costs Redis as much
-- as a command does, at each call of the script, so all that the plain case does not need comes
-- behind its return.
local ttl = ARGV[1]
-- For how long AUX stays, s: a day longer than a TTL of less than 1,000 s, which need not be
-- computed then, or than this one; see kept in lease.lua.
local stay = #ttl < 7 and '90000' or string.format('%.0f', tonumber(ttl) / 1000 + 86401)
for lock = 1, LOCKS do
  local aux, owner, done = HAD[LOCKS + lock], ARGV[3 + lock], nil
  -- What is no string looks as if there were none.
  if not HAD[lock] and #owner == 36
    and (aux and sub(aux, 17, 17) == '-' and sub(aux, 1, 16) < NOW or not aux and not redis.pcall('GET', KEYS[LOCKS + lock])) then
    -- Since HAD was read another lock of this call may have been this one. What is denied is
    -- denied once more behind, and then it is the one lock's error.
    done = redis.pcall('SET', KEYS[lock], owner, 'NX', 'PX', ttl)
  end
  if done and done.ok then
    call('SET', KEYS[LOCKS + lock], NOW .. '-36:' .. owner .. ARGV[3], 'EX', stay)
  else
    REST = REST or {}
    REST[lock] = true
  end
end
if not REST then return tonumber(NOW) end
