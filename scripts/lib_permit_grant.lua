-- lib_permit_grant: gives permits.

-- give_permits makes an owner the holder of what its info wants, for ms, and returns its fence and whether
-- that is ahead of the clock. Nothing is written yet.
local function give_permits(owner, info, ms)
  local fence, ahead = next_fence(A.f)
  A.f = fence
  if A.x or A.k then drop_old() end
  local channel, label = split_info(info)
  local want, ends = sub(label, 1, 20), end_after(ms)
  count_in(want, ends)
  put('t' .. token_of(owner), ends, fence .. want .. '0000000000' .. attempt_of(owner) .. channel .. ' ' .. sub(label, 21))
  return fence, ahead
end

-- has_permits tells whether an attempt that waits has its permits: it has asked while unsettled.
local function has_permits(waiter)
  local holder = UNSETTLED == false and call('HGET', NAME, 't' .. waiter)
  return holder and end_of(holder) > NOW_MS
end

-- grant_waiting gives permits to those who wait, in the order of the queue, and to the asker, if there is
-- one, in its place or, if it has none, after all others. Whoever does not fit is not overtaken. It
-- returns the asker's fence, nil if it gets nothing, whether that is ahead of the clock, and those who
-- wait on.
--
-- single says that the server knows all who listen: then a waiter to whom nobody listens is passed over,
-- and keeps its place while it is alive.
--
-- The order matters, because Redis undoes nothing after an error: all reads; AUX, which may skip a fence;
-- NAME; and then, by pcall, since the permits have been given, the queue.
local function grant_waiting(asker, info, ms, single)
  local me, order = asker and attempt_of(asker), queue_order()
  local passed, gone, told, at, fence, ahead = '', {}, {}, 1, nil, nil
  while at <= #order do
    local waiter = sub(order, at, at + 35)
    local data = waiter ~= me and call('HGET', QUEUE, waiter)
    if waiter == me then
      if not fits(sub(info, #split_info(info) + 2)) then break end
      fence, ahead = give_permits(asker, info, ms)
      gone[#gone + 1] = waiter
    elseif not data or tonumber(sub(data, 1, 15)) < NOW_MS or has_permits(waiter) then
      gone[#gone + 1] = waiter
    elseif USED >= LIMIT then
      break
    else
      local behind = 37 + tonumber(sub(data, 31, 33))
      local token = behind + tonumber(sub(data, 34, 36))
      local channel, label = sub(data, 37, behind - 1), sub(data, behind, token - 1)
      if single and unheard(channel) then
        passed = passed .. waiter
      elseif not fits(label) then
        break
      else
        local own, early = give_permits(waiter .. sub(data, token), channel .. ' ' .. label, tonumber(sub(data, 16, 30)))
        gone[#gone + 1] = waiter
        told[#told + 1] = {channel, waiter, own, early}
      end
    end
    at = at + 36
  end
  local others = passed .. sub(order, at)
  if asker and not fence and at > #order and not find(order, me, 1, true) and fits(sub(info, #split_info(info) + 2)) then
    fence, ahead = give_permits(asker, info, ms)
  end
  if #gone == 0 and not fence and #GONE == 0 then return nil, nil, others end
  -- Of several that are given at once the first has the clock's fence, and the others those after it, which
  -- its process would use if it were passed on.
  local several = #told + (fence and 1 or 0) > 1
  allow_writes()
  if #SET > 0 then save(math.max(LAST == NEVER and 31536000000 or LAST - NOW_MS, 0) + 86400000) end
  write_permits()
  write_queue(order, gone, others)
  if others == '' and A.q then
    A.q = nil
    save(0, redis.pcall)
  end
  for _, to in ipairs(told) do
    publish(to[1], table.concat({'g', sub(to[2], 1, 18), to[3], flags(others ~= '', several or to[4]), history(), QUEUE}, ' '))
  end
  return fence, several or ahead, others
end
