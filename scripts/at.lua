-- at: how one(lock), which is every script's own part, begins. Only functions set what other
-- functions use: gopher-lua, on which miniredis runs scripts, cuts them off from the locals of
-- whoever called pcall once something under it has failed.
NAME, AUX, QUEUE, OWNER = KEYS[lock], KEYS[LOCKS + lock], KEYS[2 * LOCKS + lock], ARGV[SHARED + lock]
TOKEN = #OWNER > 36 and sub(OWNER, 37) or OWNER
