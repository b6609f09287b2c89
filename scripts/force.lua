-- force: take NAME from whoever holds it, for an operator.
--
-- NAME, AUX, QUEUE: see lib_layout.lua
-- ARGV[1]  's' or empty: see acquire.lua
-- ARGV[2]  empty, or the fence that the holder must have, or '-' if it must be a stranger, who
--          has none
--
-- Replies {status, 0, fence, 0}
--   1  NAME was deleted, or given to the first in the queue. The holder, unless it was a stranger,
--      will be told that it was forced out.
--  -1  NAME was free
--  -2  nothing was done: the holder has another fence, this one
--  -7  nothing was done: the holder is a stranger
-- With a failover grace and a history that is not the settled one NAME is deleted, not given on.
--
-- With a fence, running it again is safe: the next holder has another. Without, it is NOT safe: a
-- second run takes NAME from the next holder, or with '-' from the next stranger.
local held = read('GET', NAME)
if not held then return -1, 0, 0, 0 end
decode(read('GET', AUX))
local known, queue = ours(held), A.q
if ARGV[2] == '-' then
  if known then return -2, 0, tonumber(A.f) or 0, 0 end
elseif ARGV[2] ~= '' then
  if not known then return -7, 0, 0, 0 end
  if tonumber(A.f) ~= tonumber(ARGV[2]) then return -2, 0, tonumber(A.f) or 0, 0 end
end
if known then
  A.k = NOW .. A.o
  publish(holder_info(), 'c ' .. NAME)
end
if UNSETTLED or not (queue and grant_next(nil, nil, nil, ARGV[1] == 's')) then
  call('DEL', NAME)
  if known or queue then save(0) end
end
return 1, 0, 0, 0
