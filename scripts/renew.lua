-- renew: lengthen a lease that is held.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  TTL, ms; -1: no expiry. It never shortens what is left: a renewal must not undo an Extend.
-- ARGV[2]  empty, or the number of this request, if an earlier one that may shorten the TTL was not
--          answered. Redis keeps the number: if the earlier request comes late, it finds the
--          larger number and does nothing (extend.lua).
-- ARGV[3]  '1' to renew AUX too, which is needed once in some hours; else empty
-- ARGV[4]  empty, or the largest fence that was used under this lease
--
-- Replies {status, ms left (-1: no expiry), 0, n: see flags in lib_lease.lua}
--   1  still ours     -1, -2, -3  gone, taken by another, forced open
--
-- Running it again, or late, is safe: it only adds time. The first write is one that a full memory
-- does not deny, nor the others then.
local why = lost(read('GET', NAME), read('GET', AUX))
if why then return why, 0, 0, 0 end

local ttl = expire(tonumber(ARGV[1]))
-- The number never decreases: this renewal may itself come late.
if ARGV[2] ~= '' and tonumber(ARGV[2]) > (tonumber(A.e) or 0) then A.e = ARGV[2] end
raise_fence(ARGV[4])
if ARGV[2] ~= '' or ARGV[3] ~= '' or ARGV[4] ~= '' then save(aux_ttl(ttl)) end
return 1, ttl, 0, flags(A.q)
