-- lib_each: the end of every script but touch: runs one(lock) for each lock of the call.
--
-- Replies, for a call of one lock, what one returned. For a call of several, the four numbers of
-- each lock, one lock after another; where a lock has more than four numbers, an array in their
-- place. An error of one lock does not concern the others: its array is {-8, 0, 0, 0, the error}.
-- Only READONLY is the reply to the whole call, because clients look for it there.
local replies, n = {}, 0
if LOCKS == 1 then
  replies = {one(1)}
else
  for lock = 1, LOCKS do
    local done, status, left, fence, more, text, list, age, rest = pcall(one, lock)
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
      replies[n] = {status, left, fence, more, text, list, age, rest}
    end
  end
end
return replies
