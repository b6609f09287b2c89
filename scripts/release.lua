-- release: give NAME back, to the first in the queue if there is one.
--
-- NAME, AUX, QUEUE, OWNER, TOKEN: see own.lua
-- ARGV[1]  empty, or for how long, ms, a request of this attempt that is still under way
--          shall find a tombstone and do nothing
-- ARGV[2]  'd' to give NAME back, or the attempt's place in the queue; without it only the
--          tombstone is left. 's': see acquire.lua
-- ARGV[3]  empty, or the largest fence that was used under this lease
-- ARGV[4]… nothing, or the owner, TTL, label and channel of an attempt that shall
--          stand in the queue before NAME is given on, unless it was withdrawn meanwhile
--
-- Replies {status, ms left, fence, n}
--   1  given back; fence is the last one's where somebody waits, n the place of ARGV[4]… in
--      the queue
--   2  given back, and granted to the attempt of ARGV[4]…, for ms, with that fence; n as
--      in acquire.lua
--  -1, -2, -3  gone, taken by another, forced open; ARGV[4]… was ignored
--
-- Running it again is safe: it gives back what its owner holds and nothing else. (A
-- second run says that NAME is gone; the client knows that it asked before.) The deletion
-- comes first: a full memory does not deny it, nor then what follows.
local aux = HAD[key + 2]
if HAD[key + 1] == OWNER and (not aux or sub(aux, 17, 56) == '-36:' .. OWNER)
  and ARGV[1] == '' and ARGV[2] ~= '' and ARGV[3] == '' and SHARED == 3 then
  if LOCKS == 1 then call('DEL', NAME) else GONE[#GONE + 1] = NAME end
  return 1, 0, 0, 0
end
settle = settle or more()
return settle()
