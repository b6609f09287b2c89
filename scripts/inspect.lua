-- inspect: who holds NAME? Reads only, and never replies with a token.
--
-- KEYS: see own.lua
--
-- Replies {status, ms left (-1: no expiry), fence, number of waiters, label}
--  -1  free     1  held through Holdfast     -7  held by a stranger (redis-py, say)
local held = redis.call('GET', KEYS[1])
local waiters = #(redis.call('HGET', KEYS[3], 'q') or '') / 36
if not held then return {GONE, 0, 0, waiters, ''} end
local left = redis.call('PTTL', KEYS[1])
local aux = redis.call('HMGET', KEYS[2], 'f', 'o', 'i')
if ours(held, aux[2]) then
  local _, label = info(aux[3])
  return {OK, left, tonumber(aux[1]) or 0, waiters, label or ''}
end
return {-7, left, 0, waiters, ''}
