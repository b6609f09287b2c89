-- known: what scripts read and write of AUX, beyond the plain case.

local find = string.find
local A -- what AUX holds: f, the fence, and the fields of own.lua
local FIELDS = {'o', 'i', 'q', 'k', 'e', 'x'}

-- open reads AUX.
local function open()
  local text = call('GET', AUX)
  A = {}
  if not text then return end
  if not find(text, '^%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d[-+]') then error('the key next to NAME is not Holdfast\'s') end
  A.f = sub(text, 1, 16)
  local at = 18
  for _, field in ipairs(FIELDS) do
    local _, colon, size = find(text, '^(%d+):', at)
    if not colon then return end
    at = colon + 1 + tonumber(size)
    if at > colon + 1 then A[field] = sub(text, colon + 1, at - 1) end
  end
end

-- save writes AUX, which then stays for ms at least. try is what calls Redis, if an error is
-- not to be raised.
local function save(ms, try)
  local parts, marks = {}, '-'
  for n, field in ipairs(FIELDS) do
    local value = A[field] or ''
    parts[n] = #value .. ':' .. value
    if n > 2 and value ~= '' then marks = '+' end
  end
  if marks == '-' then parts = {parts[1], parts[2]} end
  local left = call('PTTL', AUX)
  left = math.max(left, ms, left == -1 and 86400000 or 1);
  (try or call)('SET', AUX, (A.f or '0000000000000000') .. marks .. table.concat(parts), 'PX', left)
end
