-- lib_start_turn: starts a strangers' turn (lib_turn.lua), with a release.

-- start_turn starts a turn of gap ms if an attempt waits and the last turn ended every ms ago or
-- earlier. It returns gap then, else nil, and the caller must save A. The turn starts after kept_for
-- ms, for which NAME will be kept. since is the fence of the grant, a time. The first waiter is told
-- when to ask, because else it would ask too late.
local function start_turn(since, every, gap, kept_for)
  local order = queue_order()
  if order == '' then return nil end
  local last = tonumber(sub(A.q, 2)) or since
  if last > CLOCK then last = CLOCK end
  if CLOCK - last < every * 1000 then
    A.q = string.format('1%016.0f', last)
    return nil
  end
  A.q = string.format('1%016.0f', CLOCK + (kept_for + gap) * 1000)
  if kept_for > 0 then return gap end -- keep tells the waiter
  local data = call('HGET', QUEUE, sub(order, 1, 36))
  if data then
    publish(sub(data, 37, 36 + tonumber(sub(data, 31, 33))), string.format('p %.0f %s', gap, NAME))
  end
  return gap
end
