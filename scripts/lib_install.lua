-- lib_install: makes an owner the holder. The plain case does without.

-- drop_old drops tombstones that have ended, and after a day who was forced out. It stops at the
-- first tombstone that has not ended: nearly all end in the order in which they came.
local function drop_old()
  local at = 1
  if A.x then
    while at < #A.x and tonumber(sub(A.x, at + 36, at + 45)) * 1000000 <= CLOCK do at = at + 46 end
    A.x = at < #A.x and sub(A.x, at) or nil
  end
  if A.k and tonumber(sub(A.k, 1, 16)) + 86400000000 < CLOCK then A.k = nil end
end

-- install writes to AUX that an owner holds NAME, with the next fence and for a TTL of so many ms. It
-- returns what next_fence does.
local function install(owner, info, ttl)
  local fence, ahead = next_fence(A.f)
  A.f, A.o, A.i, A.e = fence, owner, info, nil
  if A.x or A.k then drop_old() end
  save(aux_ttl(ttl))
  return fence, ahead
end

-- give gives NAME, which is free, to an owner, and returns what install does. NAME is written last:
-- after an error it was not written.
local function give(owner, info, ttl)
  local fence, ahead = install(owner, info, ttl)
  call('SET', NAME, token_of(owner), 'PX', ttl)
  return fence, ahead
end
