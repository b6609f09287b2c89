-- contend: what acquire does where somebody holds NAME or waits for it, or where AUX says more
-- than who had it last.
--
-- Returns acquire's reply.
if not REST[lock] then return 1, tonumber(ARGV[1]), CLOCK, 0 end -- taken already

local ttl, channel = tonumber(ARGV[1]), parts(ARGV[3])
local held = LOCKS == 1 and HAD[1] or call('GET', NAME)
open(LOCKS == 1 and HAD[2] or call('GET', AUX))
if held == TOKEN and A.o == OWNER then
  -- It may have begun to listen since it was granted NAME.
  if channel ~= '' and A.i ~= ARGV[3] then
    A.i = ARGV[3]
    save(0, redis.pcall)
  end
  -- Whether the fence ran ahead of the clock is not known here: say yes, to be safe.
  return 1, call('PTTL', NAME), tonumber(A.f) or 0, note(A.q, true)
end
if withdrawn(OWNER) then
  if held then return 0, call('PTTL', NAME), tonumber(A.f) or 0, 0 end
  return -4, 0, 0, 0
end

local place, queues = 0, find(ARGV[2], 'q', 1, true)
if queues and (held or A.q) then
  place = stand(OWNER, ttl, ARGV[3])
elseif held and A.q then
  leave(attempt_of(OWNER))
end
if held then
  local known = ours(held)
  -- The holder hears of the first to wait, and again whenever that one asks: the message may
  -- have been lost.
  if known and place == 1 then tell(info(), 'w ' .. NAME) end
  local nobody = place > 0 and find(ARGV[2], 's', 1, true) and unheard(channel) and '!' or nil
  return known and 0 or -7, call('PTTL', NAME), tonumber(A.f) or 0, place, nobody
end
local others = false
if A.q then
  local me, fence, claim = attempt_of(OWNER), nil, nil
  fence, claim, others = hand_on(me, find(ARGV[2], 's', 1, true))
  if fence then
    if not queues then leave(me) end
    return 0, claim, tonumber(fence), place
  end
end
local fence, ahead = take(OWNER, ARGV[3], ttl)
return 1, ttl, tonumber(fence), note(others, ahead)
