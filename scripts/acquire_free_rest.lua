-- acquire_free_rest: the rest of acquire_rest.lua: NAME is free, and goes to the asker or to the first
-- in the queue. What gives NAME is not defined before: most who ask find NAME held.
if not A.q then
  local fence, ahead = give(OWNER, ARGV[3], ttl)
  return 1, ttl, tonumber(fence), flags(false, ahead)
end
local owner, fence, left, others, ahead = grant_next(OWNER, ARGV[3], ttl, find(ARGV[2], 's', 1, true))
if owner == OWNER then return 1, ttl, tonumber(fence), flags(others, ahead) end
if not queues then dequeue(attempt_of(OWNER)) end
return 0, left, tonumber(fence), place, place > 0 and history() or nil
