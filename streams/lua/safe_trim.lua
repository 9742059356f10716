-- Trims one bite off a stream's old end: what is above a length, and what is before an id. With a ceiling it never
-- removes what a consumer group still needs, until the stream is that long.
-- KEYS[1] stream
-- ARGV    soft (length), hard (ceiling; '' protects no group), budget (entries this bite), mode ('~' whole nodes, '='
--         up to 100 entries more), minid ('' none), idle (ms: a group whose consumers were all idle for as long is not
--         waited for; '' every one is)
-- Answers {trimmed, forced, length, floor, holder, losses, bytes}: floor is the oldest id that a group needs, '' without
-- groups; forced came off above the ceiling although it lay at or behind the floor (or in one node with it: an upper
-- bound); a loss is {group, unread entries that went or nil where the server can't say, pending ones}; bytes are of what
-- is left, nil where more bites are to come.
--
-- In one script because a group may be created at 0, or set back, between reading the floor and trimming to it.
-- A floor that is too old is harmless: acknowledgements only move it forward.
local key, soft, hard, budget = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local exact, minid, idle = ARGV[4] == '=', ARGV[5] ~= '' and ARGV[5], tonumber(ARGV[6])
local END = '18446744073709551615-0'

-- Ids as decimal strings: a Lua number loses digits above 2^53.
local function before(a, b)
  if a == b then return false end
  local a_ms, a_seq = a:match('(%d+)-(%d+)')
  local b_ms, b_seq = b:match('(%d+)-(%d+)')
  if a_ms == b_ms then a_ms, b_ms = a_seq, b_seq end
  if #a_ms ~= #b_ms then return #a_ms < #b_ms end
  return a_ms < b_ms
end

local length = redis.call('XLEN', key)
local known_first
local function first_id() -- of before; asked for once, and only where it matters
  if not known_first then
    local entry = length > 0 and redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
    known_first = entry and entry[1] or END
  end
  return known_first
end

-- Without a consumer nobody can say how long a group is idle, and it is waited for. Its last delivered id does not say
-- it: of a group that was just made to read all from the start that is 0-0, and in a quiet stream all ids are old.
local function idle_enough(name, consumers)
  if not idle or consumers == 0 then return false end
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', key, name)) do
    for i = 1, #flat, 2 do
      if flat[i] == 'idle' and flat[i + 1] < idle then return false end
    end
  end
  return true
end

-- As read_state.lua has it for a long stream: of 2,000 nodes it takes the server 0.2 ms at 1 KB an entry.
local function bytes() return redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 2000) end

if length <= soft and not (minid and before(first_id(), minid)) then return {0, 0, length, '', '', {}, bytes()} end

-- A group needs what comes after its last delivered id, and what is pending. The smaller of both counts, because
-- XGROUP SETID can set a group back behind its pending entries; and only from the first entry on, because ids of
-- entries that are gone stay pending for ever and would hold the floor for ever.
local floor, holder, groups, ignored = false, '', {}, false
if hard then
  for i, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local name, pending, delivered = flat[2], flat[6], flat[8] -- the same since Redis 5
    local oldest = pending > 0 and redis.call('XPENDING', key, name, first_id(), '+', 1)[1]
    local needed = oldest and before(oldest[1], delivered) and oldest[1] or delivered
    groups[i] = {name = name, pending = pending, delivered = delivered, needed = needed, flat = flat}
    if not floor or before(needed, floor) then
      if idle_enough(name, flat[4]) then ignored = true else floor, holder = needed, name end
    end
  end
end

-- Each step answers how many went. LIMIT 0 would mean no limit.
if ignored or hard and length > hard then first_id() end -- what is lost is told by it
local trimmed = 0
local function trim(cut, most)
  if most > 0 then trimmed = trimmed + redis.call('XTRIM', key, 'MINID', '~', cut, 'LIMIT', most) end
end
local cut = floor or END
if minid then trim(before(minid, cut) and minid or cut, budget) end
trim(cut, math.min(length - trimmed - soft, budget - trimmed))
if exact and trimmed < budget and floor ~= '0-0' then
  local oldest = redis.call('XRANGE', key, '-', floor and '(' .. floor or '+', 'COUNT', 101)
  local some, above = 0, length - trimmed - soft
  while some < math.min(#oldest, 100) and (some < above or minid and before(oldest[some + 1][1], minid)) do
    some = some + 1
  end
  local stays = oldest[some + 1] and oldest[some + 1][1] or cut
  if some > 0 then trimmed = trimmed + redis.call('XTRIM', key, 'MINID', '=', stays) end
end

local forced = 0
if hard and length - trimmed > hard and trimmed < budget then
  forced = redis.call('XTRIM', key, 'MAXLEN', '~', ARGV[2], 'LIMIT', budget - trimmed)
  local rest = length - trimmed - forced - hard
  if exact and rest > 0 then -- by the hundred: in one call, huge nodes would stop the server
    local some = math.min(rest, 100)
    local oldest = redis.call('XRANGE', key, '-', '+', 'COUNT', some + 1)
    forced = forced + redis.call('XTRIM', key, 'MINID', '=', oldest[some + 1][1])
  end
end

-- What each group lost. Its lag, as the server counts it, is of the entries from its place to the end: as many of them
-- as no longer fit into the stream are gone.
local losses, left = {}, length - trimmed - forced
if forced > 0 or (ignored and trimmed > 0) then
  local entry = left > 0 and redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  local now_first = entry and entry[1] or END
  for _, group in ipairs(groups) do
    if before(group.needed, now_first) then
      local unread, lag = false, false
      for i = 9, #group.flat, 2 do
        if group.flat[i] == 'lag' then lag = group.flat[i + 1] end
      end
      if before(group.delivered, first_id()) then
        unread = length - left
      elseif lag then
        unread = math.min(lag, length) - math.min(lag, left)
      end
      local range = {first_id(), '(' .. now_first, 10000}
      local pending = group.pending > 0 and #redis.call('XPENDING', key, group.name, unpack(range)) or 0
      if unread ~= 0 or pending > 0 then losses[#losses + 1] = {group.name, unread, pending} end
    end
  end
end

local last = trimmed + forced + 100 <= budget
return {trimmed, forced, left, floor or '', holder, losses, last and bytes()}
