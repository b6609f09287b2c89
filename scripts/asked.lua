-- asked: what acquire is asked for, the same for all locks of a call: see acquire.lua. To write
-- a number costs Redis more than a string, so what comes often is written once.
local TTL = tonumber(ARGV[1])
local INFO = ARGV[3] .. ' ' .. ARGV[2]
-- For how long AUX stays: see kept in lease.lua.
local STAY = string.format('%.0f', TTL + 86400000)
