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
--   -10  the same, but each that can't be had is held by a lease that may rest (lib_lease.lua). If all or none
--        was asked for, their holders were told: asked again a little later, NAME may be free
--
--  -9  as of acquire.lua, with RUNNING after the four numbers
--
-- All are looked at before the first is written, so nobody ever sees some of them taken that are then
-- given back. Nobody joins a queue or leaves it.
--
-- Running it again is safe: an attempt that holds its NAME has it. After an error no attempt of the call
-- holds its NAME: those that were taken before the error are given back.
if UNSETTLED then return {-9, 0, 0, 0, RUNNING} end
local some, able, status, left, fence, resting = find(ARGV[2], 'p', 1, true), LOCKS, nil, nil, nil, {}
for lock = 1, LOCKS do
  local why, ms, last, channel = obstacle(lock)
  if why and (not status or status == -10 and why ~= -10) then
    able, status, left, fence = lock - 1, why, ms, last
  end
  if why == -10 then resting[#resting + 1] = {channel, NAME} end
  if why and (some or why ~= -10) then break end
end
if status == -10 and not some then
  -- The holder gives NAME back if its lease rests, and does nothing if it does not.
  for _, at in ipairs(resting) do publish(at[1], 't - - ' .. at[2]) end
end
local replies = {status or 1, left or 0, fence or 0, able}
if status and not some then able = 0 end
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
