-- inspect: who holds NAME? Reads only, and never replies with a token.
--
-- KEYS[1], KEYS[2]: see own.lua
--
-- Replies {status, ms left (-1: no expiry), fence, label}
--  -1  free     1  held through Holdfast     0  held by a stranger (redis-py, say)
local held = redis.call('GET', KEYS[1])
if not held then return {-1, 0, 0, ''} end
local left = redis.call('PTTL', KEYS[1])
local aux = redis.call('HMGET', KEYS[2], 'f', 'o', 'l')
if aux[2] and (aux[2] == held or string.sub(aux[2], 37) == held) then
  return {1, left, tonumber(aux[1]) or 0, aux[3] or ''}
end
return {0, left, 0, ''}
