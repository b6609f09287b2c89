-- lib_keep: what release does while the holder's minimum hold is not over.

-- keep makes nobody the owner of NAME for ms; nobody is KEPT and the last holder's attempt without
-- its first character. So everybody sees a lock that is held, redis-py too, and a late request of the
-- last holder changes nothing, because NAME does not hold its token. AUX keeps the fence and the
-- label, but no channel, because nobody listens.
--
-- PEXPIRE comes first: a full memory does not deny it, nor the writes after it then.
local function keep(nobody, ms)
  local order = A.q and queue_order() or '' -- this may fail, so it comes before the writes
  call('PEXPIRE', NAME, ms)
  call('SET', NAME, nobody, 'PX', ms)
  local _, label = holder_info()
  A.o, A.i, A.e = nobody, ' ' .. (label or ''), nil
  save(aux_ttl(ms))
  -- The first waiter that listens must ask again: NAME may end sooner than it was told. On a Cluster
  -- PUBLISH does not say who listens, so all are told.
  for at = 1, #order, 36 do
    local data = call('HGET', QUEUE, sub(order, at, at + 35))
    local channel = data and sub(data, 37, 36 + tonumber(sub(data, 31, 33))) or ''
    if channel ~= '' and redis.pcall('PUBLISH', channel, 'r ' .. NAME) == 1 then break end
  end
end
