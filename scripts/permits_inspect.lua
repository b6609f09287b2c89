-- permits_inspect: who holds permits of NAME, and who waits? It never replies with a token, nor with an
-- attempt, which may be a token.
--
-- NAME, AUX, QUEUE: see lib_layout.lua
-- ARGV[1]  'w' for the lists of the holders and the waiters, too; else empty
--
-- Replies {status, ms left (-1: no expiry), fence, number of waiters, holders, waiters, age, 0}
--  -1  nobody holds any     1  some are held, ms left until all end     -7  NAME is a stranger's
--   3  all that are in use were released, but are kept by a minimum hold
-- fence and age are as of inspect.lua, of the holder with the largest fence.
-- holders is a text: how many permits are in use (10 digits), the smallest limit of a holder (10), and for each
--   holder, in the order of their fences, or only for the last if the list was not asked for: for how long, ms,
--   its lease lasts (15 digits, all 9 without expiry); the length of its want and label (3); its fence (16); '1'
--   if only a minimum hold keeps its permits, else '0'; its want and label.
-- waiters: see lib_waiting.lua; empty if it was not asked for. Their labels begin with the want (lib_permits.lua).
--
-- Running it again is safe: it writes nothing.
-- holding returns the holders among all fields, and whether all are only kept.
local function holding(all)
  local list, kept = {}, true
  for i = 1, #all, 2 do
    local holder = all[i + 1]
    if all[i] ~= '=' and end_of(holder) > NOW_MS and wanted(want_of(holder)) > 0 then
      local _, label = split_info(info_of(holder))
      local text, only = want_of(holder) .. label, sub(all[i], 1, 1) == KEPT
      kept = kept and only
      list[#list + 1] = {sub(holder, 16, 31), string.format('%015.0f%03d%s%s%s',
        end_of(holder) == NEVER and NEVER or end_of(holder) - NOW_MS, #text, sub(holder, 16, 31), only and '1' or '0', text)}
    end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list, kept
end

local order = queue_order()
local waiters = ARGV[1] == 'w' and waiting(order) or ''
decode(read('GET', AUX))
if read_permits() then return -7, call('PTTL', NAME), 0, #order / 36, '', waiters, 0, 0 end
local list, kept = {}
if LAST > 0 then -- else there is no key, and a user of mutexes may not be allowed HGETALL
  list, kept = holding(count_all({}))
end
local last, text = list[#list], {string.format('%010.0f%010.0f', USED, LIMIT)}
if not last then return -1, 0, 0, #order / 36, string.format('%020d', 0), waiters, 0, 0 end
for i = ARGV[1] == 'w' and 1 or #list, #list do text[#text + 1] = list[i][2] end
return kept and 3 or 1, left_until(LAST), tonumber(last[1]), #order / 36, table.concat(text), waiters,
  math.max(math.floor((NOW - last[1]) / 1000), 0), 0
