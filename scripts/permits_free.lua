-- permits_free: give permits back to nobody. For where permits_release can't run: the lock's slot migrates, and
-- QUEUE is not at the server that has NAME and AUX, or does not exist. The queue stays as it is; whoever asks
-- next, when permits_acquire can run, has those served who wait.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1], ARGV[2]  tombstone and fence, as ARGV[2] and ARGV[3] of permits_release.lua
--
-- Replies {status, 0, 0, 0}
--   1  given back     -1, -2, -3  gone, taken by another, forced out
--
-- Running it again is safe: see permits_release.lua.
decode(read('GET', AUX))
read_permits()
local field, holder = mine()
if field then
  take_out(field, holder)
  raise_fence(ARGV[2])
  if ARGV[2] ~= '' then save(86400000, redis.pcall) end
  write_permits()
end
if ARGV[1] ~= '' then add_tombstone(ARGV[1]) end
return field and 1 or holder, 0, 0, 0
