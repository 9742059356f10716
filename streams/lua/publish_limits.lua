-- Publishes limits, all or nothing, if nobody else has since they were compared.
-- KEYS[1] the limits hash. ARGV: version field, version that was compared ('' for none), channel, number of fields to
-- set, then field and text for each of those, then the fields to remove. Answers the new version, or nil: compare again.
local key, field = KEYS[1], ARGV[1]
local there = redis.call('HGET', key, field)
-- Somebody's garbage is as if there were none. It goes only below: after a write that frees memory a full server lets
-- a script do any other, and must refuse this one.
local garbage = there and (not there:match('^%d+$') or #there > 15)
if (not garbage and there or '') ~= ARGV[2] then return false end
local first_removal = 5 + 2 * tonumber(ARGV[4])
for i = 5, first_removal - 1, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
for i = first_removal, #ARGV do redis.call('HDEL', key, ARGV[i]) end
if garbage then redis.call('HSET', key, field, 0) end
local version = redis.call('HINCRBY', key, field, 1)
redis.call('PUBLISH', ARGV[3], version)
return version
