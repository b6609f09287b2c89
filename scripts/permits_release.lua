-- permits_release: give permits back, to those who wait for them; or keep them from everybody for a while.
--
-- KEYS, ARGV, NAME, AUX, QUEUE, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  'd' to give the permits back, or the attempt's place in the queue; without it only a tombstone
--          is left. 's': see acquire.lua
-- and if that is not all:
-- ARGV[2]  empty, or for how long, ms, the tombstone is to last
-- ARGV[3]  empty, or the largest fence that was used under this lease
-- ARGV[4]  nothing; or for how long, ms, the permits are to be kept from everybody
--
-- Replies {status, 0, 0, 0}
--   1  given back, or kept     -1, -2, -3  gone, taken by another, forced out
-- With a failover grace and a history that is not the settled one nobody is given permits.
--
-- Running it again is safe: see release.lua.
local tombstone, used, ms = ARGV[2], ARGV[3], tonumber(SHARED > 3 and ARGV[4] or nil)
local gives = find(ARGV[1], 'd', 1, true)
decode(read('GET', AUX))
local stranger, field, holder = read_permits(), mine()
local kept = KEPT .. sub(OWNER, 2, 36)
local status = field and 1 or read('HGET', NAME, kept) and not stranger and 1 or holder
if SHARED == 1 then tombstone, used = '', '' end
if gives and field then
  take_out(field, holder)
  raise_fence(used)
  if ms then
    local fence = used == '' and sub(holder, 16, 31) or string.format('%016.0f', tonumber(used))
    count_in(want_of(holder), end_after(ms))
    put(kept, end_after(ms), fence .. sub(holder, 32, 61) .. kept .. ' ' .. string.match(info_of(holder), ' (.*)$'))
  end
  if used ~= '' then
    allow_writes()
    save(86400000, redis.pcall)
  end
end
if gives and A.q and (not field or UNSETTLED ~= nil) then dequeue(attempt_of(OWNER)) end -- it may have been in others' way
if gives and A.q and not UNSETTLED and not stranger and not (field and ms) then
  grant_waiting(nil, nil, nil, find(ARGV[1], 's', 1, true))
elseif gives and field then
  local order = ms and A.q and queue_order() or ''
  write_permits()
  tell_first(order, QUEUE)
end
if tombstone ~= '' then add_tombstone(tombstone) end
return status, 0, 0, 0
