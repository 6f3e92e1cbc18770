-- Takes the first localization that waits, or whose lease ran out in other hands.
local function come_due()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'delayed', '-inf', A.now, 'LIMIT', 0, 1000)) do
    redis.call('ZREM', P .. 'delayed', id)
    line_up(job(id))
  end
end

local running, of_tenant = 0, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'running', A.now, '+inf')) do
  local tenant = redis.call('HGET', P .. 'l:' .. id, 'tenant')
  running = running + 1
  of_tenant[tenant] = (of_tenant[tenant] or 0) + 1
end

local function full(tenant) return A.per_tenant > 0 and (of_tenant[tenant] or 0) >= A.per_tenant end

local function first()
  local best, best_rank
  local function consider(l, at)
    if not best or at < best_rank then best, best_rank = l, at end
  end
  for _, tenant in ipairs(redis.call('SMEMBERS', P .. 'lines')) do
    local head = redis.call('ZRANGE', P .. 'line:' .. tenant, 0, 0, 'WITHSCORES')
    if head[1] and not full(tenant) then consider(head[1], tonumber(head[2])) end
  end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'running', '-inf', '(' .. A.now)) do
    local l = job(id)
    if l.owner ~= A.owner and not full(l.tenant) then consider(id, rank(l)) end
  end
  return best and job(best)
end

local function take(l)
  leave_line(l)
  redis.call('DEL', P .. 's:' .. l.id)
  move(l, 'running')
  redis.call('HINCRBY', P .. 'l:' .. l.id, 'token', 1)
  redis.call('HINCRBY', P .. 'l:' .. l.id, 'attempts', 1)
  redis.call('HSET', P .. 'l:' .. l.id, 'owner', A.owner, 'started_at', A.now)
  redis.call('ZADD', P .. 'running', A.lease_until, l.id)
  ring(l.id)
  return {localization(l.id), incident(l.incident_id)}
end

come_due()
if A.at_once > 0 and running >= A.at_once then return false end
local l = first()
while l do
  if tonumber(l.attempts) < A.most then return take(l) end
  conclude(l, 'failed', A.now, 'given up: taken ' .. l.attempts .. ' times, and no worker came back with it')
  l = first()
end
return false
