-- check: is NAME still this owner's?
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
--
-- Replies {status, ms left (-1: no expiry), 0, n: see flags in lib_lease.lua}
--   1  still ours     -1, -2, -3  gone, taken by another, forced open
--
-- Running it again is safe: it writes nothing.
local why = lost(read('GET', NAME), read('GET', AUX))
if why then return why, 0, 0, 0 end
return 1, call('PTTL', NAME), 0, flags(A.q)
