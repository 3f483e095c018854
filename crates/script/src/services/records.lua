-- Records of zones as scripts write them: what can be one.
local native = ...
local records = {}
local type, format = type, string.format

local KINDS = { A = true, AAAA = true, CNAME = true, NS = true, MX = true, TXT = true, PTR = true, ALIAS = true }
local OTHER = { ttl = true, failover = true, health = true }

local function wrong(name, what, note) native.mistake(format("the record of '%s' %s", name, what), name, note) end

-- What stands alone, or all of a list.
function records.each(value, f)
  if type(value) == "table" and not native.is_node(value) and not rawget(value, "host") then
    for _, item in ipairs(value) do f(item) end
  else
    f(value)
  end
end

local function is_host(value) return native.is_node(value) or type(value) == "table" and rawget(value, "host") ~= nil end

-- Names of hosts and services; the last part of one is no number, or it would be an address that went wrong.
local function is_name(text)
  if type(text) ~= "string" or native.bad_name(text) or not text:find "^[%w_.*-]+$" then return false end
  return not (text:match "([^.]+)%.?$" or ""):find "^%d+$"
end

-- What the parts of a record may be.
local CHECKS = {
  A = { function(item) return is_host(item) or native.is_ip(item) == 4 end, "is a host or an IPv4 address" },
  AAAA = { function(item) return is_host(item) or native.is_ip(item) == 6 end, "is a host or an IPv6 address" },
  CNAME = { is_name, "is a name", true },
  ALIAS = { is_name, "is a name", true },
  PTR = { is_name, "is a name" },
  NS = { function(item) return is_host(item) or is_name(item) and not native.is_ip(item) end, "is a host or a name" },
  TXT = { function(item) return type(item) == "string" or type(item) == "number" end, "is a text" },
  MX = {
    function(item)
      if is_host(item) then return true end
      local preference, name = tostring(item):match "^(%d+) (.+)$"
      return type(item) == "string" and is_name(name or item) and tonumber(preference or 0) <= 65535
    end,
    'is a host, "mail.example.com", or "10 mail.example.com"',
  },
}
CHECKS.failover = CHECKS.A

local function shown(item)
  if type(item) == "string" then return "'" .. item .. "'" end
  return type(item) == "number" and tostring(item) or "a " .. type(item)
end

local function check_part(name, kind, value)
  local rule, article = CHECKS[kind], kind:find "^[AMN]" and "an" or "a"
  local function refuse(item)
    local says = (type(item) == "string" or type(item) == "number") and "says" or "is"
    wrong(name, format("has %s %s that %s %s: it %s", article, kind, says, shown(item), rule[2]))
  end
  if rule[3] and type(value) ~= "string" then refuse(value) end
  records.each(value, function(item)
    if not rule[1](item) then refuse(item) end
  end)
end

-- More does not fit into a message (RFC 1035, section 4.2.2), with the names and lengths in it.
local LONGEST = 64000

local function check_texts(name, value)
  local n = 0
  records.each(value, function(item) n = n + #tostring(item) end)
  if n > LONGEST then wrong(name, format("has texts of %d bytes: more than %d do not fit into a message", n, LONGEST)) end
end

local function check_ttl(name, value)
  local ok, ttl = pcall(seconds, value)
  if not ok or type(ttl) ~= "number" or ttl < 0 or ttl > 2147483647 then
    wrong(name, format("has a ttl that says %s: it is a time of 0 or more, such as \"60s\"", shown(value)))
  end
end

-- Mistakes are named where the zone is written; addresses are looked up when time has begun.
function records.check(name, value)
  local t = type(value)
  local bad = not native.is_ip(name) and native.bad_name(name)
  if bad then wrong(name, "has a name that " .. bad) end
  if is_host(value) then return end
  if t == "string" then
    if not native.is_ip(value) and not is_name(value) then wrong(name, format("says '%s', which is neither an address nor a name", value)) end
    return
  end
  if t ~= "table" then wrong(name, "is a " .. t .. "; it can be a host, an address, a list of these or a table such as { A = ..., ttl = ... }") end
  for i, item in ipairs(value) do
    if not is_host(item) and not native.is_ip(item) then
      wrong(name, format("has %s as number %d of its list: each is a host or an address", shown(item), i))
    end
  end
  for key in pairs(value) do
    if type(key) == "string" and not KINDS[key] and not OTHER[key] then
      local upper = KINDS[key:upper()] and "; did you mean '" .. key:upper() .. "'?" or ""
      wrong(name, "has an unknown part '" .. key .. "'" .. upper, "there is A AAAA CNAME NS MX TXT PTR ALIAS ttl failover health")
    end
  end
  for kind in sorted(CHECKS) do
    if value[kind] ~= nil then check_part(name, kind, value[kind]) end
  end
  if value.TXT ~= nil then check_texts(name, value.TXT) end
  if value.ttl ~= nil then check_ttl(name, value.ttl) end
  local says = #value > 0
  for kind in pairs(KINDS) do says = says or value[kind] ~= nil end
  if not says then wrong(name, "says nothing: it has neither an address nor any other part", "{ A = host }, { TXT = \"text\" } ...") end
  -- A name that stands for another has nothing of its own (RFC 1034, section 3.6.2).
  if value.CNAME == nil then return end
  for key in sorted(value) do
    if type(key) ~= "string" or KINDS[key] and key ~= "CNAME" then
      wrong(name, format("has a CNAME and %s: a CNAME stands alone", type(key) == "string" and key or "addresses"), "ALIAS may stand beside others")
    end
  end
end

-- At the top of a zone there is its start, so no CNAME (RFC 1034, section 3.6.2).
function records.check_top(name, value, origin)
  local other = type(value) == "string" and not native.is_ip(value) or type(value) == "table" and not is_host(value) and value.CNAME
  if name == origin and other then wrong(name, "is a CNAME at the top of a zone, where none may stand", "ALIAS = ... does what is meant") end
end

return records
