-- each: put behind every script, which is the function one here: for each lock of the call.
--
-- KEYS  those of the first lock, then those of the next, and so on
-- ARGV  what is the same for all locks, and then the owner of each
--
-- Replies what the script does for the only lock, or an array of that. What fails for
-- one of several locks does not concern the others: {-8, 0, 0, 0, the error}. But a replica
-- says so of the whole, for clients look for that.
local function of(lock)
  for i = 1, WIDTH do KEYS[i] = keys[(lock - 1) * WIDTH + i] end
  ARGV[2] = args[shared + lock]
  ARGV[1] = token_of(ARGV[2])
end

if locks == 1 then
  of(1)
  return one()
end
local replies = {}
for lock = 1, locks do
  of(lock)
  local done, reply = pcall(one)
  if not done then
    local text = type(reply) == 'table' and reply.err or tostring(reply)
    local readonly = string.match(text, 'READONLY .*')
    if readonly then return {err = readonly} end
    reply = {FAILED, 0, 0, 0, text}
  end
  replies[lock] = reply
end
return replies
