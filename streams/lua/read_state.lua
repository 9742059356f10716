-- Reads one stream: {length, bytes, entries added, first id, last id, groups, bytes of a new entry, TIME's
-- answer}, or nil where the key is absent.
-- KEYS[1] stream; ARGV[1] 'newest' where the size of new entries is asked for. Groups are as XINFO GROUPS has them: a
-- table of each costs more than the words; what the server can't say is nil.
--
-- A script because XINFO STREAM ships the first and the last entry's payload with every answer (18 MB at 9 MB an entry);
-- here they stay on the server. And because length, lag and ids then belong to one moment.
local key = KEYS[1]
local flat = redis.pcall('XINFO', 'STREAM', key)
if flat.err then
  if redis.call('EXISTS', key) == 0 then return false end
  return flat
end
local stream = {}
for i = 1, #flat, 2 do stream[flat[i]] = flat[i + 1] end
local length, first = stream.length, stream['first-entry']
local groups = stream.groups > 0 and redis.call('XINFO', 'GROUPS', key) or {}

-- MEMORY USAGE samples the oldest nodes: with its default of 5 it is off by -75 to +450 % when payloads change size.
-- All of them are looked at while that takes about a millisecond: of 5,000 nodes 0.4 ms at 1 KB an entry, 1.1 at 12 KB.
local nodes = stream['radix-tree-keys']
local bytes = redis.call('MEMORY', 'USAGE', key, 'SAMPLES', nodes <= 5000 and 0 or 2000)

-- The newest entries one by one, until eight are read or half a megabyte is: they may be 9 MB each.
local newest = false
if ARGV[1] == 'newest' and length > 0 then
  local read, sum, id = 0, 0, '+'
  while read < 8 and sum < 524288 do
    local entry = redis.call('XREVRANGE', key, id, '-', 'COUNT', 1)[1]
    if not entry then break end
    sum = sum + 24
    for _, word in ipairs(entry[2]) do sum = sum + #word + 3 end
    read, id = read + 1, '(' .. entry[1]
  end
  newest = math.ceil(sum / read)
end

return {
  length, bytes or false, stream['entries-added'] or false, first and first[1] or false, stream['last-generated-id'],
  groups, newest, redis.call('TIME'),
}
