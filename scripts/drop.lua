-- drop: give NAME back to nobody, by its token alone. For where free can't run either: the lock's slot
-- migrates, and NAME is at one server while AUX is at the other. AUX stays as after the end of a
-- lease.
--
-- NAME, TOKEN: see lib_layout.lua. Only for a token that is its own attempt: no other lease has it.
--
-- Replies {status, 0, 0, 0}
--   1  given back     -1  NAME is gone     -2  NAME holds another token
--
-- Running it again is safe: it deletes NAME only while that holds the token.
local held = read('GET', NAME)
if held ~= TOKEN then return held and -2 or -1, 0, 0, 0 end
call('DEL', NAME)
return 1, 0, 0, 0
