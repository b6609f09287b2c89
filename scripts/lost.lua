-- lost: put, behind own and known, before every script that is for a holder only.

-- lost returns nil while the lease of this owner is there, as NAME and AUX have it, else why it
-- is not. An AUX that was evicted says nothing; then a token of our own making, which is unique,
-- suffices, and a given one, which another caller may use too, does not.
local function lost(held, aux)
  open(aux)
  if held == TOKEN and (A.o == OWNER or (not A.o and TOKEN == OWNER)) then
    return nil
  end
  if A.k and sub(A.k, 17) == OWNER then return -3 end
  return held and -2 or -1
end
