-- Writes one document of a chain, whole or not at all, and only for the writer who holds the lease.
-- KEYS: full, deltas, head, lease, and where wanted: alias of the full, alias of the delta
-- ARGV: writer, lease ms, epoch, sequence, sequence to continue ('' begins an epoch), full, delta,
--       deltas kept, full ttl ms, delta ttl ms, then field and value of the head …
-- Returns 'ok'; or who holds the lease and for how many ms; or what was found in place of the chain.
local full, deltas, head, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local writer, lease_ms, epoch, sequence, continues = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local full_document, delta_document = ARGV[6], ARGV[7]
local kept, full_ttl, delta_ttl = ARGV[8], ARGV[9], ARGV[10]

-- A lease always expires: what does not is somebody's mistake, of whatever type, and would be held for ever.
local left = redis.call('PTTL', lease)
local holder = left > 0 and redis.call('GET', lease)
if holder and holder ~= writer then
  return {'held', holder, left}
end

if continues ~= '' then
  local found = redis.call('HMGET', head, 'epoch', 'sequence', 'delta', 'base', 'entries', 'full_bytes')
  if found[1] ~= epoch or found[2] ~= continues then
    return {'moved', found[1] and 'the head is at ' .. found[2] .. ' of epoch ' .. found[1] or 'the head is gone'}
  end
  local size = redis.call('STRLEN', full)
  if full_document == '' and size ~= tonumber(found[6]) then
    return {'moved', size == 0 and 'the full is gone' or 'the full is not the one that was written'}
  end
  if found[3] and found[3] ~= '' then
    local last = redis.call('XREVRANGE', deltas, '+', '-', 'COUNT', 1)
    if not last[1] or last[1][1] ~= found[3] .. '-0' then
      return {'moved', 'the newest delta is not ' .. found[3]}
    end
  end
  -- Somebody took entries out: that matters if readers of the full need them. To count these means to read them.
  if found[5] and redis.call('XLEN', deltas) ~= tonumber(found[5]) then
    local there = #redis.call('XRANGE', deltas, (tonumber(found[4]) + 1) .. '-0', '+')
    if there ~= tonumber(found[2]) - tonumber(found[4]) then
      return {'moved', 'of the deltas since full ' .. found[4] .. ' only ' .. there .. ' are left'}
    end
  end
end

-- The first write is one that a server out of memory refuses; after it, no other is.
redis.call('SET', lease, writer, 'PX', lease_ms)
if continues == '' then
  redis.call('DEL', deltas, head)
end
if delta_document ~= '' then
  redis.call('XADD', deltas, 'MAXLEN', '=', kept, sequence .. '-0', 'document', delta_document)
  redis.call('HSET', head, 'delta', sequence, 'delta_bytes', #delta_document)
end
if full_document ~= '' then
  -- Whoever is late by one full still finds the deltas that lead over it; those before it lead nowhere.
  local base = redis.call('HGET', head, 'base')
  if base then
    redis.call('XTRIM', deltas, 'MINID', '=', base .. '-0')
  end
  redis.call('SET', full, full_document)
  redis.call('HSET', head, 'full_bytes', #full_document)
end
redis.call('HSET', head, 'entries', redis.call('XLEN', deltas), unpack(ARGV, 11))
for _, key in ipairs({full, deltas, head}) do
  redis.call('PEXPIRE', key, full_ttl)
end
if KEYS[5] and full_document ~= '' then
  redis.call('SET', KEYS[5], full_document, 'PX', full_ttl)
end
if KEYS[6] and delta_document ~= '' then
  redis.call('SET', KEYS[6], delta_document, 'PX', delta_ttl)
end
return {'ok'}
