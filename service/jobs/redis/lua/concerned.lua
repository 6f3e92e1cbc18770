-- What `place` has to know of a tenant's incidents, for each notification, and the version that this is of.
local function recent(id, since)
  local i = some('i:' .. id, 'status', 'resolved_at')
  return i.status == 'open' or (tonumber(i.resolved_at) or 0) > since
end

local function owning(told, ids)
  for _, pair in ipairs(told.pairs) do
    local owners = all('pairs:' .. A.tenant .. ':' .. pair[1])
    if owners[pair[2]] then ids[owners[pair[2]]] = true end
    for _, id in pairs(owners) do
      if not ids[id] and recent(id, told.since) then ids[id] = true end
    end
  end
end

-- Those of a set that opened since then: it is looked at from its newest on, however long it is.
local function young(key, since)
  local found = {}
  while true do
    local id = redis.call('ZREVRANGE', key, #found, #found)[1]
    if not id or tonumber(some('i:' .. id, 'opened_at').opened_at) <= since then return found end
    found[#found + 1] = id
  end
end

local function related(told, ids)
  for _, service in ipairs(told.relatives) do
    for _, id in ipairs(young(P .. 'service:' .. A.tenant .. ':' .. service, told.since)) do
      if some('i:' .. id, 'status').status == 'open' then ids[id] = true end
    end
  end
end

local concerned, known = {}, {}
for n, told in ipairs(A.told) do
  local ids = {}
  told.since = tonumber(told.since)
  owning(told, ids)
  if told.group ~= '' then
    local newest = redis.call('ZREVRANGE', P .. 'group:' .. A.tenant .. ':' .. told.group, 0, 0)[1]
    if newest then ids[newest] = true end
  end
  if next(ids) == nil then related(told, ids) end
  concerned[n] = {}
  for id in pairs(ids) do
    table.insert(concerned[n], id)
    known[id] = true
  end
end
local incidents = {}
for id in pairs(known) do incidents[#incidents + 1] = incident(id) end
return {redis.call('GET', P .. 'version:' .. A.tenant) or '0', concerned, incidents}
