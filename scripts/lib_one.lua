-- lib_one: the beginning of the function one(lock); the rest of it is the script's own part.
--
-- These five are set by a function, since other functions use them: in gopher-lua, in which
-- miniredis runs scripts, an error under pcall cuts functions off from the locals of its caller.
NAME, AUX, QUEUE, OWNER = KEYS[lock], KEYS[LOCKS + lock], KEYS[2 * LOCKS + lock], ARGV[SHARED + lock]
TOKEN = #OWNER > 36 and sub(OWNER, 37) or OWNER
