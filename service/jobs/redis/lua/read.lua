-- Looks at one thing, in one moment.
local function of_tenant(kind) return redis.call('HGET', P .. kind .. A.id, 'tenant') == A.tenant end

local looks = {}

function looks.incident() return of_tenant('i:') and incident(A.id) end

function looks.localization() return of_tenant('l:') and localization(A.id) end

function looks.documents() return of_tenant('l:') and redis.call('HMGET', P .. 'd:' .. A.id, unpack(A.names)) end

function looks.steps()
  local found = {}
  if not of_tenant('l:') then return found end
  local numbers = redis.call('HKEYS', P .. 's:' .. A.id)
  table.sort(numbers, function(a, b) return tonumber(a) < tonumber(b) end)
  for _, number in ipairs(numbers) do
    if tonumber(number) > A.after then found[#found + 1] = {number, redis.call('HGET', P .. 's:' .. A.id, number)} end
  end
  return found
end

function looks.deliveries()
  local found = {}
  if not of_tenant('l:') then return found end
  for _, id in ipairs(redis.call('LRANGE', P .. 'l:' .. A.id .. ':v', 0, -1)) do
    found[#found + 1] = redis.call('HGETALL', P .. 'v:' .. id)
  end
  return found
end

function looks.changes()
  return redis.call('ZRANGEBYSCORE', P .. 'changes:' .. A.tenant, A.start, A.stop)
end

-- One more than a page holds tells that there is another.
function looks.incidents()
  local base = A.service ~= '' and 'service:' .. A.tenant .. ':' .. A.service
    or (A.status == 'open' and 'open:' or 'all:') .. A.tenant
  local found, below = {}, A.cursor == '' and '+inf' or '(' .. A.cursor
  while #found <= A.limit do
    local ids = redis.call('ZREVRANGEBYSCORE', P .. base, below, '-inf', 'LIMIT', 0, 100)
    if #ids == 0 then break end
    for _, id in ipairs(ids) do
      local i = some('i:' .. id, 'status', 'seq')
      below = '(' .. i.seq
      if A.status == '' or i.status == A.status then found[#found + 1] = incident(id) end
      if #found > A.limit then break end
    end
  end
  return found
end

function looks.backlog()
  local oldest = redis.call('ZRANGE', P .. 'waiting', 0, 0)[1]
  return {redis.call('HGETALL', P .. 'counts'), oldest and redis.call('HGET', P .. 'l:' .. oldest, 'created_at') or false}
end

return looks[A.look]()
