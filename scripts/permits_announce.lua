-- permits_announce: tell Redis which channel the holder listens to. It did not listen yet when it asked.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  channel, a space, want (lib_permits.lua) and label
--
-- Replies {status, ms left (-1: no expiry), 0, n}: as of announce.lua
--
-- Running it again, or late, is safe: it writes only while the permits are this attempt's, always the same
-- text, and changes no end.
decode(read('GET', AUX))
local field, holder = mine()
if not field then return holder, 0, 0, 0 end

local channel = split_info(ARGV[1])
if split_info(info_of(holder)) ~= channel then
  call('HSET', NAME, field, sub(holder, 1, 97) .. channel .. ' ' .. sub(ARGV[1], #channel + 22))
end
return 1, left_until(end_of(holder)), 0, flags(A.q)
