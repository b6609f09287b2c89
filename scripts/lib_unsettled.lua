-- lib_unsettled: what acquire replies while this server is kept from giving NAME to anybody.

-- unsettled joins the queue if the call asks for that, and returns acquire's reply. What NAME says may be
-- old: it proves nothing to anybody, not even to its owner.
local function unsettled(ttl, channel)
  local place, nobody = 0, false
  if find(ARGV[2], 'q', 1, true) and not withdrawn(OWNER) then
    place = enqueue(OWNER, ttl, ARGV[3])
    nobody = place > 0 and find(ARGV[2], 's', 1, true) and unheard(channel)
  elseif A.q then
    dequeue(attempt_of(OWNER))
  end
  return -9, 0, tonumber(A.f) or 0, place, (nobody and '!' or '') .. RUNNING
end
