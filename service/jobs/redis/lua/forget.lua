-- Lets go of incidents that are over and too old or too many, or open and silent for too long, oldest first, and of old
-- changes.
local function delete_localization(id)
  redis.call('HINCRBY', P .. 'counts', redis.call('HGET', P .. 'l:' .. id, 'status'), -1)
  for _, delivery in ipairs(redis.call('LRANGE', P .. 'l:' .. id .. ':v', 0, -1)) do
    redis.call('UNLINK', P .. 'v:' .. delivery)
  end
  redis.call('UNLINK', P .. 'l:' .. id, P .. 'l:' .. id .. ':v', P .. 's:' .. id, P .. 'd:' .. id)
end

local function delete(id)
  local i = some('i:' .. id, 'tenant', 'services', 'pairs', 'document')
  for _, l in ipairs(redis.call('LRANGE', P .. 'i:' .. id .. ':l', 0, -1)) do delete_localization(l) end
  for _, pair in ipairs(cjson.decode(i.pairs)) do
    redis.call('HDEL', P .. 'pairs:' .. i.tenant .. ':' .. pair[1], pair[2])
  end
  for _, service in ipairs(cjson.decode(i.services)) do
    redis.call('ZREM', P .. 'service:' .. i.tenant .. ':' .. service, id)
  end
  local group = 'group:' .. i.tenant .. ':' .. cjson.decode(i.document).group_key
  for _, index in ipairs({'incidents', 'over:heard', 'over:seq', 'silent', 'all:' .. i.tenant, 'open:' .. i.tenant, group}) do
    redis.call('ZREM', P .. index, id)
  end
  redis.call('UNLINK', P .. 'i:' .. id, P .. 'i:' .. id .. ':l')
  touch(i.tenant)
end

local gone = 0
local function let_go(index, bound)
  local ids = redis.call('ZRANGEBYSCORE', P .. index, '-inf', bound, 'LIMIT', 0, A.most - gone)
  for _, id in ipairs(ids) do delete(id) end
  gone = gone + #ids
end

let_go('over:heard', '(' .. A.since)
let_go('silent', '(' .. A.silent_since)
local edge = redis.call('ZREVRANGE', P .. 'incidents', A.keep_count, A.keep_count, 'WITHSCORES')[2]
if edge then let_go('over:seq', edge) end
for _, tenant in ipairs(redis.call('SMEMBERS', P .. 'changed')) do
  redis.call('ZREMRANGEBYSCORE', P .. 'changes:' .. tenant, '-inf', '(' .. A.since)
end
return gone
