-- lib_grant: gives NAME to the next in the queue.

-- grant_next gives NAME, which is free or given up by its holder, to the first in the queue that is
-- alive; to the asker, if there is one and nobody is before it. It returns the new owner, its fence
-- and TTL, whether others wait, and whether the fence is ahead of the clock. If nobody is there it
-- returns nil, and the caller must write NAME and AUX.
--
-- The new owner and the dead are taken out of the queue. single says that the server knows all who
-- listen: then a waiter to whom nobody listens is passed over, and keeps its place while it is alive.
--
-- The order matters, because Redis undoes nothing after an error:
--   1. All reads.
--   2. NAME, if a waiter gets it. If that is denied, nothing has changed and nobody has lost its
--      place. NAME is overwritten, not deleted first: while a slot of a Cluster migrates, its old
--      server does not let a missing key be written, and runs a script only while all keys are there.
--   3. AUX. If an asker gets NAME, NAME comes after AUX: an error tells it that it has no lock.
--   4. The queue. If it were not written, the owner would get a claim later that nobody takes.
local function grant_next(asker, label, ttl, single)
  local me, order = asker and attempt_of(asker), queue_order()
  local passed, rest, gone, owner, channel, mine = '', '', {}, nil, nil, false
  for at = 1, #order, 36 do
    local waiter = sub(order, at, at + 35)
    local data = waiter ~= me and call('HGET', QUEUE, waiter)
    local alive = data and tonumber(sub(data, 1, 15)) >= NOW_MS
    local behind = alive and 37 + tonumber(sub(data, 31, 33))
    if alive and single and unheard(sub(data, 37, behind - 1)) then
      passed = passed .. waiter
    else
      gone[#gone + 1] = waiter
      if alive then
        local token = behind + tonumber(sub(data, 34, 36))
        owner, channel, ttl = waiter .. sub(data, token), sub(data, 37, behind - 1), tonumber(sub(data, 16, 30))
        label = channel .. ' ' .. sub(data, behind, token - 1)
      end
      mine = waiter == me
      if alive or mine then
        rest = sub(order, at + 36)
        break
      end
    end
  end
  local others, fence, ahead = passed .. rest, nil, nil
  if others == '' then A.q = (owner or mine) and #A.q > 1 and A.q or nil end
  allow_writes()
  if owner then
    call('SET', NAME, token_of(owner), 'PX', ttl)
    fence, ahead = install(owner, label, ttl)
  elseif asker then
    fence, ahead = give(asker, label, ttl)
  end
  write_queue(order, gone, others)
  if channel and channel ~= '' then
    publish(channel, table.concat({'g', sub(owner, 1, 18), fence, flags(others ~= '', ahead), history(), NAME}, ' '))
  end
  return owner or asker, fence, ttl, others ~= '', ahead
end
