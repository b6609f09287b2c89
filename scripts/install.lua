-- install: put, behind known, lease and fence, before every script that makes a holder, beyond
-- the plain case.

-- forget drops the tombstones whose time has come: see settle.lua.
local function forget()
  local now, live = math.floor(clock() / 1000000), {}
  for at = 1, #(A.x or ''), 46 do
    if tonumber(sub(A.x, at + 36, at + 45)) > now then
      live[#live + 1] = sub(A.x, at, at + 45)
    end
  end
  A.x = live[1] and table.concat(live)
end

-- install makes an owner the one that AUX knows, with the next fence, and AUX stay as long as
-- it must beside a TTL of so many ms. It returns the fence, as it is written, and whether it is
-- ahead of the clock.
local function install(owner, label, channel, ttl)
  local fence, ahead = after(A.f)
  A.f, A.o, A.i, A.e = fence, owner, channel .. ' ' .. label, nil
  if A.x then forget() end
  save(kept(ttl))
  return fence, ahead
end

-- take gives NAME, which is free, to an owner, likewise. AUX is written first and NAME last:
-- after an error NAME was not written.
local function take(owner, label, channel, ttl)
  local fence, ahead = install(owner, label, channel, ttl)
  call('SET', NAME, token_of(owner), 'PX', ttl)
  return fence, ahead
end
