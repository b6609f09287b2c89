-- lib_tell: tells a waiter that what it waits for may end sooner than it was told.

-- tell_first has the first waiter of a queue that listens ask again; name is what messages call the lock. On a
-- Cluster PUBLISH does not say who listens, so all are told.
local function tell_first(order, name)
  for at = 1, #order, 36 do
    local data = call('HGET', QUEUE, sub(order, at, at + 35))
    local channel = data and sub(data, 37, 36 + tonumber(sub(data, 31, 33))) or ''
    if channel ~= '' and redis.pcall('PUBLISH', channel, 'r ' .. name) == 1 then break end
  end
end
