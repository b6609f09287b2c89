-- lib_settled: sets UNSETTLED: is this server kept from giving NAME to anybody?
--
-- It is not if its data has a replication history, and the replicas, that the asker holds to be settled.
-- After a crash, a restart or a failover, leases may be live that this server knows nothing of. INFO is
-- read in the script, so nothing can come between the answer and the gift.
--
-- RUNNING is what the server's data has: the history, 16 hex digits, a space, the number of replicas, and
-- for each that INFO lists a space, its address, a colon and its port. It is set only if it is needed.
INFO = redis.pcall('INFO', 'replication')
if type(INFO) ~= 'string' then INFO = '' end
UNSETTLED = SAID_REPLICAS == '' or not (string.find(INFO, SAID_HISTORY, 1, true) and string.find(INFO, SAID_REPLICAS))
if UNSETTLED then
  -- A replica has its master's history, but other replicas.
  if string.find(INFO, 'role:slave', 1, true) then return {err = 'READONLY the server is a replica'} end
  RUNNING = (string.match(INFO, 'master_replid:(' .. string.rep('%x', 16) .. ')') or '') .. ' '
    .. (string.match(INFO, 'connected_slaves:(%d+)') or '0')
  for address, port in string.gmatch(INFO, '\nslave%d+:ip=([^,\r]*),port=(%d+)') do
    RUNNING = RUNNING .. ' ' .. address .. ':' .. port
  end
  UNSETTLED = SAID_REPLICAS ~= '' or not string.find(SAID_HISTORY, ';' .. RUNNING .. ';', 1, true)
end
