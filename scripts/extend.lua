-- extend: change the TTL, as the caller asks.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  ms
-- ARGV[2]  'add' to what is left, or 'set'
-- ARGV[3]  number of this request: each of a holder's requests has a larger one
--
-- Replies {status, ms left, 0, 0}
--   1  done (now, or by an earlier run of the same request)
--  -1, -2, -3  gone, taken by another, forced open
--  -5  nothing was done: a request with a larger number came first
--  -6  the lock has no expiry
--
-- Running it again is safe: the second run finds its number and changes nothing.
local why = lost(read('GET', NAME), read('GET', AUX))
if why then return why, 0, 0, 0 end

local ttl = call('PTTL', NAME)
if ttl < 0 then return -6, -1, 0, 0 end
local last, this = tonumber(A.e) or 0, tonumber(ARGV[3])
if last > this then return -5, ttl, 0, 0 end
if last < this then
  ttl = tonumber(ARGV[1]) + (ARGV[2] == 'add' and ttl or 0)
  call('PEXPIRE', NAME, ttl)
  A.e = ARGV[3]
  save(aux_ttl(ttl))
end
return 1, ttl, 0, 0
