-- settle: what release does where more is to do than to delete NAME. why and queue are what
-- lost says.
--
-- Returns release's reply.
local why, queue = ...
local reply = {why or 1, 0, 0, 0}
local gives = find(ARGV[2], 'd', 1, true) -- else there is only a tombstone to leave
if gives and why then
  if queue then leave(attempt_of(OWNER)) end
elseif gives then
  call('DEL', NAME)
  highest(ARGV[3])
  local me, last, fence, claim, others
  if SHARED > 3 and not withdrawn(call('HGET', AUX, 'x'), ARGV[4]) then
    reply[4] = math.max(stand(queue, ARGV[4], ARGV[5], ARGV[6], ARGV[7]) - 1, 1)
    queue, me = true, attempt_of(ARGV[4])
  end
  if queue then
    fence, claim, others, last = hand_on(call('HGET', AUX, 'f'), me, find(ARGV[2], 's', 1, true))
  end
  if me and not fence then
    local ahead
    last, ahead = install(ARGV[4], ARGV[6], ARGV[7], last)
    keep(tonumber(ARGV[5]))
    call('SET', NAME, token_of(ARGV[4]), 'PX', ARGV[5])
    reply = {2, tonumber(ARGV[5]), 0, note(others, ahead)}
  elseif not fence and TOKEN ~= OWNER then
    -- A given token can come again with another holder, redis-py say: let it find that
    -- this owner has gone.
    call('HDEL', AUX, 'o')
  end
  reply[3] = tonumber(last) or 0
end

if ARGV[1] ~= '' then
  -- The tombstones are one string of fixed-length entries, the attempt and the second
  -- at which it is forgotten: acquire reads it in a call that it makes anyway, and
  -- hardly ever finds one. The newest thousand are kept.
  local now = math.floor(clock() / 1000000)
  local old = call('HGET', AUX, 'x') or ''
  local live = {}
  for i = math.max(1, #old - 46 * 999 + 1), #old, 46 do
    if tonumber(sub(old, i + 36, i + 45)) > now then
      live[#live + 1] = sub(old, i, i + 45)
    end
  end
  local ends = now + math.ceil(tonumber(ARGV[1]) / 1000)
  live[#live + 1] = attempt_of(OWNER) .. string.format('%010.0f', ends)
  -- By pcall: with the memory full and nothing deleted it is denied, and so would be
  -- the late request.
  redis.pcall('HSET', AUX, 'x', table.concat(live))
  if call('PTTL', AUX) < tonumber(ARGV[1]) then
    redis.pcall('PEXPIRE', AUX, ARGV[1])
  end
end
return unpack(reply)
