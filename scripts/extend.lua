-- extend: change the TTL because the caller asks for it.
--
-- NAME, AUX, OWNER, TOKEN: see own.lua
-- ARGV[1]  ms
-- ARGV[2]  'add' to what is left, or 'set'
-- ARGV[3]  number of this request: one holder's requests are numbered upwards
--
-- Replies {status, ms left, 0, 0}
--   1  done (now, or by an earlier run of the same request)
--  -1, -2, -3  gone, taken by another, forced open
--  -5  a later request overtook this one, which did nothing
--  -6  the lock has no expiry
--
-- Running it again is safe: a number counts once, and a smaller one not at all.
local why = lost(call('GET', NAME), call('GET', AUX))
if why then return why, 0, 0, 0 end

local ttl = call('PTTL', NAME)
if ttl < 0 then return -6, -1, 0, 0 end
local last, this = tonumber(A.e) or 0, tonumber(ARGV[3])
if last > this then return -5, ttl, 0, 0 end
if last < this then
  ttl = tonumber(ARGV[1]) + (ARGV[2] == 'add' and ttl or 0)
  call('PEXPIRE', NAME, ttl)
  A.e = ARGV[3]
  save(kept(ttl))
end
return 1, ttl, 0, 0
