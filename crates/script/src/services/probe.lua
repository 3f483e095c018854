-- What diagnose looks at above the transport: the name, and the page.
local native, need = ...
local http, names = need "http", need "names"
local probe = {}
local format = string.format

local meta = { __metatable = false, __tostring = function(found) return found.text end }

local function fault(kind, where, text)
  return setmetatable({ ok = false, layer = 7, fault = kind, where = where, text = "layer 7: " .. text }, meta)
end

local function name_of(ip)
  local owner = address(ip, 53).host
  return owner and owner.name or ip
end

local function wrong_name(a, b, name)
  local servers = names.servers_of(a)
  if not servers then return fault("dns", a.name, format("%s has nobody to ask for the name %s", a.name, name)) end
  local server = name_of(servers[1])
  a:flush_dns()
  local answer = names.ask(a, name, "A", now() + 8)
  if answer.outcome == "timeout" then
    return fault("dns", server, format("nobody answers for names: %s is silent", server))
  elseif answer.outcome == "server failure" then
    return fault("dns", server, format("%s finds nobody who knows the name %s", server, name))
  end
  local found
  for _, record in ipairs(answer) do
    if record.type == "A" then found = found or record.value end
    if record.value == b.ip then return nil end
  end
  if not found then return fault("dns", server, format("there is no address for the name %s: %s says so", name, server)) end
  return fault("dns", server, format("the name %s leads to %s (%s), not to %s", name, found, name_of(found), b.name))
end

function probe.page(healthy, a, b, url)
  local target = http.target(url)
  if native.is_name(target.host) then
    local found = wrong_name(a, b, target.host)
    if found then return found end
  end
  local res, why = http.http_get(a, url, { timeout = 8 })
  if not res then
    local kind = why:match "^bad certificate" and "certificate" or "http"
    return fault(kind, b.name, format("%s gives no answer to %s: %s", b.name, url, why))
  end
  if res.status >= 400 then
    return fault("http " .. res.status, b.name, format("%s answers with %d %s", b.name, res.status, res.reason))
  end
  return setmetatable({ ok = true, text = "nothing is wrong from layer 1 to layer 7" }, meta)
end

return probe
