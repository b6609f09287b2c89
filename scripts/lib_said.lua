-- lib_said: for locks with a failover grace: which replication history the asker holds to be settled.
--
-- The last two arguments of the call say it. Of a single server the first is a word of INFO,
-- 'master_replid:' and 16 hex digits, and the second a pattern, which finds in INFO that the replicas are
-- those that the asker knows. Of a Cluster, where the asker does not know which node will run the call,
-- the second is empty, and the first has for each node a ';', what RUNNING is there (lib_settled.lua), and
-- a ';'. Both are empty if the asker knows of none.
local SAID_REPLICAS, SAID_HISTORY = table.remove(ARGV), table.remove(ARGV)
SHARED = SHARED - 2
