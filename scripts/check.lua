-- check: is NAME still this owner's? Reads only.
--
-- NAME, AUX, OWNER, TOKEN: see own.lua
--
-- Replies {status, ms left (-1: no expiry), 0, n: see note in lease.lua}
--   1  ours     -1, -2, -3  gone, taken by another, forced open
local why = lost(call('GET', NAME), call('GET', AUX))
if why then return why, 0, 0, 0 end
return 1, call('PTTL', NAME), 0, note(A.q)
