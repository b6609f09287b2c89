-- lib_obstacle: the rest of the function obstacle(lock), whose beginning is lib_one: why OWNER can't have
-- NAME now. It writes nothing, and looks at what acquire_rest looks at.
--
-- It returns status, ms left and fence as acquire replies them; nothing if OWNER has NAME, or can have it. If
-- the holder's lease may rest, the status is -10, and the holder's channel comes behind the three.
local held = SEEN[lock] or read('GET', NAME)
decode(SEEN[LOCKS + lock] or read('GET', AUX))
local fence = tonumber(A.f) or 0
if A.o == OWNER and held == TOKEN then return end
if held then
  local rests = may_rest(held)
  return rests ~= '' and -10 or ours(held) and 0 or -7, call('PTTL', NAME), fence, rests
end
if withdrawn(OWNER) then return -4, 0, fence end
local turn = turn_left()
if turn > 0 then return 0, turn, fence end
if not A.q then return end
-- Somebody who waits comes first. NAME is left to them: they ask for it themselves.
local order = queue_order()
for at = 1, #order, 36 do
  local waiter = sub(order, at, at + 35)
  local data = waiter ~= attempt_of(OWNER) and call('HGET', QUEUE, waiter)
  if data and tonumber(sub(data, 1, 15)) >= NOW_MS
    and not (find(ARGV[2], 's', 1, true) and unheard(sub(data, 37, 36 + tonumber(sub(data, 31, 33))))) then
    return 0, 0, fence
  end
end
