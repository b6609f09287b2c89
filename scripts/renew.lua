-- renew: what the watchdog does to a lease that is held.
--
-- NAME, AUX, OWNER, TOKEN: see own.lua
-- ARGV[1]  TTL, ms; -1: no expiry. Never shortens what is left, so that a renewal can't
--          undo an Extend.
-- ARGV[2]  number of this request if an earlier one that may shorten the TTL has not
--          been answered, else empty. It is stored, and the earlier one, should it come
--          late, finds it and does nothing (extend.lua).
-- ARGV[3]  '1' if AUX was last kept long ago, else empty
-- ARGV[4]  empty, or the largest fence that was used under this lease
--
-- Replies {status, ms left (-1: no expiry), 0, n: see note in lease.lua}
--   1  still ours     -1, -2, -3  gone, taken by another, forced open
--
-- Running it again, or late, is safe: it only adds time. The first write is one that a
-- full memory does not deny; the ones after it then pass.
local why = lost(call('GET', NAME), call('GET', AUX))
if why then return why, 0, 0, 0 end

local ttl = expire(tonumber(ARGV[1]))
-- Never backwards: this renewal may itself come late.
if ARGV[2] ~= '' and tonumber(ARGV[2]) > (tonumber(A.e) or 0) then A.e = ARGV[2] end
highest(ARGV[4])
if ARGV[2] ~= '' or ARGV[3] ~= '' or ARGV[4] ~= '' then save(kept(ttl)) end
return 1, ttl, 0, note(A.q)
