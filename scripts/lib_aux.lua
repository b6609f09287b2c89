-- lib_aux: reading and writing AUX. The plain case does without.

local find = string.find
local A -- what AUX holds, by the letters in lib_layout.lua

-- read returns what GET or HGET replies; '' for a key of another type. Holdfast writes no empty
-- text, and no token is empty: such a NAME is a stranger's lock.
local function read(...)
  local held = redis.pcall(...)
  if type(held) ~= 'table' then return held end
  return find(held.err, 'WRONGTYPE', 1, true) and '' or call(...)
end

-- queue_order returns the attempts in the queue, in order, 36 characters each.
local function queue_order()
  local order = read('HGET', QUEUE, 'q')
  if order == '' then error('the key ' .. QUEUE .. ' is not Holdfast\'s', 0) end
  return order or ''
end

-- decode sets A to what AUX holds.
local function decode(text)
  A = {}
  if not text then return end
  local _, digits = find(text, '^%d*')
  local mark = sub(text, 17, 17)
  if digits ~= 16 or mark ~= '-' and mark ~= '+' then error('the key ' .. AUX .. ' is not Holdfast\'s', 0) end
  A.f = sub(text, 1, 16)
  local from = 18
  for i = 1, mark == '-' and 1 or 5 do
    local colon = find(text, ':', from, true)
    local to = colon + tonumber(sub(text, from, colon - 1))
    if to > colon then A[sub('oqkex', i, i)] = sub(text, colon + 1, to) end
    from = to + 1
  end
  A.i = sub(text, from)
end

local function field(value) return value and #value .. ':' .. value or '0:' end

-- save writes A to AUX, which then lasts for at least ms. With try, redis.pcall, an error is not
-- raised.
local function save(ms, try)
  local text = '-' .. field(A.o)
  if A.q or A.k or A.e or A.x then
    text = '+' .. field(A.o) .. field(A.q) .. field(A.k) .. field(A.e) .. field(A.x)
  end
  local left = call('PTTL', AUX)
  left = math.max(left, ms, left == -1 and 86400000 or 1);
  (try or call)('SET', AUX, (A.f or '0000000000000000') .. text .. (A.i or ''), 'PX', left)
end
