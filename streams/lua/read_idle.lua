-- Says how long ago the last consumer of each group asked, in milliseconds: -1 without consumers, nil without the group.
-- KEYS[1] stream. ARGV: groups. A script because XINFO CONSUMERS names every consumer: here they stay on the server.
local answer = {}
for i, name in ipairs(ARGV) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], name)
  local least = -1
  if consumers.err then
    least = false
  else
    for _, flat in ipairs(consumers) do
      for at = 1, #flat, 2 do
        if flat[at] == 'idle' and (least < 0 or flat[at + 1] < least) then least = flat[at + 1] end
      end
    end
  end
  answer[i] = least
end
return answer
