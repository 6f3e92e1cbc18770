-- What every script that moves localizations or incidents begins with. A localization that waits is in `waiting` by its
-- age, and in the line of its tenant or, until its time comes, in `delayed`; one that runs is in `running` by the end of
-- its lease. `pending` of an incident counts what keeps it from being forgotten; without any it is `over` if it is
-- resolved, else `silent` by when somebody last spoke of it.

local function job(id)
  local l = some('l:' .. id, 'tenant', 'incident_id', 'reason', 'status', 'priority', 'seq', 'owner', 'token',
    'attempts', 'failures', 'created_at')
  l.id = id
  return l.status and l or nil
end

-- The higher priority first, then who came first: one number below 2^53, which a score holds exactly.
local function rank(l)
  local priority = math.max(0, math.min(8191, tonumber(l.priority)))
  return (8191 - priority) * 2 ^ 40 + tonumber(l.seq)
end

local function line_up(l)
  redis.call('ZADD', P .. 'line:' .. l.tenant, string.format('%.0f', rank(l)), l.id)
  redis.call('SADD', P .. 'lines', l.tenant)
end

local function leave_line(l)
  redis.call('ZREM', P .. 'waiting', l.id)
  redis.call('ZREM', P .. 'delayed', l.id)
  redis.call('ZREM', P .. 'line:' .. l.tenant, l.id)
  if redis.call('EXISTS', P .. 'line:' .. l.tenant) == 0 then redis.call('SREM', P .. 'lines', l.tenant) end
end

-- Whoever read incidents of the tenant to change them has to read them again.
local function touch(tenant) redis.call('INCR', P .. 'version:' .. tenant) end

local function move(l, status)
  redis.call('HINCRBY', P .. 'counts', l.status, -1)
  redis.call('HINCRBY', P .. 'counts', status, 1)
  redis.call('HSET', P .. 'l:' .. l.id, 'status', status)
  touch(l.tenant)
  l.status = status
end

local function settle(id)
  local i = some('i:' .. id, 'status', 'pending', 'heard_at', 'seq')
  for _, index in ipairs({'over:heard', 'over:seq', 'silent'}) do redis.call('ZREM', P .. index, id) end
  if tonumber(i.pending) > 0 then return end
  if i.status == 'open' then
    redis.call('ZADD', P .. 'silent', i.heard_at, id)
  else
    redis.call('ZADD', P .. 'over:heard', i.heard_at, id)
    redis.call('ZADD', P .. 'over:seq', i.seq, id)
  end
end

local function pend(incident_id, n)
  redis.call('HINCRBY', P .. 'i:' .. incident_id, 'pending', n)
  settle(incident_id)
end

local function conclude(l, status, now, why)
  leave_line(l)
  redis.call('ZREM', P .. 'running', l.id)
  move(l, status)
  redis.call('HSET', P .. 'l:' .. l.id, 'finished_at', now, 'error', why, 'owner', '')
  pend(l.incident_id, -1)
  ring(l.id)
  ring('queue')
end

local function requeue(l, now, at)
  redis.call('ZREM', P .. 'running', l.id)
  move(l, 'queued')
  redis.call('HSET', P .. 'l:' .. l.id, 'owner', '')
  redis.call('ZADD', P .. 'waiting', l.created_at, l.id)
  if tonumber(at) > tonumber(now) then redis.call('ZADD', P .. 'delayed', at, l.id) else line_up(l) end
  ring(l.id)
  ring('queue')
end
