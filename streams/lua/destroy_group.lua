-- Destroys a group if it stands where it stood when somebody looked: 1 done, 0 it moved or somebody asked, nil no group.
-- KEYS[1] stream. ARGV: group, last delivered id, pending, and when it was looked at, in the server's own milliseconds.
-- In one script because a consumer may come back between the look and the command.
local key, name = KEYS[1], ARGV[1]
if redis.call('EXISTS', key) == 0 then return false end
local group
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  if fields.name == name then group = fields end
end
if not group then return false end
if group['last-delivered-id'] ~= ARGV[2] or group.pending ~= tonumber(ARGV[3]) then return 0 end
local time = redis.call('TIME')
local elapsed = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[4])
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', key, name)) do
  for i = 1, #flat, 2 do
    if flat[i] == 'idle' and flat[i + 1] < elapsed then return 0 end
  end
end
return redis.call('XGROUP', 'DESTROY', key, name)
