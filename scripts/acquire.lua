-- acquire: take NAME if it is free and nobody waits for it, else join the queue.
--
-- KEYS, ARGV, NAME, AUX, QUEUE, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  TTL, ms. A lock without expiry is taken for a short one too, and renewed without
--          expiry (renew.lua) once the client knows that it has it.
-- ARGV[2]  'q' to join the queue; without it, an attempt that is in the queue and does not get
--          NAME leaves it. 'r' to join it only if nobody waits and the holder's lease may rest
--          (lib_lease.lua): then the holder gives NAME back, or says on the channel that it is in use. 's'
--          if the server knows all who listen to a channel
-- ARGV[3]  channel, empty if the asker does not listen, a space, and label
--
-- Replies {status, ms left (-1: no expiry), fence, n[, history]}
--   1  held by this attempt; n: see flags in lib_lease.lua
--   0  held by another attempt; or NAME is free, and left to strangers for so many ms. fence is the
--      last one; n is the place in the queue, 0 if not in it. If in it: history (lib_queue.lua),
--      after a '!' if the server knows all who listen and nobody listens to the channel
--  -7  held by a stranger; the rest as for 0
--  -4  this attempt was withdrawn: the request came late
--  -9  only with a failover grace: nobody is given NAME now, because the history of this server's data
--      is not the settled one. n is the place in the queue; instead of the history: see RUNNING in
--      lib_settled.lua, after a '!' as above
-- or, if each lock of the call is the plain case, one number, the fence of all: {1, TTL, fence, 0}
--
-- Running it again is safe: an attempt that holds NAME is told so, and what is left of its TTL; one
-- that waits keeps its place. After an error this attempt does not hold NAME: what can fail comes
-- before NAME is written. In the plain case NAME is written first, and deleted if AUX can't be
-- written.
--
-- This part is the plain case, for all locks of the call. Defining a Lua function costs half as much
-- as a command, at each call, so what the plain case does not need comes after its return.
local ttl = ARGV[1]
-- The TTL of AUX, s: at least a day more than that of NAME, as in aux_ttl (lib_lease.lua). Below
-- 1,000 s it is always the same, which saves computing it.
local stay = #ttl < 7 and '90000' or string.format('%.0f', tonumber(ttl) / 1000 + 86401)
for lock = 1, LOCKS do
  local aux, owner, done = SEEN[LOCKS + lock], ARGV[3 + lock], nil
  -- MGET replies nil for a key of another type, too.
  if not UNSETTLED and not SEEN[lock] and #owner == 36
    and (aux and sub(aux, 17, 17) == '-' and sub(aux, 1, 16) < NOW or not aux and not redis.pcall('GET', KEYS[LOCKS + lock])) then
    -- NX: this lock may come twice in the call. A write that is denied here is denied again after
    -- the plain case, and then the error is that lock's alone.
    done = redis.pcall('SET', KEYS[lock], owner, 'NX', 'PX', ttl)
  end
  if done and done.ok then
    done = redis.pcall('SET', KEYS[LOCKS + lock], NOW .. '-36:' .. owner .. ARGV[3], 'EX', stay)
    -- An error says that NAME was not written.
    if done.err then redis.pcall('DEL', KEYS[lock]) end
  end
  if not (done and done.ok) then
    REST = REST or {}
    REST[lock] = true
  end
end
if not REST then return tonumber(NOW) end
