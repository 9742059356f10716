-- Publishes policies, all or nothing, if nobody else has since they were compared.
-- KEYS[1] the hash. ARGV: version field, version that was compared ('' for none), number of policies, name and wire form
-- of each, then the names to remove. Answers the new version, or nil: compare again. Out of memory, nothing is done.
local key, field, first_removal = KEYS[1], ARGV[1], 4 + 2 * tonumber(ARGV[3])
local version = redis.call('HGET', key, field) or ''
if version ~= ARGV[2] then return false end
local next_version = (tonumber(version) or 0) + 1
redis.call('HSET', key, field, next_version)
for i = 4, first_removal - 1, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
for i = first_removal, #ARGV do redis.call('HDEL', key, ARGV[i]) end
return next_version
