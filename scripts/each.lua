-- each: put behind every script, which is the function one here: for each lock of the call.
--
-- Replies what the script returns for the only lock. Of several, the four numbers of each lock
-- one after another; in their place an array if there is more than those. What fails for one
-- of several locks does not concern the others: {-8, 0, 0, 0, the error}. But a replica says
-- so of the whole, for clients look for that.
local replies, n = {}, 0
if LOCKS == 1 then
  replies = {one(1)}
else
  for lock = 1, LOCKS do
    local done, status, left, fence, more, text, list = pcall(one, lock)
    if done and not text then
      replies[n + 1], replies[n + 2], replies[n + 3], replies[n + 4] = status, left, fence, more
      n = n + 4
    else
      if not done then
        text = type(status) == 'table' and status.err or tostring(status)
        local readonly = string.match(text, 'READONLY .*')
        if readonly then return {err = readonly} end
        status, left, fence, more = -8, 0, 0, 0
      end
      n = n + 1
      replies[n] = {status, left, fence, more, text, list}
    end
  end
end
return replies
