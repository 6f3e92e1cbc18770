-- What a worker may do to a localization for as long as its lease is the last that was given.
local l = job(A.id)
if not l or l.status ~= 'running' or l.token ~= A.token then return false end
local key = P .. 'l:' .. l.id

local function answer()
  redis.call('HSET', key, 'result', A.result)
  redis.call('HSET', P .. 'd:' .. l.id, 'transcript', A.transcript, 'graph', A.graph)
end

local function tell(target)
  local seq = redis.call('INCR', P .. 'seq')
  local id = string.format('del-%016.0f', seq)
  redis.call('HSET', P .. 'v:' .. id, 'id', id, 'localization_id', l.id, 'incident_id', l.incident_id,
    'tenant', l.tenant, 'target', target, 'status', 'queued', 'attempts', 0, 'token', 0, 'held', 0,
    'error', '', 'at', A.now, 'queued_at', A.now)
  redis.call('RPUSH', P .. 'l:' .. l.id .. ':v', id)
  redis.call('ZADD', P .. 'out:' .. target, A.now, id)
  redis.call('SADD', P .. 'targets', target)
end

local acts = {}

function acts.renew() redis.call('ZADD', P .. 'running', A.lease_until, l.id) end

function acts.add_steps()
  for _, step in ipairs(A.steps) do redis.call('HSETNX', P .. 's:' .. l.id, step[1], step[2]) end
  ring(l.id)
end

function acts.interim()
  answer()
  ring(l.id)
end

function acts.finish()
  answer()
  for _, target in ipairs(A.tell) do tell(target) end
  pend(l.incident_id, #A.tell)
  conclude(l, 'done', A.now, '')
  if #A.tell > 0 then ring('deliveries') end
end

function acts.drop() conclude(l, 'dropped', A.now, A.reason) end

function acts.fail()
  if redis.call('HINCRBY', key, 'failures', 1) >= A.most then
    conclude(l, 'failed', A.now, A.error)
  else
    requeue(l, A.now, A.retry_at)
    redis.call('HSET', key, 'error', A.error)
  end
end

function acts.hand_back()
  redis.call('HINCRBY', key, 'attempts', -1)
  requeue(l, A.now, A.now)
end

acts[A.act]()
return localization(l.id)
