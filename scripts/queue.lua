-- queue: put, behind own and fence, before every script after which NAME may be free
-- while others wait.
--
-- KEYS[3]  queue: a hash, gone some seconds after the last waiter was heard of
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

local function now_ms()
  local seconds, micros = clock()
  return seconds * 1000 + math.floor(micros / 1000)
end

-- tell sends a message that nothing depends on; an error (no right to the channel, say) is
-- not raised, for the script has written already.
local function tell(channel, message)
  if not channel or channel == '' then return end
  redis.pcall('PUBLISH', channel, message)
end

-- stand puts an attempt into the queue, at its end unless it is there already, notes that
-- it is alive, and returns its place, 1 for the first. known is aux's field q.
local function stand(known, owner, ttl, label, channel)
  local waiter = string.sub(owner, 1, 36)
  local order = redis.call('HGET', KEYS[3], 'q') or ''
  local at = string.find(order, waiter, 1, true)
  if not at then
    at = #order + 1
    redis.call('HSET', KEYS[3], 'q', order .. waiter)
  end
  redis.call('HSET', KEYS[3], waiter, string.format('%015.0f%015.0f%03d%03d',
    now_ms() + ALIVE, math.min(tonumber(ttl), CLAIM), #channel, #label)
    .. channel .. label .. string.sub(owner, 37))
  redis.call('PEXPIRE', KEYS[3], ALIVE)
  if not known then
    redis.call('HSET', KEYS[2], 'q', '1')
    if redis.call('PTTL', KEYS[2]) < ALIVE then redis.call('PEXPIRE', KEYS[2], ALIVE) end
  end
  return (at - 1) / 36 + 1
end

-- leave takes an attempt out of the queue.
local function leave(waiter)
  local order = redis.call('HGET', KEYS[3], 'q') or ''
  local at = string.find(order, waiter, 1, true)
  if not at then return end
  redis.call('HDEL', KEYS[3], waiter)
  order = string.sub(order, 1, at - 1) .. string.sub(order, at + 36)
  if order == '' then
    redis.call('DEL', KEYS[3])
    redis.call('HDEL', KEYS[2], 'q')
  else
    redis.call('HSET', KEYS[3], 'q', order)
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
  local order = redis.call('HGET', KEYS[3], 'q') or ''
  local now, kept, rest, fence, ahead, claim = now_ms(), '', '', nil, nil, nil
  for at = 1, #order, 36 do
    local waiter = string.sub(order, at, at + 35)
    local data = redis.call('HGET', KEYS[3], waiter)
    if waiter == me then
      redis.call('HDEL', KEYS[3], waiter)
      rest = string.sub(order, at + 36)
      break
    elseif not data or tonumber(string.sub(data, 1, 15)) < now then
      redis.call('HDEL', KEYS[3], waiter)
    else
      local label = 37 + tonumber(string.sub(data, 31, 33))
      local token = label + tonumber(string.sub(data, 34, 36))
      local channel = string.sub(data, 37, label - 1)
      if single and unheard(channel) then
        kept = kept .. waiter
      else
        rest, claim = string.sub(order, at + 36), tonumber(string.sub(data, 16, 30))
        fence, ahead = next_fence(last)
        last = fence
        redis.call('HDEL', KEYS[3], waiter)
        local owner = waiter .. string.sub(data, token)
        install(fence, owner, string.sub(data, label, token - 1), channel)
        keep(claim)
        redis.call('SET', KEYS[1], token_of(owner), 'PX', int(claim))
        tell(channel, table.concat({'g', string.sub(waiter, 1, 18), int(fence),
          note(#kept + #rest > 0, ahead), KEYS[1]}, ' '))
        break
      end
    end
  end
  kept = kept .. rest
  if kept == '' then
    redis.call('DEL', KEYS[3])
    redis.call('HDEL', KEYS[2], 'q')
  elseif kept ~= order then
    redis.call('HSET', KEYS[3], 'q', kept)
  end
  return fence, claim, kept ~= '', last
end
