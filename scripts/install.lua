-- install: put, behind known, lease and fence, before every script that makes a holder, beyond
-- the plain case.

-- forget drops the tombstones whose time has come, see settle.lua: those before the first whose
-- has not, for most come in that order; and after a day, who was forced out.
local function forget()
  local at = 1
  if A.x then
    while at < #A.x and tonumber(sub(A.x, at + 36, at + 45)) * 1000000 <= CLOCK do at = at + 46 end
    A.x = at < #A.x and sub(A.x, at) or nil
  end
  if A.k and tonumber(sub(A.k, 1, 16)) + 86400000000 < CLOCK then A.k = nil end
end

-- install makes an owner the one that AUX knows, with the next fence, and AUX stay as long as
-- it must beside a TTL of so many ms. It returns the fence, as it is written, and whether it is
-- ahead of the clock.
local function install(owner, info, ttl)
  local fence, ahead = after(A.f)
  A.f, A.o, A.i, A.e = fence, owner, info, nil
  if A.x or A.k then forget() end
  save(kept(ttl))
  return fence, ahead
end

-- take gives NAME, which is free, to an owner, likewise. AUX is written first and NAME last:
-- after an error NAME was not written.
local function take(owner, info, ttl)
  local fence, ahead = install(owner, info, ttl)
  call('SET', NAME, token_of(owner), 'PX', ttl)
  return fence, ahead
end
