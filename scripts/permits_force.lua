-- permits_force: take permits of NAME from whoever holds them, for an operator.
--
-- NAME, AUX, QUEUE: see lib_layout.lua
-- ARGV[1]  's' or empty: see acquire.lua
-- ARGV[2]  empty for all holders, or the fence of one, or '-' if it must be a stranger
--
-- Replies {status, 0, fence, 0}
--   1  taken, and given to those who wait. Each that had some will be told that it was forced out.
--  -1  nobody held any
--  -2  nothing was done: no holder has that fence, or the holder is no stranger; fence is the last one
--  -7  nothing was done: the holder is a stranger
-- With a failover grace and a history that is not the settled one nobody is given permits.
--
-- Running it again is safe as of force.lua.
decode(read('GET', AUX))
local stranger, last, taken = read_permits(), tonumber(A.f) or 0, {}
if stranger then
  if ARGV[2] ~= '' and ARGV[2] ~= '-' then return -7, 0, 0, 0 end
  call('DEL', NAME)
  count_all({})
else
  if LAST == 0 then return -1, 0, 0, 0 end
  if ARGV[2] == '-' then return -2, 0, last, 0 end
  local all, fields = call('HGETALL', NAME), {}
  for i = 1, #all, 2 do
    local field, holder = all[i], all[i + 1]
    if field ~= '=' and end_of(holder) > NOW_MS and wanted(want_of(holder)) > 0
      and (ARGV[2] == '' or tonumber(ARGV[2]) == tonumber(sub(holder, 16, 31))) then
      taken[#taken + 1], fields[#fields + 1] = holder, field
    end
  end
  if #taken == 0 then return ARGV[2] == '' and -1 or -2, 0, last, 0 end
  count_all(fields)
  for i, holder in ipairs(taken) do
    if sub(fields[i], 1, 1) ~= KEPT then -- else there is nobody to be told
      local ends = math.min(end_of(holder), NOW_MS + 86400000) -- without expiry it is told within a day
      count_in(NONE, ends)
      put(fields[i], ends, sub(holder, 16, 31) .. NONE .. sub(holder, 52))
    end
  end
end
if A.q and not UNSETTLED then
  grant_waiting(nil, nil, nil, ARGV[1] == 's')
elseif not stranger then
  write_permits()
end
for _, holder in ipairs(taken) do publish(split_info(info_of(holder)), 'c ' .. QUEUE) end
return 1, 0, 0, 0
