-- inspect: who holds NAME, and who waits? It never replies with a token, nor with an attempt, which
-- may be a token.
--
-- NAME, AUX, QUEUE: see lib_layout.lua
-- ARGV[1]  'w' for the list of the waiters, too; else empty
--
-- Replies {status, ms left (-1: no expiry), fence, number of waiters, label, waiters, age, rest}
--  -1  free     1  held through Holdfast     -7  held by a stranger (redis-py, say,
--           or a key of another type)
--   3  released, but kept by its minimum hold; fence and label are the last holder's
-- waiters is a text (lib_waiting.lua), empty if it was not asked for.
-- age is how long ago, ms, by the server's clock, the fence was given; 0 if the fence is ahead of that
--   clock, or the lock is free or a stranger's.
-- rest is 1 if the lease may rest (lib_lease.lua), else 0.
--
-- Running it again is safe: it writes nothing.
local held = read('GET', NAME)
local order = queue_order()
local reply = {-1, 0, 0, #order / 36, '', '', 0, 0}
if held then
  decode(read('GET', AUX))
  reply[1], reply[2] = -7, call('PTTL', NAME)
  if ours(held) then
    local _, label = holder_info()
    reply[1] = sub(A.o, 1, 1) == KEPT and 3 or 1
    reply[3], reply[5] = tonumber(A.f) or 0, label or ''
    reply[7] = math.max(math.floor((NOW - reply[3]) / 1000), 0)
    reply[8] = may_rest(held) ~= '' and 1 or 0
  end
end
if ARGV[1] == 'w' then reply[6] = waiting(order) end
return unpack(reply)
