-- lib_served: takes those out of the queue who were served, and the dead.

-- write_queue takes those who are gone out of the queue, in which others are left. By pcall: NAME has
-- been given already, and an error would say that it was not.
local function write_queue(order, gone, others)
  if others == '' then
    redis.pcall('DEL', QUEUE)
  elseif others ~= order then
    for _, waiter in ipairs(gone) do redis.pcall('HDEL', QUEUE, waiter) end
    redis.pcall('HSET', QUEUE, 'q', others)
  end
end
