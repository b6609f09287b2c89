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
  tell_first(order, NAME)
end
