-- lib_queue: the attempts that wait for NAME, in order of arrival.
--
-- QUEUE  a hash, which expires ALIVE after the last waiter asked
--          q  the attempts, 36 characters each, in order of arrival
--        and for each attempt, under its name, what a grant to it needs: alive until, ms (15
--        digits); TTL of its claim, ms (15); length of the channel (3); length of the label (3);
--        channel; label; the token if the caller gave one
--
-- AUX's field q says that the queue may hold somebody. Without it, scripts do not look.

-- A waiter counts as alive for ALIVE, ms, after it asked last. CLAIM, ms, bounds the claim: the lease
-- that a waiter is granted without having been asked. Go: scripts.Claim.
local ALIVE, CLAIM = 10000, 3000

local NOW_MS = math.floor(CLOCK / 1000)

-- history names the replication history of this server's data by 16 hex digits, or '' if INFO does
-- not say it. Each start of a server and each promotion begins a new history.
--
-- A waiter counts the lease of a grant from before its last request. That is right only if the
-- grant came after that request, on the same server. So the answer to the request and the message
-- of the grant both say the history: after a failover the old master may have granted something
-- that the new one, which has an old copy of the queue, does not know.
local HISTORY -- a call may need it twice, and INFO takes as long as ten other commands
local function history()
  if not HISTORY then
    local text = INFO or redis.pcall('INFO', 'replication')
    local _, before = find(type(text) == 'string' and text or '', 'master_replid:', 1, true)
    HISTORY = before and sub(text, before + 1, before + 16) or ''
  end
  return HISTORY
end

-- unheard tells whether nobody listens to a channel. It is asked before anything is written or
-- published. PUBLISH's reply does not serve: it does not count who listens at a replica.
local function unheard(channel)
  return channel ~= '' and redis.pcall('PUBSUB', 'NUMSUB', channel)[2] == 0
end

-- allow_writes makes a write that changes nothing and that a full memory does not deny. After one
-- such write, Redis denies none of the script's other writes for lack of memory.
local function allow_writes() call('HDEL', QUEUE, '') end

-- enqueue puts an attempt at the end of the queue, unless it is in it already, writes until when it
-- counts as alive, and returns its place, 1 for the first.
local function enqueue(owner, ttl, info)
  local waiter, channel, label = attempt_of(owner), split_info(info)
  local order = queue_order()
  local at = find(order, waiter, 1, true)
  local data = string.format('%015.0f%015.0f%03d%03d', NOW_MS + ALIVE, math.min(tonumber(ttl), CLAIM), #channel, #label)
    .. channel .. label .. sub(owner, 37)
  if at then
    call('HSET', QUEUE, waiter, data)
  else
    at = #order + 1
    call('HSET', QUEUE, 'q', order .. waiter, waiter, data)
  end
  call('PEXPIRE', QUEUE, ALIVE)
  if not A.q then
    A.q = '1'
    save(86400000) -- longer than QUEUE, or somebody might not look there
  end
  return (at - 1) / 36 + 1
end

-- dequeue takes an attempt out of the queue.
local function dequeue(waiter)
  local order = queue_order()
  local at = find(order, waiter, 1, true)
  if not at then return end
  call('HDEL', QUEUE, waiter)
  order = sub(order, 1, at - 1) .. sub(order, at + 36)
  if order == '' then
    call('DEL', QUEUE)
    A.q = turn_left() > 0 and A.q or nil
    save(0)
  else
    call('HSET', QUEUE, 'q', order)
  end
end
