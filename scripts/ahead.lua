-- ahead: put, behind own, before scripts that look at what NAME and AUX hold all at once for
-- the locks of a call. One that finds more than the plain case looks again: a lock may come
-- twice in a call.
local HAD = call('MGET', unpack(KEYS))
