-- own: put before every script that acts for a holder.
--
-- KEYS[1]  NAME: the lock, a string that holds the token
-- KEYS[2]  aux: a hash of what Holdfast knows beyond the token
--            f  the last fence      o  the last holder's owner string
--            i  the channel on which its Locker listens, empty if it does not, a space,
--               and its label
--            e  the number of the last request that set its TTL, a space, and its attempt
--            q  set if the queue (queue.lua) may hold somebody
--            k  the owner whose lock was forced open
--            x  tombstones: attempts that were withdrawn (see release.lua)
-- KEYS[3]  the queue
-- ARGV[1]  token
-- ARGV[2]  owner: the attempt, followed by the token if the caller gave one. An
--          attempt is 36 characters; a token that Holdfast made is its own attempt.
--
-- That is how a script sees them; how they are sent is in each.lua.

-- A local is found faster than a global's field.
local call, sub, find = redis.call, string.sub, string.find

local OK, GONE, TAKEN, FORCED, FAILED = 1, -1, -2, -3, -8

-- A call is for many locks. Here are the keys and arguments of one of them: see each.lua.
local keys, args = KEYS, ARGV
local locks = #keys / WIDTH
local shared = #args - locks
local KEYS, ARGV = {'', '', ''}, {'', '', unpack(args, 1, shared)}

-- clock is the server's time, the same for all that one call does: microseconds, as a
-- number and as it is written.
local time, written
local function clock()
  if not time then
    local now = call('TIME')
    written = now[1] .. sub('00000' .. now[2], -6)
    time = tonumber(written)
  end
  return time, written
end
local function now_ms() return math.floor(clock() / 1000) end

-- token_of returns an owner's token, attempt_of its attempt.
local function token_of(owner) return #owner > 36 and sub(owner, 37) or owner end
local function attempt_of(owner) return sub(owner, 1, 36) end

-- lost returns nil while the lease of this owner is there, else why it is not; and aux's
-- field q. An aux that was evicted says nothing; then a token of our own making, which is
-- unique, suffices, and a given one, which another caller may use too, does not.
local function lost()
  local held = call('GET', KEYS[1])
  local aux = call('HMGET', KEYS[2], 'o', 'q')
  if held == ARGV[1] and (aux[1] == ARGV[2] or (not aux[1] and ARGV[1] == ARGV[2])) then
    return nil, aux[2]
  end
  local why = held and TAKEN or GONE
  if call('HGET', KEYS[2], 'k') == ARGV[2] then why = FORCED end
  return why, aux[2]
end

-- highest sees to it that aux knows the largest fence that was used under this lease, if
-- the owner says that it was not the grant's.
local function highest(used)
  if used ~= '' and tonumber(used) > (tonumber(call('HGET', KEYS[2], 'f')) or 0) then
    call('HSET', KEYS[2], 'f', used)
  end
end

-- ours tells whether what NAME holds is the token of the owner that aux knows.
local function ours(held, owner)
  return owner and token_of(owner) == held
end

-- info returns the channel and the label in aux's field i.
local function info(i) return string.match(i or ' ', '^(%S*) (.*)$') end

-- note is what a reply to a holder adds: 1 others wait, 2 the fence ran ahead of the
-- server's clock.
local function note(others, ahead) return (others and 1 or 0) + (ahead and 2 or 0) end

-- int writes a whole number as Redis reads it: tostring and .. round a large one.
local function int(n)
  if n == time then return written end -- which is much faster
  return string.format('%.0f', n)
end

-- keep sees to it that aux expires, but a day later than NAME; beside a NAME without
-- expiry (ttl -1), a year after the last renewal.
local function keep(ttl)
  if ttl < 0 then ttl = 31536000000 end
  call('PEXPIRE', KEYS[2], int(ttl + 86400000))
end
