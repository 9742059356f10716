-- Steps along a stream by ids: {entries passed, id of the last of them}. Their payload stays on the server.
-- KEYS[1] stream. ARGV: XRANGE or XREVRANGE, where to begin, where to end, how many at most.
local entries = redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], 'COUNT', ARGV[4])
return {#entries, #entries > 0 and entries[#entries][1] or ''}
