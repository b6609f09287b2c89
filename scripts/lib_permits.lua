-- lib_permits: who holds permits of NAME.
--
-- NAME    a hash, which expires with the last of its holders
--           =  permits in use (10 digits); the smallest limit of a holder (10); '1' if their limits
--              differ, else '0'; a time, ms, before which no holder's lease ends (15); when NAME
--              expires, ms (15); how many holders there are (10); when they were last told that others
--              wait, ms (15)
--         and for each holder, under a 't' and its token: when its lease ends, ms (15 digits); its
--         fence (16); its want (20); the number of its last request that set its TTL (10); its
--         attempt (36); channel, a space, label
-- A want  is how many permits (10 digits), and of how many (10), the limit. It stands before the label
--         in an asker's info and in QUEUE. A holder that was forced out wants none until its lease ends,
--         so that it can be told. The field of one whose minimum hold is not over begins with KEPT.
-- AUX and QUEUE are as those of a mutex, under names of their own; AUX has no o, k, e and i. Messages name the
-- lock by QUEUE.
--
-- Members may give different limits. Permits are given only if with them no more are in use than the
-- asker's limit, and than the limit of each holder.

-- MOST is no limit, and NEVER the end of a lease without expiry.
local MOST, NEVER = 9999999999, 999999999999999
local NONE = string.rep('0', 20) -- the want of one who was forced out
local NOW_MS = math.floor(NOW / 1000)
local USED, LIMIT, MIXED, FIRST, LAST, HOLDERS, TOLD -- what the field = says
local SET, GONE -- fields to write, each before its value, and to delete

-- The parts of a holder.
local function end_of(holder) return tonumber(sub(holder, 1, 15)) end
local function want_of(holder) return sub(holder, 32, 51) end
local function info_of(holder) return sub(holder, 98) end

local function wanted(want) return tonumber(sub(want, 1, 10)), tonumber(sub(want, 11, 20)) end

-- count_in counts a holder.
local function count_in(want, ends)
  local n, limit = wanted(want)
  if n > 0 then
    if USED > 0 and limit ~= LIMIT then MIXED = '1' end
    USED, LIMIT = USED + n, math.min(LIMIT, limit)
  end
  FIRST, LAST, HOLDERS = math.min(FIRST, ends), math.max(LAST, ends), HOLDERS + 1
end

-- count_all counts the holders anew, without those whose leases have ended and those of some fields,
-- and has all of these deleted. It returns what HGETALL replies.
local function count_all(fields)
  USED, LIMIT, MIXED, FIRST, LAST, HOLDERS, SET, GONE = 0, MOST, '0', NEVER, 0, 0, {}, {}
  local without = {['='] = true}
  for _, field in ipairs(fields) do
    GONE[#GONE + 1], without[field] = field, true
  end
  local all = call('HGETALL', NAME)
  for i = 1, #all, 2 do
    local field, holder = all[i], all[i + 1]
    if not without[field] then
      local ends = end_of(holder)
      if ends > NOW_MS then
        count_in(want_of(holder), ends)
      else
        GONE[#GONE + 1] = field
      end
    end
  end
  return all
end

-- read_permits reads what the field = says, and returns true if NAME is a stranger's.
local function read_permits()
  local sum = read('HGET', NAME, '=')
  USED, LIMIT, MIXED, FIRST, LAST, HOLDERS, TOLD, SET, GONE = 0, MOST, '0', NEVER, 0, 0, 0, {}, {}
  if not sum then return call('PTTL', NAME) ~= -2 end
  if #sum ~= 76 then return true end
  USED, LIMIT, MIXED = tonumber(sub(sum, 1, 10)), tonumber(sub(sum, 11, 20)), sub(sum, 21, 21)
  FIRST, LAST = tonumber(sub(sum, 22, 36)), tonumber(sub(sum, 37, 51))
  HOLDERS, TOLD = tonumber(sub(sum, 52, 61)), tonumber(sub(sum, 62))
  if FIRST <= NOW_MS then count_all({}) end
end

-- fits tells whether a want can be given now.
local function fits(want)
  local n, limit = wanted(want)
  return USED + n <= math.min(LIMIT, limit)
end

-- expiry makes NAME expire with the last of its holders.
local function expiry()
  if LAST == NEVER then call('PERSIST', NAME) else call('PEXPIRE', NAME, LAST - NOW_MS) end
end

-- write_permits writes what has changed. With early, NAME exists, and the first write is one that a
-- full memory does not deny, nor the others then. So it is where a field is deleted.
local function write_permits(early)
  if early then expiry() end
  for at = 1, #GONE, 1000 do call('HDEL', NAME, unpack(GONE, at, math.min(at + 999, #GONE))) end
  if LAST == 0 then -- nobody is left
    call('DEL', NAME)
    return
  end
  call('HSET', NAME, '=', string.format('%010.0f%010.0f%s%015.0f%015.0f%010.0f%015.0f', USED, LIMIT, MIXED, FIRST, LAST, HOLDERS, TOLD))
  for at = 1, #SET, 1000 do call('HSET', NAME, unpack(SET, at, math.min(at + 999, #SET))) end
  if not early then expiry() end
  SET, GONE = {}, {}
end

-- put has a holder written.
local function put(field, ends, rest)
  SET[#SET + 1] = field
  SET[#SET + 1] = string.format('%015.0f', ends) .. rest
end

-- take_out has a holder deleted. If that may have been the one by whom limit or expiry go, and when no
-- permits are in use any more, all are counted anew.
local function take_out(field, holder)
  local n = wanted(want_of(holder))
  if MIXED == '1' or end_of(holder) == NEVER or USED <= n then return count_all({field}) end
  GONE[#GONE + 1], USED, HOLDERS = field, USED - n, HOLDERS - 1
end

-- end_after returns when a lease of so many ms from now ends; -1: never.
local function end_after(ms) return ms < 0 and NEVER or NOW_MS + ms end
-- left_until returns how many ms are left until then; -1 for never.
local function left_until(ends) return ends == NEVER and -1 or math.max(ends - NOW_MS, 0) end

-- mine returns OWNER's field and what that holds, or nil and the status that says why it is no holder.
local function mine()
  local field = 't' .. TOKEN
  local holder = read('HGET', NAME, field)
  if not holder then return nil, -1 end
  if holder == '' or sub(holder, 62, 97) ~= attempt_of(OWNER) then return nil, -2 end
  if wanted(want_of(holder)) == 0 then return nil, -3 end
  if end_of(holder) <= NOW_MS then return nil, -1 end
  return field, holder
end

-- set_end gives OWNER's lease, whose field and holder these are, a new end and number.
local function set_end(field, holder, ends, number)
  if ends < end_of(holder) then
    count_all({field})
    count_in(want_of(holder), ends)
  end
  FIRST, LAST = math.min(FIRST, ends), math.max(LAST, ends)
  put(field, ends, sub(holder, 16, 51) .. number .. sub(holder, 62))
end
