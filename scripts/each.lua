-- each: put behind every script, which is the function one here: for each lock of the call.
--
-- KEYS  those of the first lock, then those of the next, and so on
-- ARGV  likewise; all locks have as many
--
-- Replies what the script does for the only lock, or an array of that. What fails for
-- one of several locks does not concern the others: {-8, 0, 0, 0, the error}.
local keys, args = KEYS, ARGV
if #keys == WIDTH then return one() end
local replies, each = {}, #args * WIDTH / #keys
for i = 1, #keys / WIDTH do
  KEYS = {unpack(keys, (i - 1) * WIDTH + 1, i * WIDTH)}
  ARGV = {unpack(args, (i - 1) * each + 1, i * each)}
  local done, reply = pcall(one)
  if not done then
    reply = {FAILED, 0, 0, 0, type(reply) == 'table' and reply.err or tostring(reply)}
  end
  replies[i] = reply
end
return replies
