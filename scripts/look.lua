-- look: which replication history does this server's data have, and since when is that known?
--
-- KEYS[1]  the stamp: a hash; h, a history, t, when it was first seen, us, by the server's clock, and
--          n, the most replicas that were seen since; g, the longest grace of all who looked, ms; s,
--          a history of which an operator has said that no lease of an earlier one is live. A replica has
--          its master's stamp, so h, t and n count only for the history that h names.
-- ARGV[1]  empty, or a history and a number: the stamp's n is lowered to it
-- ARGV[2]  empty, or '1' if an operator says that
-- ARGV[3]  the asker's grace, ms
--
-- Replies {history, for how long it is known, ms, replicas now, n, g, how often a replica has begun to
-- follow, 1 if an operator has said that}; {'', 1, 0, 0, 0, 0, 0} from a replica, and {'', 0, 0, 0, 0, 0, 0}
-- from a server that does not say its history. An error that begins with NOHISTORY is why INFO can't be asked.
--
-- Running it again is safe: the stamp of a history stays.
local info = redis.pcall('INFO', 'replication')
if type(info) ~= 'string' then return {err = 'NOHISTORY ' .. string.gsub(info.err, '^%-', '')} end
local id = string.match(info, 'master_replid:(' .. string.rep('%x', 16) .. ')')
local replicas = tonumber(string.match(info, 'connected_slaves:(%d+)') or '')
if not id or not replicas then return {'', 0, 0, 0, 0, 0, 0} end
if not string.find(info, 'role:master', 1, true) then return {'', 1, 0, 0, 0, 0, 0} end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local stamp = {} -- HMGET would be one right more
for i, field in ipairs({'h', 't', 'n', 'g', 's'}) do stamp[i] = redis.call('HGET', KEYS[1], field) end
local since, most, grace = tonumber(stamp[2] or ''), tonumber(stamp[3] or ''), tonumber(stamp[4] or '') or 0
if stamp[1] ~= id or not since or not most then since, most = now, 0 end
if string.sub(ARGV[1], 1, 16) == id then most = math.min(most, tonumber(string.sub(ARGV[1], 17))) end
local settled = ARGV[2] ~= '' and id or stamp[5] or ''
most, grace = math.max(most, replicas), math.max(grace, tonumber(ARGV[3]))
local new = {'h', id, 't', string.format('%.0f', since), 'n', tostring(most), 'g', string.format('%.0f', grace), 's', settled}
for i = 1, 5 do
  if stamp[i] ~= new[2 * i] then
    redis.call('HSET', KEYS[1], unpack(new))
    break
  end
end
local stats, syncs = redis.call('INFO', 'stats'), 0
for _, how in ipairs({'sync_full:(%d+)', 'sync_partial_ok:(%d+)'}) do
  syncs = syncs + tonumber(string.match(stats, how) or '0')
end
return {id, math.max(0, math.floor((now - since) / 1000)), replicas, most, grace, syncs, settled == id and 1 or 0}
