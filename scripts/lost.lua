-- lost: put before every script that is for a holder only.

-- lost returns nil while the lease of this owner is there, else why it is not; and aux's
-- field q. An aux that was evicted says nothing; then a token of our own making, which is
-- unique, suffices, and a given one, which another caller may use too, does not.
local function lost()
  local held = call('GET', NAME)
  local aux = call('HMGET', AUX, 'o', 'q')
  if held == TOKEN and (aux[1] == OWNER or (not aux[1] and TOKEN == OWNER)) then
    return nil, aux[2]
  end
  local why = held and -2 or -1
  if call('HGET', AUX, 'k') == OWNER then why = -3 end
  return why, aux[2]
end
