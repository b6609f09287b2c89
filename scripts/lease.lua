-- lease: what scripts know of leases, beyond the plain case.

-- token_of returns an owner's token, attempt_of its attempt.
local function token_of(owner) return #owner > 36 and sub(owner, 37) or owner end
local function attempt_of(owner) return sub(owner, 1, 36) end

-- ours tells whether what NAME holds is the token of the owner that AUX knows.
local function ours(held)
  return A.o and token_of(A.o) == held
end

-- withdrawn tells whether the tombstones name an owner's attempt.
local function withdrawn(owner)
  return A.x and find(A.x, attempt_of(owner), 1, true)
end

-- parts returns the channel and the label of an info, which is both with a space between.
local function parts(info) return string.match(info, '^(%S*) (.*)$') end

-- info returns those of the holder that AUX knows.
local function info() return parts(A.i or ' ') end

-- note is what a reply to a holder adds: 1 others wait, 2 the fence ran ahead of the
-- server's clock.
local function note(others, ahead) return (others and 1 or 0) + (ahead and 2 or 0) end

-- highest notes the largest fence that was used under this lease, if the owner says that it
-- was not the grant's.
local function highest(used)
  if used ~= '' and tonumber(used) > (tonumber(A.f) or 0) then
    A.f = string.format('%016.0f', tonumber(used))
  end
end

-- kept returns for how long AUX is kept beside a NAME of that TTL, ms: a day longer; beside
-- one without expiry (-1), a year after the last renewal.
local function kept(ttl)
  return (ttl < 0 and 31536000000 or ttl) + 86400000
end
