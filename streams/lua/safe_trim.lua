-- Trims one bite off a stream's old end. Never removes what a consumer group still needs, until the ceiling.
-- KEYS[1] stream
-- ARGV    soft (maxlen), hard (ceiling), budget (entries this bite), mode ('~' whole nodes, '=' up to 100 entries more)
-- Answers {trimmed, forced, length, floor, holder}: floor is the oldest id that a group needs, '' without groups;
-- forced came off above the ceiling although it lay at or behind the floor (or in one node with it: an upper bound).
--
-- In one script because a group may be created at 0, or set back, between reading the floor and trimming to it.
-- A floor that is too old is harmless: acknowledgements only move it forward.
local key, soft, hard, budget = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local exact = ARGV[4] == '='
local length = redis.call('XLEN', key)
if length <= soft then return {0, 0, length, '', ''} end

-- Ids as decimal strings: a Lua number loses digits above 2^53.
local function before(a, b)
  local a_ms, a_seq = a:match('(%d+)-(%d+)')
  local b_ms, b_seq = b:match('(%d+)-(%d+)')
  if a_ms == b_ms then a_ms, b_ms = a_seq, b_seq end
  if #a_ms ~= #b_ms then return #a_ms < #b_ms end
  return a_ms < b_ms
end

-- A group needs what comes after its last delivered id, and what is pending. The smaller of both counts, because
-- XGROUP SETID can set a group back behind its pending entries; and only from the first entry on, because ids of
-- entries that are gone stay pending for ever and would hold the floor for ever.
local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1][1]
local floor, holder = false, ''
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  local needed = group['last-delivered-id']
  local pending = group.pending > 0 and redis.call('XPENDING', key, group.name, first, '+', 1)[1]
  if pending and before(pending[1], needed) then needed = pending[1] end
  if not floor or before(needed, floor) then floor, holder = needed, group.name end
end

-- MINID with LIMIT: never past the floor, never below soft. LIMIT 0 would mean no limit; above soft it is at least 1.
local end_of_ids = '18446744073709551615-0'
local trimmed = redis.call('XTRIM', key, 'MINID', '~', floor or end_of_ids, 'LIMIT', math.min(length - soft, budget))
local above = length - trimmed - soft
if exact and above > 0 and trimmed < budget and floor ~= '0-0' then
  local some = math.min(above, 100)
  local removable = redis.call('XRANGE', key, '-', floor and '(' .. floor or '+', 'COUNT', some + 1)
  local cut = #removable > some and removable[some + 1][1] or #removable > 0 and floor
  if cut then trimmed = trimmed + redis.call('XTRIM', key, 'MINID', '=', cut) end
end

local forced = 0
if length - trimmed > hard and trimmed < budget then
  forced = redis.call('XTRIM', key, 'MAXLEN', '~', ARGV[2], 'LIMIT', budget - trimmed)
  local rest = length - trimmed - forced - hard
  if exact and rest > 0 and rest <= 100 then forced = forced + redis.call('XTRIM', key, 'MAXLEN', '=', ARGV[2]) end
end
return {trimmed, forced, length - trimmed - forced, floor or '', holder}
