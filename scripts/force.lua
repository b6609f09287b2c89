-- force: take NAME from whoever holds it, for an operator.
--
-- NAME, AUX, QUEUE: see own.lua
-- ARGV[1]  's' or empty: see acquire.lua
-- ARGV[2]  empty, or the fence that the holder must have
--
-- Replies {status, 0, fence, 0}
--   1  NAME was deleted, or given to the first in the queue; its holder, if it is one of
--      ours, finds out why
--  -1  NAME was free
--  -2  nothing was done: the holder has that other fence
--  -7  likewise: the holder is a stranger, who has none
--
-- NOT safe to run again without a fence: a second run takes NAME from the next holder. With
-- one it is: the next holder has another.
local held = call('GET', NAME)
if not held then return -1, 0, 0, 0 end
open(call('GET', AUX))
local known, queue = ours(held), A.q
if ARGV[2] ~= '' then
  if not known then return -7, 0, 0, 0 end
  if tonumber(A.f) ~= tonumber(ARGV[2]) then return -2, 0, tonumber(A.f) or 0, 0 end
end
call('DEL', NAME)
if known then
  A.k = NOW .. A.o
  tell(info(), 'c ' .. NAME)
end
if not (queue and hand_on(nil, ARGV[1] == 's')) and (known or queue) then save(0) end
return 1, 0, 0, 0
