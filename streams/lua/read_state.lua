-- Reads one stream: {length, bytes, entries added, first id, last id, groups}, or nil where the key is absent.
-- KEYS[1] stream. Each group is {name, consumers, pending, last delivered id, lag}; what the server can't say is nil.
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
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  local group = fields(flat)
  groups[#groups + 1] =
    {group.name, group.consumers, group.pending, group['last-delivered-id'], group.lag or false}
end

-- MEMORY USAGE samples the oldest nodes: with its default of 5 it is off by -75 to +450 % when payloads change size.
-- Looking at all of them costs about 20 ns a node; beyond 100,000 nodes that would be felt.
local samples = stream['radix-tree-keys'] < 100000 and 0 or 100
local bytes = redis.call('MEMORY', 'USAGE', key, 'SAMPLES', samples)
local first = stream['first-entry'] and stream['first-entry'][1]
return {length, bytes or false, stream['entries-added'] or false, first or false, stream['last-generated-id'], groups}
