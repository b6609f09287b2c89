-- ahead: put, behind own, before scripts that look at what NAME and AUX hold all at once for
-- the locks of a call. One that finds more than the plain case looks again if a call has more
-- than one, for a lock may come twice in it; and if there is none, for a key of another type
-- looks like that.
local HAD = LOCKS == 1 and call('MGET', KEYS[1], KEYS[2]) or call('MGET', unpack(KEYS, 1, 2 * LOCKS))
local REST -- the locks that are no plain case
