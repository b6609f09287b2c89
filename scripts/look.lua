-- look: which replication history does this server's data have, and since when is that known?
--
-- KEYS[1]  the stamp: a hash; h, a history, t, when it was first seen, us, by the server's clock, and
--          n, the replicas that were seen since: for each a space, its address, a colon and its port;
--          g, the longest grace of all who looked, ms; s, a history of which an operator has said that no
--          lease of an earlier one is live; m, which of n are missing, and how often a replica had begun to
--          follow by then, and w, since when both are so, us. A replica has its master's stamp, so h, t, n,
--          m and w count only for the history that h names.
-- ARGV[1]  empty, or a history, a space, a number, and replicas as in n: they are taken out of n if no
--          replica has begun to follow since that was the number of how often one has
-- ARGV[2]  empty, or '1' if an operator says that; then no replica is missed either
-- ARGV[3]  the asker's grace, ms
--
-- Replies {history, for how long it is known, ms, replicas, n, g, how often a replica has begun to follow,
-- 1 if an operator has said that, 1 if a replica may begin to follow without another history, for how long
-- the same ones are missing, ms}; replicas as in RUNNING (lib_settled.lua), from the number on. And
-- {'', 1, '', '', 0, 0, 0, 0, 0} from a replica, {'', 0, '', '', 0, 0, 0, 0, 0} from a server that does not say
-- its history. An error that begins with NOHISTORY is why INFO can't be asked.
--
-- Running it again is safe: the stamp of a history stays.
local info = redis.pcall('INFO', 'replication')
if type(info) ~= 'string' then return {err = 'NOHISTORY ' .. string.gsub(info.err, '^%-', '')} end
local id = string.match(info, 'master_replid:(' .. string.rep('%x', 16) .. ')')
local number = string.match(info, 'connected_slaves:(%d+)')
if not id or not number then return {'', 0, '', '', 0, 0, 0, 0, 0} end
if not string.find(info, 'role:master', 1, true) then return {'', 1, '', '', 0, 0, 0, 0, 0} end

-- without returns a list without the first mention of a replica, and whether it was there.
local function without(list, replica)
  local from, to = string.find(list .. ' ', replica .. ' ', 1, true)
  if not from then return list, false end
  return string.sub(list, 1, from - 1) .. string.sub(list, to), true
end

local time, stats, syncs = redis.call('TIME'), redis.call('INFO', 'stats'), 0
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
for _, how in ipairs({'sync_full:(%d+)', 'sync_partial_ok:(%d+)'}) do
  syncs = syncs + tonumber(string.match(stats, how) or '0')
end
local stamp = {} -- HMGET would be one right more
for i, field in ipairs({'h', 't', 'n', 'g', 's', 'm', 'w'}) do stamp[i] = redis.call('HGET', KEYS[1], field) end
local since, known, grace = tonumber(stamp[2] or ''), stamp[3], tonumber(stamp[4] or '') or 0
if stamp[1] ~= id or not since or not known then since, known = now, '' end
if ARGV[2] ~= '' then known = '' end
local gone = string.match(ARGV[1], '^' .. id .. ' ' .. string.format('%.0f', syncs) .. '( .*)$') or ''
for replica in string.gmatch(gone, ' [^ ]+') do known = without(known, replica) end
local replicas, more, rest, there = '', '', known, nil
for address, port in string.gmatch(info, '\nslave%d+:ip=([^,\r]*),port=(%d+)') do
  local replica = ' ' .. address .. ':' .. port
  replicas = replicas .. replica
  rest, there = without(rest, replica)
  if not there and port ~= '0' then more = more .. replica end -- what has no port can't be promoted
end
known = known .. more
local missing = rest ~= '' and rest .. ' ' .. string.format('%.0f', syncs) or ''
local gone_at = missing == stamp[6] and tonumber(stamp[7] or '') or now
local settled = ARGV[2] ~= '' and id or stamp[5] or ''
grace = math.max(grace, tonumber(ARGV[3]))
local new = {'h', id, 't', string.format('%.0f', since), 'n', known, 'g', string.format('%.0f', grace), 's', settled,
  'm', missing, 'w', missing ~= '' and string.format('%.0f', gone_at) or ''}
for i = 1, 7 do
  if stamp[i] ~= new[2 * i] then
    redis.call('HSET', KEYS[1], unpack(new))
    break
  end
end
return {id, math.max(0, math.floor((now - since) / 1000)), number .. replicas, known, grace, syncs, settled == id and 1 or 0,
  string.find(info, 'repl_backlog_active:1', 1, true) and 1 or 0, math.max(0, math.floor((now - gone_at) / 1000))}
