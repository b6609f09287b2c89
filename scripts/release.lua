-- release: give NAME back.
--
-- KEYS, ARGV[1], ARGV[2]: see own.lua
-- ARGV[3]  empty, or for how long, ms, a request of this attempt that is still under way
--          shall find a tombstone and do nothing
-- ARGV[4]  '1' to delete NAME, '' to leave only the tombstone
--
-- Replies {status, 0, 0}
--   1  done     -1, -2, -3  gone, taken by another, forced open
--
-- Running it again is safe: it deletes what its owner holds and nothing else. (A second
-- run says that NAME is gone; the client knows that it asked before.) The deletion
-- comes first: a full memory does not deny it.
local why = lost()
if not why and ARGV[4] ~= '' then
  redis.call('DEL', KEYS[1])
  -- A given token can come again with another holder, redis-py say: let it find that
  -- this owner has gone.
  if ARGV[1] ~= ARGV[2] then redis.call('HDEL', KEYS[2], 'o') end
end

if ARGV[3] ~= '' then
  -- The tombstones are one string of fixed-length entries, the attempt and the second
  -- at which it is forgotten: acquire reads it in a call that it makes anyway, and
  -- hardly ever finds one. The newest thousand are kept.
  local now = tonumber(redis.call('TIME')[1])
  local old = redis.call('HGET', KEYS[2], 'x') or ''
  local live = {}
  for i = math.max(1, #old - 46 * 999 + 1), #old, 46 do
    if tonumber(string.sub(old, i + 36, i + 45)) > now then
      live[#live + 1] = string.sub(old, i, i + 45)
    end
  end
  local ends = now + math.ceil(tonumber(ARGV[3]) / 1000)
  live[#live + 1] = string.sub(ARGV[2], 1, 36) .. string.format('%010.0f', ends)
  -- By pcall: with the memory full and nothing deleted it is denied, and so would be
  -- the late request.
  redis.pcall('HSET', KEYS[2], 'x', table.concat(live))
  if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then
    redis.pcall('PEXPIRE', KEYS[2], ARGV[3])
  end
end
return {why or OK, 0, 0}
