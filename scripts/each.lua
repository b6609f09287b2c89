-- each: put behind every script, which is the function one here: for each lock of the call.
--
-- KEYS  those of the first lock, then those of the next, and so on
-- ARGV  what is the same for all locks, and then the owner of each
--
-- Replies what the script returns for the only lock. Of several, the four numbers of each lock
-- one after another; in their place an array if there is more than those. What fails for one
-- of several locks does not concern the others: {-8, 0, 0, 0, the error}. But a replica says
-- so of the whole, for clients look for that.
local function of(lock)
  for i = 1, WIDTH do KEYS[i] = keys[(lock - 1) * WIDTH + i] end
  ARGV[2] = args[shared + lock]
  ARGV[1] = token_of(ARGV[2])
end

if locks == 1 then
  of(1)
  return {one()}
end
local replies, n = {}, 0
for lock = 1, locks do
  of(lock)
  local done, status, left, fence, more, text, list = pcall(one)
  if done and not text then
    replies[n + 1], replies[n + 2], replies[n + 3], replies[n + 4] = status, left, fence, more
    n = n + 4
  else
    if not done then
      text = type(status) == 'table' and status.err or tostring(status)
      local readonly = string.match(text, 'READONLY .*')
      if readonly then return {err = readonly} end
      status, left, fence, more = FAILED, 0, 0, 0
    end
    n = n + 1
    replies[n] = {status, left, fence, more, text, list}
  end
end
return replies
