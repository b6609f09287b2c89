-- release: give NAME back, to the first in the queue if there is one; or keep it from everybody for
-- a while.
--
-- KEYS, ARGV, NAME, AUX, QUEUE, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  'd' to give NAME back, or the attempt's place in the queue; without it only a tombstone
--          is left. 's': see acquire.lua. 't', every, ',' and gap, both ms: if others wait, NAME is
--          left free for strangers for gap, once in every (lib_turn.lua)
-- and if that is not all:
-- ARGV[2]  empty, or for how long, ms, the tombstone is to last
-- ARGV[3]  empty, or the largest fence that was used under this lease
-- ARGV[4]… nothing; or one number, for how long, ms, NAME is to be kept from everybody (lib_keep.lua);
--          or three arguments, the owner string, the TTL and the channel, space, label of a successor:
--          an attempt that joins the queue before NAME is given to the first, unless it was withdrawn
--
-- Replies {status, ms left, fence, n[, history]}
--   1  given back, or kept. If somebody waits, fence is the last one. With a successor: n is its place
--      in the queue, ms the claim of NAME's new owner, or for how long NAME is left free; history: see
--      lib_queue.lua
--   2  given back, and granted to the successor, for ms, with that fence; n as in acquire.lua
--  -1, -2, -3  gone, taken by another, forced open; the successor was ignored
-- With a failover grace and a history that is not the settled one NAME is deleted and given to nobody;
-- instead of the history: see RUNNING in lib_settled.lua.
-- Or, if each lock of the call is the plain case, one number, 1 for all: {1, 0, 0, 0}
--
-- Running it again is safe: it gives back what its owner holds, nothing else. (A second run replies
-- that NAME is gone; the client knows that it asked before.) If an earlier run keeps NAME, the second
-- changes neither that nor its end. The first write is one that a full memory does not deny, nor the
-- others then. For the order of writes see grant_next in lib_grant.lua.
--
-- This part is the plain case: see acquire.lua. A call with ARGV[1] alone always has a 'd' in it.
for lock = 1, LOCKS do
  local aux, owner = SEEN[LOCKS + lock], ARGV[1 + lock]
  if SHARED > 1 or SEEN[lock] ~= owner or aux and sub(aux, 17, 56) ~= '-36:' .. owner then
    REST = REST or {}
    REST[lock] = true
  end
end
if not REST and type(redis.pcall('DEL', unpack(KEYS, 1, LOCKS))) == 'number' then return 1 end
REST = REST or {} -- a denied DEL is denied again in release_rest, as each lock's own error
