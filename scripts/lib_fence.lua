-- lib_fence: the next fence. For scripts that make a holder.

-- CLOCK is NOW as a number. Both .. and tostring round a number of that size.
local CLOCK = tonumber(NOW)

-- next_fence returns the fence after the last one, 16 digits, and whether it is ahead of the
-- server's clock. It is the server's time, or the last fence plus one if that is later. So fences
-- grow even if AUX was lost, unless the clock was set back. They are below 2^53, so a Lua number
-- holds them.
local function next_fence(last)
  if last and last >= NOW then -- texts of 16 digits are in the order of their numbers
    return string.format('%016.0f', tonumber(last) + 1), true
  end
  return NOW, false
end
