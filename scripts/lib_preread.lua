-- lib_preread: reads NAME and AUX of all locks of the call at once, before the plain case.
--
-- What is not the plain case reads them again if the call is for several locks (one lock may come
-- twice), or if nothing was found (nil may be a key of another type).
local SEEN = LOCKS == 1 and call('MGET', KEYS[1], KEYS[2]) or call('MGET', unpack(KEYS, 1, 2 * LOCKS))
local REST -- by number, the locks that are not the plain case
