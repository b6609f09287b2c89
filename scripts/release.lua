-- release: give NAME back, to the first in the queue if there is one.
--
-- KEYS, ARGV, NAME, AUX, QUEUE, OWNER, TOKEN: see own.lua
-- ARGV[1]  'd' to give NAME back, or the attempt's place in the queue; without it only the
--          tombstone is left. 's': see acquire.lua
-- and if that is not all:
-- ARGV[2]  empty, or for how long, ms, a request of this attempt that is still under way
--          shall find a tombstone and do nothing
-- ARGV[3]  empty, or the largest fence that was used under this lease
-- ARGV[4]… nothing, or the owner, the TTL, and channel, a space and label of an attempt that shall
--          stand in the queue before NAME is given on, unless it was withdrawn meanwhile
--
-- Replies {status, ms left, fence, n}
--   1  given back; fence is the last one's where somebody waits, n the place of ARGV[4]… in
--      the queue
--   2  given back, and granted to the attempt of ARGV[4]…, for ms, with that fence; n as
--      in acquire.lua
--  -1, -2, -3  gone, taken by another, forced open; ARGV[4]… was ignored
-- or, if each lock of the call is a plain case, 1 for all: {1, 0, 0, 0}
--
-- Running it again is safe: it gives back what its owner holds and nothing else. (A
-- second run says that NAME is gone; the client knows that it asked before.) The deletion
-- comes first: a full memory does not deny it, nor then what follows.
--
-- This part is the plain case: see acquire.lua. A call with no more than ARGV[1] has a 'd' in it.
for lock = 1, LOCKS do
  local aux, owner = HAD[LOCKS + lock], ARGV[1 + lock]
  if SHARED > 1 or HAD[lock] ~= owner or aux and sub(aux, 17, 56) ~= '-36:' .. owner then
    REST = REST or {}
    REST[lock] = true
  end
end
if not REST and type(redis.pcall('DEL', unpack(KEYS, 1, LOCKS))) == 'number' then return 1 end
REST = REST or {} -- what is denied is denied once more behind, and then it is each lock's error
