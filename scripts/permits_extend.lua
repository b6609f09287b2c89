-- permits_extend: change the TTL, as the caller asks.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1], ARGV[2], ARGV[3]  ms, 'add' or 'set', number: as of extend.lua
--
-- Replies {status, ms left, 0, 0}: as of extend.lua
--
-- Running it again is safe: the second run finds its number and changes nothing.
decode(read('GET', AUX))
read_permits()
local field, holder = mine()
if not field then return holder, 0, 0, 0 end

local ends = end_of(holder)
if ends == NEVER then return -6, -1, 0, 0 end
local last, this = tonumber(sub(holder, 52, 61)), tonumber(ARGV[3])
if last > this then return -5, left_until(ends), 0, 0 end
if last < this then
  ends = (ARGV[2] == 'add' and ends or NOW_MS) + tonumber(ARGV[1])
  set_end(field, holder, ends, string.format('%010.0f', this))
  write_permits(true)
  save(aux_ttl(left_until(ends)))
end
return 1, left_until(ends), 0, 0
