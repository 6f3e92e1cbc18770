-- Deliveries: in `out:<target>` by the moment from which they may be taken, which is the end of the lease of one that is.
-- `targets` are all that ever had one.
local function take()
  local best, best_at
  for _, target in ipairs(A.targets) do
    local head = redis.call('ZRANGEBYSCORE', P .. 'out:' .. target, '-inf', A.now, 'WITHSCORES', 'LIMIT', 0, 1)
    local at = tonumber(head[2])
    if at and (not best or at < best_at or (at == best_at and head[1] < best)) then best, best_at = head[1], at end
  end
  if not best then return false end
  local key = P .. 'v:' .. best
  redis.call('HINCRBY', key, 'token', 1)
  redis.call('HINCRBY', key, 'attempts', 1)
  redis.call('HSET', key, 'owner', A.owner, 'held', 1)
  redis.call('ZADD', P .. 'out:' .. redis.call('HGET', key, 'target'), A.lease_until, best)
  return redis.call('HGETALL', key)
end

local function settle_delivery()
  local v = some('v:' .. A.id, 'status', 'token', 'held', 'target', 'incident_id')
  if v.status ~= 'queued' or v.token ~= A.token or v.held ~= '1' then return false end
  redis.call('HSET', P .. 'v:' .. A.id, 'status', A.status, 'error', A.error, 'at', A.now, 'held', 0)
  if A.status == 'queued' then
    redis.call('ZADD', P .. 'out:' .. v.target, A.retry_at, A.id)
    ring('deliveries')
  else
    redis.call('ZREM', P .. 'out:' .. v.target, A.id)
    pend(v.incident_id, -1)
  end
  return true
end

local function again()
  if redis.call('HGET', P .. 'l:' .. A.localization_id, 'tenant') ~= A.tenant then return false end
  for _, id in ipairs(redis.call('LRANGE', P .. 'l:' .. A.localization_id .. ':v', 0, -1)) do
    local v = some('v:' .. id, 'status', 'target', 'incident_id')
    if v.target == A.target then
      if v.status == 'dead' then
        redis.call('HSET', P .. 'v:' .. id, 'status', 'queued', 'at', A.now, 'queued_at', A.now)
        redis.call('ZADD', P .. 'out:' .. v.target, A.now, id)
        pend(v.incident_id, 1)
        ring('deliveries')
      end
      return redis.call('HGETALL', P .. 'v:' .. id)
    end
  end
  return false
end

local function abandon()
  local served, gone = {}, {}
  for _, target in ipairs(A.served) do served[target] = true end
  for _, target in ipairs(redis.call('SMEMBERS', P .. 'targets')) do
    local out = P .. 'out:' .. target
    local due = served[target] and {} or redis.call('ZRANGEBYSCORE', out, '-inf', '(' .. A.due_before,
      'LIMIT', 0, A.most - #gone)
    for _, id in ipairs(due) do
      redis.call('HSET', P .. 'v:' .. id, 'status', 'dead', 'error', A.error, 'at', A.now, 'held', 0)
      redis.call('ZREM', out, id)
      pend(redis.call('HGET', P .. 'v:' .. id, 'incident_id'), -1)
      gone[#gone + 1] = target
    end
  end
  return gone
end

local acts = {take = take, settle = settle_delivery, again = again, abandon = abandon}
return acts[A.act]()
