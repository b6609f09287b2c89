-- at: how one(lock), which is every script's own part, begins. Only functions set what other
-- functions use: gopher-lua, on which miniredis runs scripts, cuts them off from the locals of
-- whoever called pcall once something under it has failed.
local key = (lock - 1) * WIDTH
NAME, AUX, QUEUE, OWNER = KEYS[key + 1], KEYS[key + 2], WIDTH > 2 and KEYS[key + 3], ARGV[SHARED + lock]
TOKEN = #OWNER > 36 and sub(OWNER, 37) or OWNER
