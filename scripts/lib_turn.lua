-- lib_turn: the strangers' turn. Strangers (redis-py, say) poll, so they get NAME only if it is free
-- for a while. If the holder's options ask for it, NAME is left free for them from time to time,
-- although attempts of Holdfast wait.
--
-- After its '1', A.q has the time at which the last turn ended or will end; before the first turn,
-- the time since which Holdfast's own have had NAME.

-- MAX_TURN is the longest turn, us. An end that is further away comes from a clock that was set
-- back, and is not waited for. Go: scripts.MaxTurn.
local MAX_TURN = 10000000

-- turn_left returns for how long, ms, no attempt of Holdfast may still take NAME.
local function turn_left()
  local left = (A.q and tonumber(sub(A.q, 2)) or 0) - CLOCK
  return left > 0 and left <= MAX_TURN and math.ceil(left / 1000) or 0
end
