-- fence: put, behind now, before every script that makes a holder.

-- CLOCK is NOW as a number. Both .. and tostring round a number of that size.
local CLOCK = tonumber(NOW)

-- after returns the fence after the last, as it is written: the server's time, or one more than
-- the last if the clock is not past it, and whether it is so. So a fence grows even if AUX was
-- lost, as long as the clock goes forward. It is below 2^53, so a Lua number holds it.
local function after(last)
  if last and last >= NOW then -- texts of as many digits are in the order of their numbers
    return string.format('%016.0f', tonumber(last) + 1), true
  end
  return NOW, false
end
