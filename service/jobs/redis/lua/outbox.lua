-- Deliveries: in `out:<target>` by the moment from which they may be taken, which is the end of the lease of one that is.
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

if A.act == 'take' then return take() end
return settle_delivery()
