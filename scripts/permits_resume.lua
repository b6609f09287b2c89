-- permits_resume: take over the permits of a token, as a new attempt with a new fence. The attempt that held
-- them loses them, and is told so.
--
-- NAME, AUX, QUEUE, OWNER, TOKEN: see lib_layout.lua
-- ARGV[1]  TTL, ms; -1: no expiry. It never shortens what is left: a lease without expiry keeps none.
-- ARGV[2]  channel, empty if the asker does not listen, a space, want (lib_permits.lua) and label. What is
--          held must be what is wanted
--
-- Replies {status, ms left (-1: no expiry), fence, n}: as of resume.lua
--
-- Running it again is safe: an attempt that has the lease already is told its fence.
decode(read('GET', AUX))
local field = 't' .. TOKEN
local stranger, holder = read_permits(), read('HGET', NAME, field)
if stranger then return -2, 0, 0, 0 end
if not holder or end_of(holder) <= NOW_MS or wanted(want_of(holder)) == 0 then return -1, 0, 0, 0 end
local channel, label = split_info(ARGV[2])
if sub(label, 1, 20) ~= want_of(holder) then return -2, 0, 0, 0 end
if withdrawn(OWNER) then return -4, 0, 0, 0 end
if UNSETTLED then return -9, 0, 0, 0, RUNNING end
local ends = end_of(holder)
if UNSETTLED == false and ends == NEVER then return -6, 0, 0, 0 end

ends = math.max(ends, end_after(tonumber(ARGV[1])))
local fence = sub(holder, 16, 31)
if sub(holder, 62, 97) ~= attempt_of(OWNER) then
  publish(split_info(info_of(holder)), 'c ' .. QUEUE)
  fence = next_fence(A.f)
  A.f = fence
  holder = sub(holder, 1, 15) .. fence .. sub(holder, 32, 51) .. '0000000000' .. attempt_of(OWNER) .. channel .. ' ' .. sub(label, 21)
end
save(aux_ttl(left_until(ends)))
set_end(field, holder, ends, sub(holder, 52, 61))
write_permits(true)
return 1, left_until(ends), tonumber(fence), flags(A.q)
