-- force: take NAME from whoever holds it, for an operator.
--
-- KEYS[1], KEYS[2]: see own.lua
--
-- Replies {status, 0, 0}
--   1  NAME was deleted, and its holder, if it is one of ours, finds out why
--  -1  NAME was free
--
-- NOT safe to run again: a second run takes NAME from the next holder.
local held = redis.call('GET', KEYS[1])
if not held then return {-1, 0, 0} end
local owner = redis.call('HGET', KEYS[2], 'o')
redis.call('DEL', KEYS[1])
if owner and (owner == held or string.sub(owner, 37) == held) then
  redis.call('HSET', KEYS[2], 'k', owner)
end
return {1, 0, 0}
