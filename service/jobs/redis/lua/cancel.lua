-- Ends a localization of a tenant unless it ended before; says how it is then.
local l = job(A.id)
if not l or l.tenant ~= A.tenant then return false end
if l.status == 'queued' or l.status == 'running' then conclude(l, 'cancelled', A.now, '') end
return localization(l.id)
