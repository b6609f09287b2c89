-- fence: put, behind own, before every script that makes a holder.

-- next_fence returns the fence after the one in aux: the server's time in
-- microseconds, or one more than the last if the clock is not past it; and whether that
-- was so. So a fence grows even if aux was lost, as long as the clock goes forward. It is
-- below 2^53, so a Lua number holds it.
local function next_fence(last)
  local now, written = clock()
  last = last or ''
  -- Numbers of as many digits are in the order of their texts, which need not be read.
  if #last > #written or #last == #written and last >= written then return last + 1, true end
  return now, false
end

-- withdrawn tells whether the tombstones name an owner's attempt.
local function withdrawn(tombstones, owner)
  return tombstones and find(tombstones, attempt_of(owner), 1, true)
end

-- install makes an owner the one that aux knows; known is aux's field i, if it was read.
local function install(fence, owner, label, channel, known)
  local i = channel .. ' ' .. label
  if i == known then
    call('HSET', KEYS[2], 'f', int(fence), 'o', owner)
  else
    call('HSET', KEYS[2], 'f', int(fence), 'o', owner, 'i', i)
  end
end
