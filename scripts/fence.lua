-- fence: put before every script that makes a holder.

-- clock is the server's time, the same for all that one call does: microseconds, as a
-- number and as it is written. Both .. and tostring round a number of that size.
local time, written
local function clock()
  if not time then
    local now = call('TIME')
    written = now[1] .. string.sub('00000' .. now[2], -6)
    time = tonumber(written)
  end
  return time, written
end

-- install makes an owner the one that aux knows, with the fence after the last: the
-- server's time, or one more than the last if the clock is not past it. So a fence grows
-- even if aux was lost, as long as the clock goes forward. It is below 2^53, so a Lua number
-- holds it. known is aux's field i, if it was read. It returns the fence, whether it is ahead of
-- the clock, and how it is written.
local function install(owner, label, channel, last, known)
  local fence, text = clock()
  local ahead = false
  -- Numbers of as many digits are in the order of their texts, which need not be read.
  if last and (#last > #text or #last == #text and last >= text) then
    fence, ahead = last + 1, true
    text = string.format('%.0f', fence)
  end
  local i = channel .. ' ' .. label
  if i == known then
    call('HSET', AUX, 'f', text, 'o', owner)
  else
    call('HSET', AUX, 'f', text, 'o', owner, 'i', i)
  end
  return fence, ahead, text
end
