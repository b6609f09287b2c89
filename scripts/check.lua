-- check: is NAME still this owner's? Reads only.
--
-- KEYS, ARGV[1], ARGV[2]: see own.lua
--
-- Replies {status, ms left (-1: no expiry), 0, n: see note in own.lua}
--   1  ours     -1, -2, -3  gone, taken by another, forced open
local why, queue = lost()
if why then return why, 0, 0, 0 end
return OK, call('PTTL', KEYS[1]), 0, note(queue)
