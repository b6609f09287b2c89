-- lib_lease: owners, who holds NAME, and what a reply to a holder says. The plain case does without.

-- token_of returns an owner string's token, attempt_of its attempt.
local function token_of(owner) return #owner > 36 and sub(owner, 37) or owner end
local function attempt_of(owner) return sub(owner, 1, 36) end

-- KEPT is the first character of nobody's owner string (lib_keep.lua). The first character of an
-- attempt is a hex digit.
local KEPT = '~'

-- ours tells whether held, which NAME holds, is the token of the owner in AUX; else a stranger holds it.
local function ours(held)
  return A.o and token_of(A.o) == held
end

-- withdrawn tells whether there is a tombstone of an owner's attempt.
local function withdrawn(owner)
  return A.x and find(A.x, attempt_of(owner), 1, true)
end

-- split_info returns the channel and the label of an info, which is both with a space between.
local function split_info(info) return string.match(info, '^(%S*) (.*)$') end

-- holder_info returns those of the holder in AUX.
local function holder_info() return split_info(A.i or ' ') end

-- may_rest returns the holder's channel if its lease may rest, else '': the work may have ended, and NAME is kept
-- for a while, unless others ask for it. The attempt, a UUID, says so by its version: 8 (RFC 9562, 5.8).
local function may_rest(held)
  return ours(held) and sub(A.o, 15, 15) == '8' and sub(A.o, 1, 1) ~= KEPT and holder_info() or ''
end

-- flags is the fourth number of a reply to a holder: 1 if others wait, plus 2 if the fence is ahead
-- of the server's clock.
local function flags(others, ahead) return (others and 1 or 0) + (ahead and 2 or 0) end

-- aux_ttl returns the TTL of AUX for a NAME with that TTL, ms: a day more. For a NAME without
-- expiry (-1) it is a year and a day, counted from the last renewal.
local function aux_ttl(ttl)
  return (ttl < 0 and 31536000000 or ttl) + 86400000
end
