-- lib_now: NOW, the server's time: us, as text, 16 digits. It is the same for all that one call
-- does.
local NOW = call('TIME')
NOW = NOW[1] .. sub('00000' .. NOW[2], -6)
if #NOW < 16 then NOW = sub('000000' .. NOW, -16) end
