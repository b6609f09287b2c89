-- acquire_all: take several NAMEs together: all of them or none, or those before the first that can't be
-- had.
--
-- KEYS, NAME, AUX, QUEUE, OWNER, TOKEN: see lib_layout.lua. No NAME comes twice.
-- ARGV[1]  TTL, ms: as of acquire.lua
-- ARGV[2]  'p' to take those before the first that can't be had; without it, all or none. 's': see
--          acquire.lua
-- ARGV[3]  channel and label: see acquire.lua
--
-- Replies {status, ms left, fence, n}, and then the four numbers that acquire.lua replies for each NAME
-- that it took
--   1  all are held, each by its attempt; n is how many
--   0, -7, -4  as of acquire.lua, of the first that can't be had; n is how many are before it
--
--  -9  as of acquire.lua, with RUNNING after the four numbers
--
-- All are looked at before the first is written, so nobody ever sees some of them taken that are then
-- given back. Nobody joins a queue or leaves it.
--
-- Running it again is safe: an attempt that holds its NAME has it. After an error no attempt of the call
-- holds its NAME: those that were taken before the error are given back.
if UNSETTLED then return {-9, 0, 0, 0, RUNNING} end
local able, status, left, fence = LOCKS, nil, nil, nil
for lock = 1, LOCKS do
  status, left, fence = obstacle(lock)
  if status then
    able = lock - 1
    break
  end
end
local replies = {status or 1, left or 0, fence or 0, able}
if status and not find(ARGV[2], 'p', 1, true) then able = 0 end
REST = {}
for lock = 1, able do
  REST[lock] = true
  local done, state, ms, own, more = pcall(one, lock)
  if not done then
    for taken = 1, lock - 1 do call('DEL', KEYS[taken]) end
    error(state, 0)
  end
  local n = 4 * lock
  replies[n + 1], replies[n + 2], replies[n + 3], replies[n + 4] = state, ms, own, more
end
return replies
