-- resume: take up a lease by its token, as a new attempt with a new fence. Whoever held
-- it under another attempt is displaced, and told so.
--
-- KEYS, ARGV[1], ARGV[2]: see own.lua
-- ARGV[3]  TTL, ms; -1: no expiry. Never shortens what is left.
-- ARGV[4]  label
-- ARGV[5]  channel, empty if the asker does not listen
--
-- Replies {status, ms left (-1: no expiry), fence, n: see note in own.lua}
--   1  ours now           -1  NAME is gone       -2  NAME holds another token
--  -4  this attempt was withdrawn
--
-- Running it again is safe: an attempt that was installed is told its fence.
local held = call('GET', KEYS[1])
local aux = call('HMGET', KEYS[2], 'f', 'o', 'x', 'q', 'i')
if held ~= ARGV[1] then return held and TAKEN or GONE, 0, 0, 0 end
if withdrawn(aux[3], ARGV[2]) then return -4, 0, 0, 0 end

local fence = tonumber(aux[1])
if aux[2] ~= ARGV[2] then
  fence = next_fence(aux[1])
  install(fence, ARGV[2], ARGV[4], ARGV[5])
  if ours(held, aux[2]) then tell(info(aux[5]), 'c ' .. KEYS[1]) end
end
local ttl = expire(tonumber(ARGV[3]))
keep(ttl)
return OK, ttl, fence, note(aux[4])
