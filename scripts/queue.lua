-- queue: put, behind install and what that needs, before every script after which NAME may be free
-- while others wait.
--
-- QUEUE  queue: a hash, gone some seconds after the last waiter was heard of
--            q  the waiting attempts, 36 characters each, in order of arrival
--            and for each attempt, under its name, what a grant to it needs:
--            alive-until, ms (15 digits), claim TTL, ms (15), length of the channel (3)
--            and of the label (3), channel, label, and the token if the caller gave one
--
-- AUX's field q says that the queue may hold somebody, so that a script that finds
-- nothing there need not look.

-- A waiter counts as alive for ALIVE ms after it asked last. CLAIM bounds, in ms, the
-- lease that a waiter is granted without being asked.
local ALIVE, CLAIM = 10000, 3000

local NOW_MS = math.floor(CLOCK / 1000)

-- tell sends a message that nothing depends on; an error (no right to the channel, say) is
-- not raised, for the script has written already.
local function tell(channel, message)
  if not channel or channel == '' then return end
  redis.pcall('PUBLISH', channel, message)
end

-- stand puts an attempt into the queue, at its end unless it is there already, notes that
-- it is alive, and returns its place, 1 for the first.
local function stand(owner, ttl, info)
  local waiter, channel, label = attempt_of(owner), parts(info)
  local order = call('HGET', QUEUE, 'q') or ''
  local at = find(order, waiter, 1, true)
  if not at then
    at = #order + 1
    call('HSET', QUEUE, 'q', order .. waiter)
  end
  call('HSET', QUEUE, waiter, string.format('%015.0f%015.0f%03d%03d',
    NOW_MS + ALIVE, math.min(tonumber(ttl), CLAIM), #channel, #label)
    .. channel .. label .. sub(owner, 37))
  call('PEXPIRE', QUEUE, ALIVE)
  if not A.q then
    A.q = '1'
    save(ALIVE)
  end
  return (at - 1) / 36 + 1
end

-- leave takes an attempt out of the queue.
local function leave(waiter)
  local order = call('HGET', QUEUE, 'q') or ''
  local at = find(order, waiter, 1, true)
  if not at then return end
  call('HDEL', QUEUE, waiter)
  order = sub(order, 1, at - 1) .. sub(order, at + 36)
  if order == '' then
    call('DEL', QUEUE)
    A.q = nil
    save(0)
  else
    call('HSET', QUEUE, 'q', order)
  end
end

-- unheard tells whether nobody listens to a channel. It is asked before anything is
-- written or told: what PUBLISH replies does not count who listens at a replica, and hears.
local function unheard(channel)
  return channel ~= '' and redis.pcall('PUBSUB', 'NUMSUB', channel)[2] == 0
end

-- hand_on gives NAME, which is free, to the first in the queue, and returns the fence and
-- the claim, ms, of the grant; nil twice if the turn is me's, who is then out of the queue, or
-- nobody's, and then AUX is left to be saved; and whether others wait. The dead leave the
-- queue. Where single is set, the server knows all who listen, and one to whom nobody listens
-- is passed over; it keeps its place for as long as it counts as alive. NAME is written before
-- the grant is told, since what was written before an error stays.
local function hand_on(me, single)
  local order = call('HGET', QUEUE, 'q') or ''
  local others, rest, first, token, label, channel, claim = '', '', nil, nil, nil, nil, nil
  for at = 1, #order, 36 do
    local waiter = sub(order, at, at + 35)
    local data = call('HGET', QUEUE, waiter)
    if waiter == me then
      call('HDEL', QUEUE, waiter)
      rest = sub(order, at + 36)
      break
    elseif not data or tonumber(sub(data, 1, 15)) < NOW_MS then
      call('HDEL', QUEUE, waiter)
    else
      local behind = 37 + tonumber(sub(data, 31, 33))
      local listens = sub(data, 37, behind - 1)
      if single and unheard(listens) then
        others = others .. waiter
      else
        call('HDEL', QUEUE, waiter)
        rest, first, channel, claim = sub(order, at + 36), waiter, listens, tonumber(sub(data, 16, 30))
        token = behind + tonumber(sub(data, 34, 36))
        label, token = sub(data, behind, token - 1), sub(data, token)
        break
      end
    end
  end
  others = others .. rest
  if others == '' then
    call('DEL', QUEUE)
    A.q = nil
  elseif others ~= order then
    call('HSET', QUEUE, 'q', others)
  end
  if not first then return nil, nil, others ~= '' end
  local fence, ahead = take(first .. token, channel .. ' ' .. label, claim)
  tell(channel, table.concat({'g', sub(first, 1, 18), fence, note(others ~= '', ahead), NAME}, ' '))
  return fence, claim, others ~= ''
end
