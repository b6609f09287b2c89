-- fence: put before every script that makes a holder.

-- clock is the server's time, the same for all that one call does: microseconds, as a
-- number and as it is written, 16 digits. Both .. and tostring round a number of that size.
local time, written
local function clock()
  if not time then
    local now = call('TIME')
    written = now[1] .. sub('00000' .. now[2], -6)
    if #written < 16 then written = sub('000000' .. written, -16) end
    time = tonumber(written)
  end
  return time, written
end

-- after returns the fence after the last, as it is written: the server's time, or one more than
-- the last if the clock is not past it, and whether it is so. So a fence grows even if AUX was
-- lost, as long as the clock goes forward. It is below 2^53, so a Lua number holds it.
local function after(last)
  local _, now = clock()
  if last and last >= now then -- texts of as many digits are in the order of their numbers
    return string.format('%016.0f', tonumber(last) + 1), true
  end
  return now, false
end
