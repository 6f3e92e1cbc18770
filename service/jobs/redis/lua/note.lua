-- Keeps what stands beside incidents.
local acts = {}

function acts.changes()
  redis.call('SADD', P .. 'changed', A.tenant)
  for _, change in ipairs(A.changes) do redis.call('ZADD', P .. 'changes:' .. A.tenant, change[1], change[2]) end
end

function acts.verdict()
  if redis.call('HGET', P .. 'l:' .. A.id, 'tenant') ~= A.tenant then return end
  redis.call('HSET', P .. 'd:' .. A.id, 'verdict', A.verdict, 'grade', A.grade, 'given_at', A.given_at)
end

function acts.check() redis.call('SET', P .. 'checked', A.now) end

acts[A.act]()
return true
