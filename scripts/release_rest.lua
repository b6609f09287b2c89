-- release_rest: the rest of release.lua: there is more to do than to delete NAME. Its one(lock)
-- returns release's reply.
if not REST[lock] then -- the plain case, in a call with locks that are not
  call('DEL', NAME)
  return 1, 0, 0, 0
end

local tombstone, used = '', ''
if SHARED > 1 then tombstone, used = ARGV[2], ARGV[3] end
local held = LOCKS == 1 and SEEN[1] or read('GET', NAME)
local why = lost(held, LOCKS == 1 and SEEN[2] or read('GET', AUX))
local gives = find(ARGV[1], 'd', 1, true) -- else only a tombstone is left
local nobody = KEPT .. sub(OWNER, 2, 36)
local done = gives and held == nobody and A.o == nobody -- an earlier run keeps NAME
local reply = {not done and why or 1, 0, 0, 0}
local every, gap = string.match(ARGV[1], 't(%d+),(%d+)')
if gives and not why and SHARED == 4 then
  if every and A.q then start_turn(tonumber(A.f) or 0, tonumber(every), tonumber(gap), tonumber(ARGV[4])) end
  raise_fence(used)
  keep(nobody, tonumber(ARGV[4]))
elseif gives and why then
  if A.q then dequeue(attempt_of(OWNER)) end
elseif gives then
  local since = tonumber(A.f) or 0
  raise_fence(used)
  local successor = SHARED > 4 and not withdrawn(ARGV[4]) and ARGV[4]
  if successor then
    allow_writes()
    reply[4] = math.max(enqueue(successor, ARGV[5], ARGV[6]) - 1, 1)
  end
  local queue, free, owner, fence, claim, others, ahead = A.q, nil, nil, nil, nil, nil, nil
  if queue and not UNSETTLED then
    free = every and start_turn(since, tonumber(every), tonumber(gap), 0)
    if not free then
      owner, fence, claim, others, ahead = grant_next(successor, ARGV[6], tonumber(ARGV[5]), find(ARGV[1], 's', 1, true))
    end
  end
  if queue then reply[3] = tonumber(A.f) or 0 end
  if not owner then
    call('DEL', NAME)
    -- Another holder, redis-py say, may have the same token if it was given: without o and e, NAME
    -- is a stranger's then.
    if TOKEN ~= OWNER then A.o, A.e = nil, nil end
    if queue or TOKEN ~= OWNER or used ~= '' then save(used ~= '' and 86400000 or 0) end
  end
  if successor and owner == successor then
    reply = {2, claim, tonumber(fence), flags(others, ahead)}
  elseif successor then
    reply[2], reply[5] = claim or free or 0, UNSETTLED and RUNNING or history()
  end
end

if tombstone ~= '' then add_tombstone(tombstone) end
return unpack(reply)
