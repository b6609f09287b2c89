-- lib_layout: what a call's keys and arguments are, and what Redis holds. It comes first in every
-- script but touch.
--
-- A call is for one lock or several. KEYS are the NAME of each lock, then the AUX of each, then
-- the QUEUE of each. ARGV has the arguments that are the same for all locks, then each lock's
-- owner. lib_one.lua sets these for the lock that is worked on:
--
-- NAME     the key that is the lock: a string, the token. A key of another type is a stranger's
--          lock.
-- AUX      a string: what Holdfast knows of the lock beyond the token. For example
--            1764200000000000-36:1a7cbe43-e9a1-4df4-8d9b-53c0a3e0d7f1holdfast:2:w:abc worker-7
--          is, in this order,
--            f  the last fence, 16 digits
--            '-', or '+' if any of q, k, e, x is there
--            o  the last holder's owner string, after its length and a colon. If that holder has
--               released NAME and its minimum hold keeps it: nobody's owner string (lib_keep.lua),
--               whose token NAME holds
--            q, k, e, x  only after '+', each after its length and a colon:
--            q  '1' if the queue (lib_queue.lua) may hold somebody; then perhaps a time, us, 16
--               digits (lib_turn.lua)
--            k  when a lock was forced open, us, 16 digits, and its owner string
--            e  the number of the holder's last request that set its TTL
--            x  tombstones: attempts that were withdrawn (lib_tombstone.lua)
--            i  the channel that the holder's Locker listens to, empty if none, a space, the label
-- QUEUE    the queue's key, of scripts that take three keys a lock
-- OWNER    the attempt, 36 characters, and then the token if the caller gave one. A token that
--          Holdfast made is its own attempt.
-- TOKEN    the token
local call, sub = redis.call, string.sub -- a local is found faster than a global's field
local LOCKS = #KEYS / WIDTH -- how many locks the call is for; WIDTH, the keys of each: see scripts.go
local SHARED = #ARGV - LOCKS -- how many arguments are the same for all
local NAME, AUX, QUEUE, OWNER, TOKEN
-- Of locks with a failover grace, else nil: see lib_settled.lua
local UNSETTLED, INFO, RUNNING
