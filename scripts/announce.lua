-- announce: tell Redis which channel the holder listens to. It did not listen yet when it asked for
-- NAME.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  channel, a space, and label
--
-- Replies {status, ms left (-1: no expiry), 0, n: see flags in lib_lease.lua}
--   1  still ours     -1, -2, -3  gone, taken by another, forced open
--
-- Running it again, or late, is safe: it writes only while NAME is this attempt's, always the same
-- text, and changes no TTL of NAME.
local why = lost(read('GET', NAME), read('GET', AUX))
if not why and A.o and A.i ~= ARGV[1] then
  A.i = ARGV[1]
  save(0)
end
if why then return why, 0, 0, 0 end
return 1, call('PTTL', NAME), 0, flags(A.q)
