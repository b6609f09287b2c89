-- resume: take over the lease of a token, as a new attempt with a new fence. The attempt that held it
-- loses it, and is told so.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  TTL, ms; -1: no expiry. It never shortens what is left: a lock without expiry keeps none.
-- ARGV[2]  channel, empty if the asker does not listen, a space, and label
--
-- Replies {status, ms left (-1: no expiry), fence, n: see flags in lib_lease.lua}
--   1  ours now           -1  NAME is gone       -2  NAME holds another token
--  -4  this attempt was withdrawn
-- and only with a failover grace:
--  -6  the lock has no expiry, so nothing was done
--  -9  nothing was done, because the history is not the settled one; see acquire.lua
--
-- Running it again is safe: an attempt that has the lease already is told its fence.
local held = read('GET', NAME)
decode(read('GET', AUX))
if held ~= TOKEN then return held and -2 or -1, 0, 0, 0 end
if withdrawn(OWNER) then return -4, 0, 0, 0 end
if UNSETTLED then return -9, 0, 0, 0, RUNNING end
if UNSETTLED == false and call('PTTL', NAME) < 0 then return -6, 0, 0, 0 end

local ttl = expire(call('PTTL', NAME) < 0 and -1 or tonumber(ARGV[1]))
if A.o == OWNER then
  save(aux_ttl(ttl))
else
  if ours(held) then publish(holder_info(), 'c ' .. NAME) end
  install(OWNER, ARGV[2], ttl)
end
return 1, ttl, tonumber(A.f), flags(A.q)
