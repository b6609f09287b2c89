-- fence: put, behind own, before every script that makes a holder.

-- next_fence returns the fence after the one in aux: the server's time in
-- microseconds, or one more than the last if the clock is not past it; and whether that
-- was so. So a fence grows even if aux was lost, as long as the clock goes forward. It is
-- below 2^53, so a Lua number holds it.
local function next_fence(last)
  local seconds, micros = clock()
  local fence = seconds * 1000000 + micros
  last = tonumber(last)
  if last and last >= fence then return last + 1, true end
  return fence, false
end

-- withdrawn tells whether the tombstones name an owner's attempt.
local function withdrawn(tombstones, owner)
  return tombstones and string.find(tombstones, string.sub(owner, 1, 36), 1, true)
end

-- install makes an owner the one that aux knows; known is aux's field i, if it was read.
local function install(fence, owner, label, channel, known)
  local i = channel .. ' ' .. label
  if i == known then
    redis.call('HSET', KEYS[2], 'f', int(fence), 'o', owner)
  else
    redis.call('HSET', KEYS[2], 'f', int(fence), 'o', owner, 'i', i)
  end
end
