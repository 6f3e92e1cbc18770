-- Writes what was decided about a tenant's incidents, if they are still as they were when it was decided.
if (redis.call('GET', P .. 'version:' .. A.tenant) or '0') ~= A.version then return false end
touch(A.tenant)

local function next_seq() return string.format('%.0f', redis.call('INCR', P .. 'seq')) end

local function index(i, key, member, seq)
  if i.fields.status == 'open' then redis.call('ZADD', P .. key, seq, member) else redis.call('ZREM', P .. key, member) end
end

local function keep(i)
  local key, tenant = P .. 'i:' .. i.id, A.tenant
  if i.new then
    local seq = next_seq()
    redis.call('HSET', key, 'seq', seq, 'tenant', tenant, 'pending', 0)
    redis.call('ZADD', P .. 'incidents', seq, i.id)
    redis.call('ZADD', P .. 'all:' .. tenant, seq, i.id)
  end
  for name, value in pairs(i.fields) do redis.call('HSET', key, name, value) end
  local seq = redis.call('HGET', key, 'seq')
  for _, pair in ipairs(i.pairs) do redis.call('HSET', P .. 'pairs:' .. tenant .. ':' .. pair[1], pair[2], i.id) end
  for _, service in ipairs(i.services) do redis.call('ZADD', P .. 'service:' .. tenant .. ':' .. service, seq, i.id) end
  index(i, 'open:' .. tenant, i.id, seq)
  if i.group ~= '' then index(i, 'group:' .. tenant .. ':' .. i.group, i.id, seq) end
  settle(i.id)
end

-- What waits of an incident is as urgent as the incident is by now, unless somebody asked for it.
local function hurry(i)
  for _, id in ipairs(redis.call('LRANGE', P .. 'i:' .. i.id .. ':l', 0, -1)) do
    local l = job(id)
    if l.status == 'queued' and l.reason ~= 'asked' then
      redis.call('HSET', P .. 'l:' .. id, 'priority', i.priority)
      l.priority = i.priority
      if not redis.call('ZSCORE', P .. 'delayed', id) then line_up(l) end
    end
  end
end

local function queue(told)
  local l = {id = told.id, tenant = A.tenant, seq = next_seq(), priority = told.fields.priority}
  redis.call('HSET', P .. 'l:' .. l.id, 'seq', l.seq, 'tenant', A.tenant, 'incident_id', told.incident_id,
    'status', 'queued', 'attempts', 0, 'failures', 0, 'token', 0, 'owner', '')
  for name, value in pairs(told.fields) do redis.call('HSET', P .. 'l:' .. l.id, name, value) end
  redis.call('RPUSH', P .. 'i:' .. told.incident_id .. ':l', l.id)
  redis.call('HINCRBY', P .. 'counts', 'queued', 1)
  redis.call('ZADD', P .. 'waiting', told.fields.created_at, l.id)
  line_up(l)
  pend(told.incident_id, 1)
end

for _, i in ipairs(A.incidents) do keep(i) end
for _, l in ipairs(A.localizations) do queue(l) end
for _, i in ipairs(A.incidents) do
  if i.priority ~= cjson.null then hurry(i) end
end
if #A.localizations > 0 then ring('queue') end
return true
