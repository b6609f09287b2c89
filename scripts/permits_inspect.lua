-- permits_inspect: who holds permits of NAME, and who waits? It never replies with a token, nor with an
-- attempt, which may be a token.
--
-- NAME, AUX, QUEUE: see lib_layout.lua
-- ARGV[1]  'w' for the lists of the holders and the waiters, too; else empty
--
-- Replies {status, ms left (-1: no expiry), fence, number of waiters, holders, waiters, 0, 0}
--  -1  nobody holds any     1  some are held, ms left until all end     -7  NAME is a stranger's
-- fence is the last one. holders begins with how many permits are in use (10 digits), and with the smallest
--   limit of a holder (10). Each list is a text, empty if it was not asked for; that of the waiters: see
--   lib_waiting.lua; their labels begin with the want (lib_permits.lua). For each holder, in the order of their
--   fences: for how long, ms, its lease lasts (15 digits, all 9 without expiry); the length of its want and
--   label (3); its fence (16); its want and label.
--
-- Running it again is safe: it writes nothing.
local function holding()
  local list, all = {}, call('HGETALL', NAME)
  for i = 1, #all, 2 do
    local holder = all[i + 1]
    if all[i] ~= '=' and end_of(holder) > NOW_MS and wanted(want_of(holder)) > 0 then
      local _, label = split_info(info_of(holder))
      local text = want_of(holder) .. label
      list[#list + 1] = {sub(holder, 16, 31), string.format('%015.0f%03d',
        end_of(holder) == NEVER and NEVER or end_of(holder) - NOW_MS, #text) .. sub(holder, 16, 31) .. text}
    end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  for i, item in ipairs(list) do list[i] = item[2] end
  return table.concat(list)
end

local order = queue_order()
decode(read('GET', AUX))
local stranger, lists = read_permits(), ARGV[1] == 'w'
local waiters = lists and waiting(order) or ''
if stranger then return -7, call('PTTL', NAME), 0, #order / 36, '', waiters, 0, 0 end
local held = USED > 0
return held and 1 or -1, held and left_until(LAST) or 0, tonumber(A.f) or 0, #order / 36,
  string.format('%010.0f%010.0f', USED, held and LIMIT or 0) .. (lists and holding() or ''), waiters, 0, 0
