-- lib_lost: does the asker still have its lease? For scripts that only a holder calls.

-- lost sets A. It returns nil if the lease of OWNER is there, else the status that says why not.
-- If AUX was evicted, the token must decide: one that Holdfast made is unique and suffices; one
-- that the caller gave does not, because another caller may use it too.
local function lost(held, aux)
  decode(aux)
  if held == TOKEN and (A.o == OWNER or (not A.o and TOKEN == OWNER)) then
    return nil
  end
  if A.k and sub(A.k, 17) == OWNER then return -3 end
  return held and -2 or -1
end

-- raise_fence makes f the largest fence that was used under this lease: used, or '' if that is the
-- grant's. A lease that is passed on within a process gets fences that Redis does not know.
local function raise_fence(used)
  if used ~= '' and tonumber(used) > (tonumber(A.f) or 0) then
    A.f = string.format('%016.0f', tonumber(used))
  end
end
