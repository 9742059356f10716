-- Reads entries for a page: {entries, 1 if there are more}. Entries can hold megabytes each, so they are read one by
-- one, and no further once enough bytes were touched.
-- KEYS[1] stream. ARGV: XRANGE or XREVRANGE, where to begin, where to end, entries at most, bytes at most, fields an
-- entry at most, largest value that is sent.
-- An entry is {id, fields in all, {name, bytes of the value, value}...}; the value is nil where it is larger than that.
local key, command, from, to = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local count, bytes, fields, largest = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local entries, touched = {}, 0
while true do
  local found = redis.call(command, key, from, to, 'COUNT', 1)[1]
  if not found then return {entries, 0} end
  if #entries >= count or touched >= bytes then return {entries, 1} end
  local id, flat, entry = found[1], found[2], {found[1], #found[2] / 2}
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    touched = touched + #name + #value
    if i < 2 * fields then
      local sent = #value <= largest and touched <= 2 * bytes and value
      entry[#entry + 1] = {string.sub(name, 1, 200), #value, sent}
    end
  end
  entries[#entries + 1] = entry
  from = '(' .. id
end
