-- own: put before every script that acts for a holder.
--
-- A call is for one lock or many. KEYS are the NAME of each, then the AUX of each, then the
-- QUEUE. ARGV is what is the same for all locks, and then the owner of each. What scripts know
-- of the lock at hand (see at.lua):
--
-- NAME     the key that is the lock: a string that holds the token
-- AUX      a string of what Holdfast knows beyond the token
--            the last fence, 16 digits; '-', or '+' if any of q to x is there; and then, behind
--            its length and a colon each, o, behind '+' those of q to x, and the rest is i:
--            o  the last holder's owner string
--            i  the channel on which its Locker listens, empty if it does not, a space,
--               and its label
--            q  '1' if the queue (queue.lua) may hold somebody
--            k  when a lock was forced open, us, 16 digits, and its owner
--            e  the number of the holder's last request that set its TTL
--            x  tombstones: attempts that were withdrawn (see settle.lua)
-- QUEUE    the queue's key, of scripts that take three keys a lock
-- OWNER    the attempt, followed by the token if the caller gave one. An attempt is 36
--          characters; a token that Holdfast made is its own attempt.
-- TOKEN    the token
local call, sub = redis.call, string.sub -- a local is found faster than a global's field
local LOCKS = #KEYS / WIDTH
local SHARED = #ARGV - LOCKS -- arguments that are the same for all
local NAME, AUX, QUEUE, OWNER, TOKEN
