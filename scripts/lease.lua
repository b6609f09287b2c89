-- lease: what scripts know of leases, beyond the plain case.

local sub, find = string.sub, string.find

-- token_of returns an owner's token, attempt_of its attempt.
local function token_of(owner) return #owner > 36 and sub(owner, 37) or owner end
local function attempt_of(owner) return sub(owner, 1, 36) end

-- ours tells whether what NAME holds is the token of the owner that aux knows.
local function ours(held, owner)
  return owner and token_of(owner) == held
end

-- withdrawn tells whether the tombstones name an owner's attempt.
local function withdrawn(tombstones, owner)
  return tombstones and find(tombstones, attempt_of(owner), 1, true)
end

-- info returns the channel and the label in aux's field i.
local function info(i) return string.match(i or ' ', '^(%S*) (.*)$') end

-- note is what a reply to a holder adds: 1 others wait, 2 the fence ran ahead of the
-- server's clock.
local function note(others, ahead) return (others and 1 or 0) + (ahead and 2 or 0) end

-- highest sees to it that aux knows the largest fence that was used under this lease, if
-- the owner says that it was not the grant's.
local function highest(used)
  if used ~= '' and tonumber(used) > (tonumber(call('HGET', AUX, 'f')) or 0) then
    call('HSET', AUX, 'f', used)
  end
end

-- keep sees to it that aux expires, but a day later than NAME; beside a NAME without
-- expiry (ttl -1), a year after the last renewal.
local function keep(ttl)
  if ttl < 0 then ttl = 31536000000 end
  call('PEXPIRE', AUX, ttl + 86400000)
end
