-- lib_tombstone: leaves a tombstone of an attempt.

-- add_tombstone leaves a tombstone of OWNER's attempt for so many ms: a request of that attempt which
-- arrives late finds it and does nothing. A tombstone has 46 characters: the attempt, and the second
-- at which it ends (10 digits). The newest thousand stay. They are in AUX, which acquire reads anyway.
local function add_tombstone(ms)
  drop_old()
  A.x = sub(A.x or '', -46 * 999) .. attempt_of(OWNER)
    .. string.format('%010.0f', math.floor(CLOCK / 1000000) + math.ceil(tonumber(ms) / 1000))
  -- By pcall: if the memory is full this is denied, and so is the late request then.
  save(tonumber(ms), redis.pcall)
end
