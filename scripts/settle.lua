-- settle: what release does where more is to do than to delete NAME.
--
-- Returns release's reply.
if not REST[lock] then -- it is a plain case, among others that are not
  call('DEL', NAME)
  return 1, 0, 0, 0
end

local tombstone, used = '', ''
if SHARED > 1 then tombstone, used = ARGV[2], ARGV[3] end
local why = lost(LOCKS == 1 and HAD[1] or call('GET', NAME), LOCKS == 1 and HAD[2] or call('GET', AUX))
local reply = {why or 1, 0, 0, 0}
local gives = find(ARGV[1], 'd', 1, true) -- else there is only a tombstone to leave
if gives and why then
  if A.q then leave(attempt_of(OWNER)) end
elseif gives then
  call('DEL', NAME)
  highest(used)
  local heir, fence, claim, others
  if SHARED > 3 and not withdrawn(ARGV[4]) then
    reply[4] = math.max(stand(ARGV[4], ARGV[5], ARGV[6]) - 1, 1)
    heir = attempt_of(ARGV[4])
  end
  local queue = A.q
  if queue then
    fence, claim, others = hand_on(heir, find(ARGV[1], 's', 1, true))
  end
  if heir and not fence then
    local _, ahead = take(ARGV[4], ARGV[6], tonumber(ARGV[5]))
    reply = {2, tonumber(ARGV[5]), 0, note(others, ahead)}
  elseif not fence and (queue or TOKEN ~= OWNER or used ~= '') then
    -- A given token can come again with another holder, redis-py say: let it find that
    -- this owner has gone.
    if TOKEN ~= OWNER then A.o, A.e = nil, nil end
    save(used ~= '' and 86400000 or 0)
  end
  if queue then reply[3] = tonumber(A.f) or 0 end
end

if tombstone ~= '' then
  -- The tombstones are one string of fixed-length entries, the attempt and the second at
  -- which it is forgotten: acquire reads it in a call that it makes anyway, and hardly ever
  -- finds one. The newest thousand are kept.
  forget()
  A.x = sub(A.x or '', -46 * 999) .. attempt_of(OWNER)
    .. string.format('%010.0f', math.floor(CLOCK / 1000000) + math.ceil(tonumber(tombstone) / 1000))
  -- By pcall: with the memory full and nothing deleted it is denied, and so would be
  -- the late request.
  save(tonumber(tombstone), redis.pcall)
end
return unpack(reply)
