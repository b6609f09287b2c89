-- inspect: who holds NAME, and who waits? Reads only, and never replies with a token, nor
-- with an attempt, which may be one.
--
-- NAME, AUX, QUEUE: see own.lua
-- ARGV[1]  'w' to be told of each waiter, too; else empty
--
-- Replies {status, ms left (-1: no expiry), fence, number of waiters, label[, waiters]}
--  -1  free     1  held through Holdfast     -7  held by a stranger (redis-py, say)
-- waiters are, in the order of the queue: for how long, ms (15 digits), each counts as
-- alive yet, the length of its label (3), and the label.
local function waiting(order)
  local time, list = call('TIME'), {}
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for at = 1, #order, 36 do
    local data = call('HGET', QUEUE, sub(order, at, at + 35))
    if data then
      local alive, channel = tonumber(sub(data, 1, 15)), tonumber(sub(data, 31, 33))
      local size = sub(data, 34, 36)
      list[#list + 1] = string.format('%015.0f%s', math.max(alive - now, 0), size)
        .. sub(data, 37 + channel, 36 + channel + tonumber(size))
    end
  end
  return table.concat(list)
end

local held = call('GET', NAME)
local order = call('HGET', QUEUE, 'q') or ''
local reply = {-1, 0, 0, #order / 36, ''}
if held then
  open(call('GET', AUX))
  reply[1], reply[2] = -7, call('PTTL', NAME)
  if ours(held) then
    local _, label = info()
    reply[1], reply[3], reply[5] = 1, tonumber(A.f) or 0, label or ''
  end
end
if ARGV[1] == 'w' then reply[6] = waiting(order) end
return unpack(reply)
