-- lib_waiting: the list of those who wait.

-- waiting returns a text. For each waiter, in the order of the queue: for how long, ms (15 digits), it still
-- counts as alive; the length of its label (3); the label.
local function waiting(order)
  local now, list = math.floor(NOW / 1000), {}
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
