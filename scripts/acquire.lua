-- acquire: take NAME if it is free.
--
-- KEYS, ARGV[1], ARGV[2]: see own.lua
-- ARGV[3]  TTL, ms. A lock without expiry is taken for a short one too, and persisted
--          (renew.lua) once the client knows that it has it.
-- ARGV[4]  label
--
-- Replies {status, ms left (-1: no expiry), fence}
--   1  held by this attempt
--   0  held by another
--  -4  this attempt was withdrawn: a request that came late
--
-- Running it again is safe: an attempt that holds NAME is told so, and what is left of
-- its TTL. aux is written first and NAME last: after an error NAME was not written.
local aux = redis.call('HMGET', KEYS[2], 'f', 'o', 'x')
local held = redis.call('GET', KEYS[1])
if held then
  local left = redis.call('PTTL', KEYS[1])
  if held == ARGV[1] and aux[2] == ARGV[2] then return {OK, left, tonumber(aux[1])} end
  return {0, left, 0}
end
if withdrawn(aux[3]) then return {-4, 0, 0} end

local fence = next_fence(aux[1])
install(fence, ARGV[4])
keep(tonumber(ARGV[3]))
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return {OK, tonumber(ARGV[3]), fence}
