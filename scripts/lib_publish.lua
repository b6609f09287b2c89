-- lib_publish: messages to waiters and holders.

-- publish sends a message to a channel, if there is one. Nothing depends on it, and the script may
-- have written already, so an error (no right to the channel, say) is not raised.
local function publish(channel, message)
  if not channel or channel == '' then return end
  redis.pcall('PUBLISH', channel, message)
end
