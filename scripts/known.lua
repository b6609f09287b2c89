-- known: what scripts read and write of AUX, beyond the plain case.

local find = string.find
local A -- what AUX holds: f, the fence, and the fields of own.lua

-- open reads what AUX holds.
local function open(text)
  A = {}
  if not text then return end
  local _, mark, plain = find(text, '^%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d([-+])')
  if not mark then error('the key next to NAME is not Holdfast\'s') end
  A.f = sub(text, 1, 16)
  for _, field in ipairs(plain == '-' and {'o'} or {'o', 'q', 'k', 'e', 'x'}) do
    local _, colon, size = find(text, '^(%d+):', mark + 1)
    mark = colon + tonumber(size)
    if mark > colon then A[field] = sub(text, colon + 1, mark) end
  end
  A.i = sub(text, mark + 1)
end

local function counted(value) return value and #value .. ':' .. value or '0:' end

-- save writes AUX, which then stays for ms at least. try is what calls Redis, if an error is
-- not to be raised.
local function save(ms, try)
  local text = '-' .. counted(A.o)
  if A.q or A.k or A.e or A.x then
    text = '+' .. counted(A.o) .. counted(A.q) .. counted(A.k) .. counted(A.e) .. counted(A.x)
  end
  local left = call('PTTL', AUX)
  left = math.max(left, ms, left == -1 and 86400000 or 1);
  (try or call)('SET', AUX, (A.f or '0000000000000000') .. text .. (A.i or ''), 'PX', left)
end
