-- What `place` has to know of a tenant's incidents, for each notification, and the version that this is of.
local function is_open(id) return some('i:' .. id, 'status').status == 'open' end

-- Returns whether all pairs have an owner.
local function owning(told, ids)
  local owned = true
  for _, pair in ipairs(told.pairs) do
    local owners, last = all('pairs:' .. A.tenant .. ':' .. pair[1]), nil
    if owners[pair[2]] then ids[owners[pair[2]]] = true else owned = false end
    for began, id in pairs(owners) do
      if not last or tonumber(began) > tonumber(last) then last = began end
      if not ids[id] and is_open(id) then ids[id] = true end
    end
    if last then ids[owners[last]] = true end
  end
  return owned
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
      if is_open(id) then ids[id] = true end
    end
  end
end

local concerned, known = {}, {}
for n, told in ipairs(A.told) do
  local ids = {}
  told.since = tonumber(told.since)
  local owned = owning(told, ids)
  if told.group ~= '' then
    local last = told.all_ended and -1 or 0
    for _, id in ipairs(redis.call('ZREVRANGE', P .. 'group:' .. A.tenant .. ':' .. told.group, 0, last)) do ids[id] = true end
  end
  if not owned then related(told, ids) end
  concerned[n] = {}
  for id in pairs(ids) do
    table.insert(concerned[n], id)
    known[id] = true
  end
end
local incidents = {}
for id in pairs(known) do incidents[#incidents + 1] = incident(id) end
return {redis.call('GET', P .. 'version:' .. A.tenant) or '0', concerned, incidents}
