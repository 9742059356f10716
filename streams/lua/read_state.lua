-- Reads one stream: {length, bytes, entries added, first id, last id, groups, bytes of a new entry, TIME's
-- answer}, or nil where the key is absent.
-- KEYS[1] stream; ARGV[1] 'newest' where the size of new entries is asked for; ARGV[2] 'no time' where another answer
-- says it. Groups are one flat array, five values a
-- group: name, consumers, pending, last delivered id, lag. What the server can't say is nil.
--
-- A script because XINFO STREAM ships the first and the last entry's payload with every answer (18 MB at 9 MB an entry);
-- here they stay on the server. And because length, lag and ids then belong to one moment.

-- Of an answer's words and values in turn, the one after `word`: where Redis 7 and Valkey have it, else anywhere. To
-- make tables of them would be a tenth of this script's time.
local function said(flat, word, at)
  if flat[at] == word then return flat[at + 1] end
  for i = 1, #flat, 2 do
    if flat[i] == word then return flat[i + 1] end
  end
  return false
end

local key = KEYS[1]
local stream = redis.pcall('XINFO', 'STREAM', key)
if stream.err then
  if redis.call('EXISTS', key) == 0 then return false end
  return stream
end
local length, first = said(stream, 'length', 1), said(stream, 'first-entry', 17)

local groups, n = {}, 0
if said(stream, 'groups', 15) > 0 then
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    groups[n + 1], groups[n + 2], groups[n + 3] = flat[2], flat[4], flat[6] -- the same since Redis 5
    groups[n + 4], groups[n + 5] = flat[8], said(flat, 'lag', 11)
    n = n + 5
  end
end

-- MEMORY USAGE samples the oldest nodes: with its default of 5 it is off by -75 to +450 % when payloads change size.
-- All of them are looked at while that takes about a millisecond: of 5,000 nodes 0.4 ms at 1 KB an entry, 1.1 at 12 KB.
local nodes = said(stream, 'radix-tree-keys', 3)
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
  length, bytes or false, said(stream, 'entries-added', 11), first and first[1] or false,
  said(stream, 'last-generated-id', 7), groups, newest, ARGV[2] ~= 'no time' and redis.call('TIME'),
}
