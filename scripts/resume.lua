-- resume: take up a lease by its token, as a new attempt with a new fence. Whoever held
-- it under another attempt is displaced, and told so.
--
-- NAME, AUX, OWNER, TOKEN: see own.lua
-- ARGV[1]  TTL, ms; -1: no expiry. Never shortens what is left.
-- ARGV[2]  channel, empty if the asker does not listen, a space, and label
--
-- Replies {status, ms left (-1: no expiry), fence, n: see note in lease.lua}
--   1  ours now           -1  NAME is gone       -2  NAME holds another token
--  -4  this attempt was withdrawn
--
-- Running it again is safe: an attempt that was installed is told its fence.
local held = call('GET', NAME)
open(call('GET', AUX))
if held ~= TOKEN then return held and -2 or -1, 0, 0, 0 end
if withdrawn(OWNER) then return -4, 0, 0, 0 end

local ttl = expire(tonumber(ARGV[1]))
if A.o == OWNER then
  save(kept(ttl))
else
  if ours(held) then tell(info(), 'c ' .. NAME) end
  install(OWNER, ARGV[2], ttl)
end
return 1, ttl, tonumber(A.f), note(A.q)
