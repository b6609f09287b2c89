-- acquire_rest: the rest of acquire.lua: somebody holds NAME or waits for it, or AUX says more than
-- who had it last. If NAME can be given to somebody, acquire_free_rest.lua goes on. Their one(lock)
-- returns acquire's reply.
if not REST[lock] then return 1, tonumber(ARGV[1]), CLOCK, 0 end -- taken by the plain case

local ttl, channel = tonumber(ARGV[1]), split_info(ARGV[3])
local held = LOCKS == 1 and SEEN[1] or read('GET', NAME)
decode(LOCKS == 1 and SEEN[2] or read('GET', AUX))
if UNSETTLED then
  return unsettled(ttl, channel)
end
if held == TOKEN and A.o == OWNER then
  if UNSETTLED == false and A.q then dequeue(attempt_of(OWNER)) end -- it may have asked while unsettled
  -- It may listen only since NAME was granted to it.
  if channel ~= '' and A.i ~= ARGV[3] then
    A.i = ARGV[3]
    save(0, redis.pcall)
  end
  -- Whether the fence is ahead of the clock is not known here. Yes is the safe answer.
  return 1, call('PTTL', NAME), tonumber(A.f) or 0, flags(A.q, true)
end
if withdrawn(OWNER) then
  if held then return 0, call('PTTL', NAME), tonumber(A.f) or 0, 0 end
  return -4, 0, 0, 0
end

local place, queues, tries = 0, find(ARGV[2], 'q', 1, true), find(ARGV[2], 'r', 1, true)
local rests = held and may_rest(held) or ''
if tries and rests ~= '' and not (find(ARGV[2], 's', 1, true) and unheard(rests)) then
  local first = sub(queue_order(), 1, 36)
  queues = first == '' or first == attempt_of(OWNER)
  if queues then allow_writes() end -- who only tries has no error because the memory is full
end
local free = held and 0 or turn_left()
if queues and (held or A.q) then
  place = enqueue(OWNER, ttl, ARGV[3])
elseif (held or free > 0) and A.q then
  dequeue(attempt_of(OWNER))
end
if held then
  local known = ours(held)
  -- The holder is told that somebody waits, and again whenever the first asks: a message may be
  -- lost. One that does not wait if NAME is in use wants to hear that; it may be before one that waits.
  if known and (place == 1 or place == 2 and rests ~= '') then
    local heard = tries and channel ~= ''
    publish(holder_info(), heard and table.concat({'t', sub(OWNER, 1, 18), channel, NAME}, ' ') or 'w ' .. NAME)
  end
  local status, left = known and 0 or -7, call('PTTL', NAME)
  if place == 0 then return status, left, tonumber(A.f) or 0, 0 end
  local nobody = find(ARGV[2], 's', 1, true) and unheard(channel)
  return status, left, tonumber(A.f) or 0, place, (nobody and '!' or '') .. history()
end
if free > 0 then return 0, free, tonumber(A.f) or 0, place, place > 0 and history() or nil end
