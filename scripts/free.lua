-- free: give NAME back to nobody. For where release can't run: the lock's slot migrates, and QUEUE is
-- not at the server that has NAME and AUX, or does not exist. The queue stays as it is; whoever asks
-- next, when acquire can run, gives NAME to the first.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1], ARGV[2]  tombstone and fence, as ARGV[2] and ARGV[3] of release.lua
--
-- Replies {status, 0, 0, 0}
--   1  given back     -1, -2, -3  gone, taken by another, forced open
--
-- Running it again is safe: see release.lua. NAME is neither read nor written after it is deleted:
-- in a slot that migrates, that would be denied.
local why = lost(read('GET', NAME), read('GET', AUX))
if not why then
  call('DEL', NAME)
  raise_fence(ARGV[2])
  if TOKEN ~= OWNER then A.o, A.e = nil, nil end -- see release_rest.lua
  if TOKEN ~= OWNER or ARGV[2] ~= '' then save(86400000) end
end
if ARGV[1] ~= '' then add_tombstone(ARGV[1]) end
return why or 1, 0, 0, 0
