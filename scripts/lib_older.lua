-- lib_older: for renewals of a Locker with a failover grace that has seen a younger history than another.
--
-- The last argument of the call is the older ones, 16 hex digits each. A server that has one of them was
-- replaced: what it says of a lease, its successor does not know. INFO says which it has.
do
  local older, info = table.remove(ARGV), redis.pcall('INFO', 'replication')
  local id = type(info) == 'string' and string.match(info, 'master_replid:(' .. string.rep('%x', 16) .. ')')
  if not id or string.find(older, id, 1, true) then return {err = 'REPLACED the server was replaced by another'} end
end
