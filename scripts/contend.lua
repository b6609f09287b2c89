-- contend: what acquire does where somebody holds NAME or waits for it, or attempts were
-- withdrawn. held and aux are what acquire has read.
--
-- Returns acquire's reply; or, if it is to take NAME, nil, whether others wait, and the
-- last fence.
local held, aux = ...
local last, queue = aux[1], aux[3]
local holder = held and call('HGET', AUX, 'o')
if held == TOKEN and holder == OWNER then
  -- It may have begun to listen since it was granted NAME.
  local i = ARGV[3] .. ' ' .. ARGV[2]
  if ARGV[3] ~= '' and aux[4] ~= i then redis.pcall('HSET', AUX, 'i', i) end
  -- Whether the fence ran ahead of the clock is not known here: say yes, to be safe.
  return 1, call('PTTL', NAME), tonumber(last) or 0, note(queue, true)
end
if withdrawn(aux[2], OWNER) then
  if held then return 0, call('PTTL', NAME), tonumber(last) or 0, 0 end
  return -4, 0, 0, 0
end

local place, queues = 0, find(ARGV[4], 'q', 1, true)
if queues and (held or queue) then
  place = stand(queue, OWNER, ARGV[1], ARGV[2], ARGV[3])
elseif held and queue then
  leave(attempt_of(OWNER))
end
if held then
  local known = ours(held, holder)
  -- The holder hears of the first to wait, and again whenever that one asks: the message may
  -- have been lost.
  if known and place == 1 then tell(info(aux[4]), 'w ' .. NAME) end
  local nobody = place > 0 and find(ARGV[4], 's', 1, true) and unheard(ARGV[3]) and '!' or nil
  return known and 0 or -7, call('PTTL', NAME), tonumber(last) or 0, place, nobody
end
if not queue then return nil, false, last end
local me = attempt_of(OWNER)
local fence, claim, others, last = hand_on(last, me, find(ARGV[4], 's', 1, true))
if not fence then return nil, others, last end
if not queues then leave(me) end
return 0, claim, fence, place
