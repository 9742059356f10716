-- Reads one stream: {length, bytes, entries added, first id, last id, groups, bytes of a new entry, the server's
-- clock in ms}, or nil where the key is absent.
-- KEYS[1] stream; ARGV[1] 'newest' where the size of new entries is asked for. Each group is {name, consumers, pending,
-- last delivered id, lag}; what the server can't say is nil.
--
-- A script because XINFO STREAM ships the first and the last entry's payload with every answer (18 MB at 9 MB an entry);
-- here they stay on the server. And because length, lag and ids then belong to one moment.
local key = KEYS[1]
if redis.call('EXISTS', key) == 0 then return false end

local function fields(flat)
  local named = {}
  for i = 1, #flat, 2 do named[flat[i]] = flat[i + 1] end
  return named
end

local length = redis.call('XLEN', key)
local stream = fields(redis.call('XINFO', 'STREAM', key))
local groups = {}
if stream.groups > 0 then
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = fields(flat)
    groups[#groups + 1] =
      {group.name, group.consumers, group.pending, group['last-delivered-id'], group.lag or false}
  end
end

-- MEMORY USAGE samples the oldest nodes: with its default of 5 it is off by -75 to +450 % when payloads change size.
-- All of them are looked at as long as that is a fraction of a millisecond (about 100 ns a node).
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

local time = redis.call('TIME')
local first = stream['first-entry'] and stream['first-entry'][1]
return {
  length, bytes or false, stream['entries-added'] or false, first or false, stream['last-generated-id'], groups,
  newest, string.format('%d%03d', time[1], math.floor(time[2] / 1000)),
}
