-- queue: put, behind own, fence and lease, before every script after which NAME may be free
-- while others wait.
--
-- QUEUE  queue: a hash, gone some seconds after the last waiter was heard of
--            q  the waiting attempts, 36 characters each, in order of arrival
--            and for each attempt, under its name, what a grant to it needs:
--            alive-until, ms (15 digits), claim TTL, ms (15), length of the channel (3)
--            and of the label (3), channel, label, and the token if the caller gave one
--
-- aux's field q says that the queue may hold somebody, so that a script that finds
-- nothing there need not look.

-- A waiter counts as alive for ALIVE ms after it asked last. CLAIM bounds, in ms, the
-- lease that a waiter is granted without being asked.
local ALIVE, CLAIM = 10000, 3000

local function now_ms() return math.floor(clock() / 1000) end

-- tell sends a message that nothing depends on; an error (no right to the channel, say) is
-- not raised, for the script has written already.
local function tell(channel, message)
  if not channel or channel == '' then return end
  redis.pcall('PUBLISH', channel, message)
end

-- stand puts an attempt into the queue, at its end unless it is there already, notes that
-- it is alive, and returns its place, 1 for the first. known is aux's field q.
local function stand(known, owner, ttl, label, channel)
  local waiter = attempt_of(owner)
  local order = call('HGET', QUEUE, 'q') or ''
  local at = find(order, waiter, 1, true)
  if not at then
    at = #order + 1
    call('HSET', QUEUE, 'q', order .. waiter)
  end
  call('HSET', QUEUE, waiter, string.format('%015.0f%015.0f%03d%03d',
    now_ms() + ALIVE, math.min(tonumber(ttl), CLAIM), #channel, #label)
    .. channel .. label .. sub(owner, 37))
  call('PEXPIRE', QUEUE, ALIVE)
  if not known then
    call('HSET', AUX, 'q', '1')
    if call('PTTL', AUX) < ALIVE then call('PEXPIRE', AUX, ALIVE) end
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
    call('HDEL', AUX, 'q')
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
-- the claim, ms, of the grant; nil if the turn is me's, who is then out of the queue, or
-- nobody's; and whether others wait, and the last fence. The dead leave the queue. Where
-- single is set, the server knows all who listen, and one to whom nobody listens is passed
-- over; it keeps its place for as long as it counts as alive. NAME is written after aux and
-- before the grant is told, since what was written before an error stays.
local function hand_on(last, me, single)
  local order = call('HGET', QUEUE, 'q') or ''
  local now, kept, rest, fence, claim = now_ms(), '', '', nil, nil
  for at = 1, #order, 36 do
    local waiter = sub(order, at, at + 35)
    local data = call('HGET', QUEUE, waiter)
    if waiter == me then
      call('HDEL', QUEUE, waiter)
      rest = sub(order, at + 36)
      break
    elseif not data or tonumber(sub(data, 1, 15)) < now then
      call('HDEL', QUEUE, waiter)
    else
      local label = 37 + tonumber(sub(data, 31, 33))
      local token = label + tonumber(sub(data, 34, 36))
      local channel = sub(data, 37, label - 1)
      if single and unheard(channel) then
        kept = kept .. waiter
      else
        rest, claim = sub(order, at + 36), tonumber(sub(data, 16, 30))
        call('HDEL', QUEUE, waiter)
        local owner, ahead, text = waiter .. sub(data, token), nil, nil
        fence, ahead, text = install(owner, sub(data, label, token - 1), channel, last)
        last = fence
        keep(claim)
        call('SET', NAME, token_of(owner), 'PX', claim)
        tell(channel, table.concat({'g', sub(waiter, 1, 18), text,
          note(#kept + #rest > 0, ahead), NAME}, ' '))
        break
      end
    end
  end
  kept = kept .. rest
  if kept == '' then
    call('DEL', QUEUE)
    call('HDEL', AUX, 'q')
  elseif kept ~= order then
    call('HSET', QUEUE, 'q', kept)
  end
  return fence, claim, kept ~= '', last
end
