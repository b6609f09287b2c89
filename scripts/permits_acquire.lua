-- permits_acquire: take permits of NAME if they are free and nobody waits for some, else join the queue.
--
-- KEYS, ARGV, NAME, AUX, QUEUE, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  TTL, ms; as of acquire.lua
-- ARGV[2]  'q' to join the queue; without it, an attempt that is in the queue and gets no permits leaves
--          it. 's' if the server knows all who listen to a channel
-- ARGV[3]  channel, empty if the asker does not listen, a space, want (lib_permits.lua), label
--
-- Replies {status, ms left (-1: no expiry), fence, n[, history]}: as of acquire.lua, but never a single
-- number. ms left, of status 0, is for how long no holder's lease ends, or a shorter time after which to ask
-- again
--
-- Running it again is safe: an attempt that holds its permits is told so, and what is left of its TTL; one
-- that waits keeps its place. After an error this attempt holds nothing: what can fail comes before NAME
-- is written.
local ttl, channel, single = tonumber(ARGV[1]), split_info(ARGV[3]), find(ARGV[2], 's', 1, true)
decode(read('GET', AUX))
if UNSETTLED then return unsettled(ttl, channel) end
local stranger = read_permits()
local field, holder = nil, nil
if not stranger then field, holder = mine() end
if field then
  if UNSETTLED == false and A.q then dequeue(attempt_of(OWNER)) end -- it may have asked while unsettled
  if channel ~= '' and split_info(info_of(holder)) ~= channel then -- it may listen only now
    put(field, end_of(holder), sub(holder, 16, 97) .. channel .. ' ' .. sub(ARGV[3], #channel + 22))
    write_permits(true)
  end
  return 1, left_until(end_of(holder)), tonumber(sub(holder, 16, 31)), flags(A.q, true)
end
-- A token is an attempt's own: if another attempt has it, that has resumed it, and this request comes late.
if withdrawn(OWNER) or holder == -2 and #OWNER == 36 then return -4, 0, 0, 0 end
if holder == -3 then count_all({'t' .. TOKEN}) end -- forced out; it is given permits anew

local want = sub(ARGV[3], #channel + 2, #channel + 21)
if not stranger and not A.q and fits(want) then
  local fence, ahead = give_permits(OWNER, ARGV[3], ttl)
  save(aux_ttl(ttl))
  write_permits()
  return 1, ttl, tonumber(fence), flags(false, ahead)
end

local queues, place, fence, ahead, others = find(ARGV[2], 'q', 1, true), 0, nil, nil, nil
if queues then place = enqueue(OWNER, ttl, ARGV[3]) end
if not stranger and A.q then
  fence, ahead, others = grant_waiting(OWNER, ARGV[3], ttl, single)
  if fence then return 1, ttl, tonumber(fence), flags(others ~= '', ahead) end
  if queues then place = (find(others, attempt_of(OWNER), 1, true) + 35) / 36 end
end
if not queues and A.q then
  dequeue(attempt_of(OWNER))
  if A.q and not stranger then grant_waiting(nil, nil, nil, single) end -- it may have been in their way
end
local status, left = stranger and -7 or 0, stranger and call('PTTL', NAME) or left_until(FIRST)
if place == 0 then return status, left, tonumber(A.f) or 0, 0 end
if place <= 2 and not stranger then
  -- The holders are told that somebody waits, and again whenever the first or second asks: a message may be lost.
  -- If only one waits, those of its own process are not. To look at many holders takes time, so there is a pause,
  -- after which the waiter asks again: some may have been given permits meanwhile, or not have been told.
  local pause = NOW_MS < TOLD and 0 or TOLD + 10 + math.ceil(HOLDERS / 10) - NOW_MS
  if pause > 0 then
    left = left < 0 and pause or math.min(left, pause)
  else
    local told, all = {[#others == 36 and channel or ''] = true}, call('HGETALL', NAME)
    for i = 1, #all, 2 do
      local to = all[i] ~= '=' and split_info(info_of(all[i + 1])) or ''
      if not told[to] then
        told[to] = true
        publish(to, 'w ' .. QUEUE)
      end
    end
    if HOLDERS > 0 then
      TOLD = NOW_MS
      write_permits(true)
    end
  end
end
return status, left, tonumber(A.f) or 0, place, (single and unheard(channel) and '!' or '') .. history()
