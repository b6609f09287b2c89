-- permits_check: are the permits still this owner's?
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
--
-- Replies {status, ms left (-1: no expiry), 0, n}: as of check.lua
--
-- Running it again is safe: it writes nothing.
decode(read('GET', AUX))
local field, holder = mine()
if not field then return holder, 0, 0, 0 end
return 1, left_until(end_of(holder)), 0, flags(A.q)
