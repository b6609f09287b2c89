-- now: put before every script that must know the time. NOW is the server's, the same for all
-- that one call does: microseconds as they are written, 16 digits.
local NOW = call('TIME')
NOW = NOW[1] .. sub('00000' .. NOW[2], -6)
if #NOW < 16 then NOW = sub('000000' .. NOW, -16) end
