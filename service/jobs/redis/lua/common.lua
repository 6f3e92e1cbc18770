-- What every script begins with. ARGV: the prefix of all keys, a fresh mark for a server that bears none, the arguments
-- as JSON. Times are texts of microseconds: a number of Lua would be written with 14 digits. Tenants come escaped,
-- without a colon, so that a name behind them may hold anything.
local P, A = ARGV[1], cjson.decode(ARGV[3])

local function all(key)
  local flat, found = redis.call('HGETALL', P .. key), {}
  for n = 1, #flat, 2 do found[flat[n]] = flat[n + 1] end
  return found
end

local function some(key, ...)
  local names, found = {...}, {}
  local values = redis.call('HMGET', P .. key, unpack(names))
  for n, name in ipairs(names) do found[name] = values[n] end
  return found
end

local function ring(topic) redis.call('PUBLISH', P .. 'rings', topic) end

local function localization(id)
  return {id, redis.call('HGETALL', P .. 'l:' .. id), redis.call('HLEN', P .. 's:' .. id)}
end

local function incident(id)
  local fields = redis.call('HGETALL', P .. 'i:' .. id)
  if #fields == 0 then return false end
  local refs = {}
  for _, l in ipairs(redis.call('LRANGE', P .. 'i:' .. id .. ':l', 0, -1)) do
    local ref = some('l:' .. l, 'status', 'reason', 'since')
    refs[#refs + 1] = {l, ref.status, ref.reason, ref.since or ''}
  end
  return {id, fields, refs}
end
