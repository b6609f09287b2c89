-- permits_renew: lengthen a lease that is held.
--
-- NAME, AUX, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1], ARGV[2], ARGV[3], ARGV[4]  TTL, number, keep AUX, fence: as of renew.lua
--
-- Replies {status, ms left (-1: no expiry), 0, n}: as of renew.lua
--
-- Running it again, or late, is safe: it only adds time. The first write is one that a full memory does not
-- deny, nor the others then.
decode(read('GET', AUX))
read_permits()
local field, holder = mine()
if not field then return holder, 0, 0, 0 end

local number, used = sub(holder, 52, 61), sub(holder, 16, 31)
local ends = math.max(end_of(holder), end_after(tonumber(ARGV[1])))
-- The number never decreases: this renewal may itself come late.
if ARGV[2] ~= '' then number = string.format('%010.0f', math.max(tonumber(number), tonumber(ARGV[2]))) end
if ARGV[4] ~= '' then
  raise_fence(ARGV[4])
  used = string.format('%016.0f', math.max(tonumber(used), tonumber(ARGV[4])))
end
set_end(field, sub(holder, 1, 15) .. used .. sub(holder, 32), ends, number)
write_permits(true)
if ARGV[3] ~= '' or ARGV[4] ~= '' then save(aux_ttl(left_until(ends))) end
return 1, left_until(ends), 0, flags(A.q)
