-- force: take NAME from whoever holds it, for an operator.
--
-- KEYS: see own.lua
-- ARGV[3]  's' or empty: see acquire.lua
-- ARGV[4]  empty, or the fence that the holder must have
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
local held = call('GET', KEYS[1])
if not held then return GONE, 0, 0, 0 end
local aux = call('HMGET', KEYS[2], 'o', 'i', 'q', 'f')
if ARGV[4] ~= '' then
  if not ours(held, aux[1]) then return -7, 0, 0, 0 end
  if aux[4] ~= ARGV[4] then return TAKEN, 0, tonumber(aux[4]) or 0, 0 end
end
call('DEL', KEYS[1])
if ours(held, aux[1]) then
  call('HSET', KEYS[2], 'k', aux[1])
  tell(info(aux[2]), 'c ' .. KEYS[1])
end
if aux[3] then hand_on(aux[4], nil, ARGV[3] == 's') end
return OK, 0, 0, 0
