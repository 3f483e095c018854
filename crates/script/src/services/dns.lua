-- Name servers and resolvers.
local native, need = ...
local http, names, records = need "http", need "names", need "records"
local dns = {}
local each, check_record, check_top = records.each, records.check, records.check_top
local now, sleep, type, format = now, sleep, type, string.format

local function below(name, zone)
  return zone == "" or name == zone or name:sub(-#zone - 1) == "." .. zone
end

-- What a server of a zone is called.
local function server_name(host, zone) return zone == "" and host.name or host.name .. "." .. zone end

local function ttl_of(self, value) return value.ttl and seconds(value.ttl) or self.ttl end

-- Puts the records of a name into a zone.
local function put(self, zone, name, value)
  local plain = type(value) == "string" or native.is_node(value) or (type(value) == "table" and rawget(value, "host"))
  local record = plain and { A = value } or value
  local ttl = plain and self.ttl or ttl_of(self, value)
  if native.is_ip(name) then name = native.reverse_name(name) if type(value) == "string" then record = { PTR = value } end end
  name = native.normal_name(name)
  local function add(kind, text, preference, owner)
    zone:add { name = owner or name, type = kind, ttl = ttl, value = text, preference = preference }
  end
  local function addresses(item)
    if type(item) == "string" then
      if not native.is_ip(item) then return add("CNAME", item) end
      add(item:find(":", 1, true) and "AAAA" or "A", item)
    else
      local host = native.is_node(item) and item or item.host
      if host.ip then add("A", host.ip) end
      if host.ip6 then add("AAAA", host.ip6) end
    end
  end
  if not plain and record[1] ~= nil then each(record, addresses) end
  if record.A ~= nil then each(record.A, addresses) end
  if record.AAAA ~= nil then each(record.AAAA, function(item) add("AAAA", type(item) == "string" and item or item.ip6) end) end
  if record.CNAME then add("CNAME", record.CNAME) end
  if record.TXT then each(record.TXT, function(text) add("TXT", text) end) end
  if record.PTR then each(record.PTR, function(text) add("PTR", text) end) end
  if record.MX then
    each(record.MX, function(item)
      local preference, host = 10, item
      if type(item) == "string" and item:match "^%d+ " then
        preference, host = item:match "^(%d+) (.+)$"
        preference = tonumber(preference)
      end
      if type(host) ~= "string" then
        local own = server_name(host, self.origin)
        if not self.given[native.normal_name(own)] then zone:add { name = own, type = "A", ttl = ttl, value = host.ip } end
        host = own
      end
      add("MX", host, preference)
    end)
  end
  if record.NS then
    each(record.NS, function(item)
      if type(item) == "string" then return add("NS", item) end
      local host = native.is_node(item) and item or item.host
      local own = server_name(host, name)
      add("NS", own)
      if not self.given[native.normal_name(own)] then zone:add { name = own, type = "A", ttl = ttl, value = host.ip } end
    end)
  end
  if record.ALIAS then
    -- An address under another name, looked up by the server itself: what an alias at the top of a zone is (RFC 1034 forbids a
    -- CNAME there).
    self.aliases[name] = { target = record.ALIAS, ttl = ttl }
  end
end

local function fill(self, zone, records)
  -- Where the script says itself what a server's name means, that counts.
  self.given = records
  for name, value in sorted(records) do put(self, zone, name, value) end
  for cut, hosts in sorted(self.delegations) do
    zone:remove(cut, "NS")
    put(self, zone, cut, { NS = hosts.hosts, ttl = hosts.ttl })
  end
  local has_ns = records[self.origin] and type(records[self.origin]) == "table" and records[self.origin].NS
  if not has_ns then put(self, zone, self.origin, { NS = self.together or { self.host }, ttl = self.ttl }) end
  for _, known in ipairs(self.known_hosts) do
    if known.host.ip then zone:add { name = native.reverse_name(known.host.ip), type = "PTR", ttl = self.ttl, value = known.name } end
  end
  if self.reverse then
    local list = zone:records()
    for _, record in ipairs(list) do
      if record.type == "A" then
        local own = native.reverse_name(record.value)
        self.pointers = self.pointers or native.dns_zone("in-addr.arpa", self.negative)
        self.pointers:add { name = own, type = "PTR", ttl = record.ttl, value = record.name }
      end
    end
  end
end

-- Addresses of aliases follow those of their targets.
local function follow_aliases(self)
  for name, alias in sorted(self.aliases) do
    local target = native.normal_name(alias.target)
    self.zone:remove(name, "A")
    for _, record in ipairs(self.zone:records()) do
      if record.name == target and record.type == "A" then
        self.zone:add { name = name, type = "A", ttl = record.ttl, value = record.value }
      end
    end
  end
end

local function build(self)
  if self.built then return end
  self.built, self.pointers, self.aliases = true, nil, {}
  self.zone = native.dns_zone(self.origin, self.negative)
  fill(self, self.zone, self.records)
  follow_aliases(self)
  for _, view in ipairs(self.views) do
    view.built = native.dns_zone(self.origin, self.negative)
    local reverse = self.reverse
    self.reverse = false
    fill(self, view.built, view.zone)
    self.reverse = reverse
  end
end

-- Daemons: what listens on a host, for all its zones and its resolver. -----------------------------------------------------------------
local daemons = setmetatable({}, { __mode = "k" })

local function zones_for(daemon, ip)
  local zones, owners = {}, {}
  for _, server in ipairs(daemon.servers) do
    build(server)
    local zone = server.public and server.zone
    for _, view in ipairs(server.views) do
      if native.is_in(ip, view.from) then
        zone = view.built
        break
      end
    end
    if zone then zones[#zones + 1], owners[#owners + 1] = zone, server end
    if server.pointers then zones[#zones + 1], owners[#owners + 1] = server.pointers, server end
  end
  return zones, owners
end

-- A row of queries.csv.
local function logged(server, begun, query, ip, tcp, answer, asked)
  record("queries", {
    server = server.name, at_s = begun, client = ip, name = query.name, type = query.type, tcp = tcp, answer = answer, asked_count = asked,
    took_ms = (now() - begun) * 1e3,
  })
end

local function recursive_reply(daemon, bytes, query, most, ip, tcp)
  local r, begun = daemon.resolver, now()
  r.queries = r.queries + 1
  -- What has no name here cannot be asked for.
  if query.type == "TYPE" then return native.dns_reply(bytes, "NOTIMP", {}, most) end
  local key = query.name .. " " .. query.type
  -- Who asks for what is being looked for already waits for that.
  while r.pending[key] do r.pending[key]:wait() end
  r.pending[key] = signal()
  local lookup = native.dns_lookup(query.name, query.type, names.ips(r.forward or r.roots), r.forward ~= nil, r.tries)
  local answer = names.search(r.host, r.cache, lookup, r.timeout, nil, function(x)
    r.upstream = r.upstream + 1
    if not x.reply then r.timeouts = r.timeouts + 1 end
    if x.tcp then r.tcp_fallbacks = r.tcp_fallbacks + 1 end
  end)
  if answer.queries == 0 then r.hits = r.hits + 1 end
  local waiting = r.pending[key]
  r.pending[key] = nil
  waiting:fire()
  local rcode = ({ found = "NOERROR", ["no such host"] = "NXDOMAIN" })[answer.outcome] or "SERVFAIL"
  if r.log then logged(r, begun, query, ip, tcp, rcode, answer.queries) end
  return native.dns_reply(bytes, rcode, answer, most)
end

-- All that listen there hear what is no query: it says to none of them that it is for him.
local function fault(daemon, cause)
  daemon.faults[cause] = (daemon.faults[cause] or 0) + 1
  for _, server in ipairs(daemon.servers) do server.bad = server.bad + 1 end
  if daemon.resolver then daemon.resolver.bad = daemon.resolver.bad + 1 end
end

-- The reply to a query, or nothing.
local function reply_to(daemon, bytes, ip, tcp)
  local cause, said = native.dns_check(bytes)
  if cause then
    fault(daemon, cause)
    return said
  end
  local query, begun = native.dns_parse(bytes), now()
  local most = tcp and 65535 or daemon.udp_size
  local zones, owners = zones_for(daemon, ip)
  local reply, which, what = native.dns_answer(zones, bytes, most)
  local owner = which and owners[which]
  if owner then
    owner.queries = owner.queries + 1
    if tcp then owner.tcp_queries = owner.tcp_queries + 1 end
    if what == "answer" then owner.answers = owner.answers + 1
    elseif what == "referral" then owner.referrals = owner.referrals + 1
    else owner.denials = owner.denials + 1 end
    if reply:byte(3) & 2 ~= 0 then owner.truncated = owner.truncated + 1 end
    if owner.delay > 0 then sleep(owner.delay) end
    if owner.log then logged(owner, begun, query, ip, tcp, what, 0) end
    if what ~= "referral" or not (daemon.resolver and query.recursive) then return reply end
  end
  if daemon.resolver and query.recursive then return recursive_reply(daemon, bytes, query, most, ip, tcp) end
  return reply
end

local function start(daemon)
  local host = daemon.host
  local socket, why = host:udp(daemon.port)
  if not socket then return nil, why end
  local listener
  listener, why = host:listen(daemon.port, { nodelay = true })
  if not listener then
    socket:close()
    return nil, why
  end
  native.spawn(host, "dns of " .. host.name, function()
    while true do
      local data, from = socket:recvfrom()
      if not data then return end
      native.spawn(host, "dns query from " .. tostring(from), function()
        local reply = reply_to(daemon, data, from.ip, false)
        if reply then socket:sendto(reply, from) end
      end)
    end
  end)
  native.spawn(host, "dns over TCP of " .. host.name, function()
    for conn, peer in listener:connections() do
      native.spawn(host, "dns query from " .. tostring(peer), function()
        while true do
          local n = conn:recv_exact(2, { timeout = 10 })
          local data = n and conn:recv_exact(string.unpack(">I2", n), { timeout = 10 })
          if n and not data then fault(daemon, "cut message") end
          local reply = data and reply_to(daemon, data, peer.ip, true)
          if not reply or not need("lines").tell(daemon, conn, string.pack(">s2", reply)) then break end
        end
        conn:close()
      end)
    end
  end)
  return true
end

local function daemon_of(host, port)
  local own = daemons[host]
  if not own then
    own = {}
    daemons[host] = own
  end
  local daemon = own[port]
  if daemon then return daemon end
  daemon = { host = host, port = port, servers = {}, udp_size = 512, faults = {} }
  local ok, why = start(daemon)
  if not ok then return nil, why end
  host:on_boot(function()
    if daemon.resolver then daemon.resolver.cache:clear() daemon.resolver.pending = {} end
    start(daemon)
  end)
  own[port] = daemon
  native.use_names()
  return daemon
end

-- Name servers --------------------------------------------------------------------------------------------------------------------------
local Server = {}
local server_meta = http.class("dns server", "name servers have", Server, "zone pointers built reverse together log")

-- What all names have in common; of a single name, what is above it.
local function common_origin(records)
  local best
  for key in sorted(records) do
    if type(key) == "string" and not native.is_ip(key) then
      local name = native.normal_name(key)
      if not best then
        best = name:match "^[^.]+%.(.+)$" or name
      else
        while not below(name, best) do best = best:match "^[^.]+%.(.+)$" or "" end
      end
    end
  end
  return best or ""
end

local function keep_healthy(self, name, value)
  local h = value.health or {}
  local every_s, failures = h.interval and seconds(h.interval) or 10, h.failures or 3
  local primary = native.is_node(value.A) and value.A or value.A[1] or value.A
  local failed, on_backup = 0, false
  every(every_s, function()
    if not self.host.up then return end
    local conn = self.host:connect(primary, h.port or 80, { timeout = math.min(every_s / 2, 5) })
    local good = conn ~= nil
    if conn then
      if h.path then
        conn:close()
        local res = need("http").http_get(self.host, { primary, h.port or 80, h.path }, { timeout = math.min(every_s / 2, 5) })
        good = res ~= nil and res.status < 500
      else
        conn:close()
      end
    end
    failed = good and 0 or failed + 1
    local wants = failed >= failures
    if wants ~= on_backup then
      on_backup = wants
      local now_at = wants and value.failover or value.A
      self.records[name] = { A = now_at, ttl = value.ttl }
      self.built = false
      event("dns", name, wants and "failover" or "back")
    end
  end)
end

function Server.set(self, name, value)
  if type(name) ~= "string" then native.mistake("dns_server:set(name, record) needs a name", "set") end
  if value == nil then native.mistake("dns_server:set(name, record) needs a record; :remove(name) takes one away", "set") end
  check_record(name, value)
  name = native.is_ip(name) and name or native.normal_name(name)
  if not native.is_ip(name) and not below(name, self.origin) then
    native.mistake(format("'%s' is not below '%s', the zone of this name server", name, self.origin), "set")
  end
  check_top(name, value, self.origin)
  self.records[name] = value
  self.built = false
end

local function check_hosts(value, what)
  local n = 0
  each(value, function(host)
    n = n + 1
    if not native.is_node(host) and not (type(host) == "table" and rawget(host, "host")) then
      native.mistake(format("%s is a host or a list of hosts, got a %s", what, type(host)), what)
    end
  end)
  if n == 0 then native.mistake(what .. " needs a host", what) end
end

function Server.remove(self, name)
  self.records[native.normal_name(name)] = nil
  self.built = false
end

function Server.delegate(self, zone, hosts, ttl)
  check_hosts(hosts, "delegate")
  if native.is_node(hosts) or (type(hosts) == "table" and rawget(hosts, "host")) then hosts = { hosts } end
  zone = native.normal_name(zone)
  if zone == self.origin or not below(zone, self.origin) then
    native.mistake(format("'%s' is not below '%s', the zone of this name server: it cannot be given to others", zone, self.origin), "delegate")
  end
  self.delegations[zone] = { hosts = hosts, ttl = ttl and seconds(ttl) or self.ns_ttl }
  self.built = false
end

-- The records of a zone by their names in small letters.
local function records_of(zone)
  local list, written = {}, {}
  for name, value in sorted(zone) do
    if type(name) ~= "string" then native.mistake("a zone is { [name] = record }: its keys are names", "zone") end
    check_record(name, value)
    local own = native.is_ip(name) and name or native.normal_name(name)
    if list[own] ~= nil then
      native.mistake(format("'%s' and '%s' are the same name (RFC 4343)", written[own], name), name, "several addresses of a name are a list: { a, b }")
    end
    list[own], written[own] = value, name
  end
  return list
end

function dns.dns_server(host, o)
  local records = records_of(o.zone or {})
  each(o.parent or {}, function(parent)
    if type(parent) ~= "table" or not rawget(parent, "delegations") then native.mistake("parent is what host:dns_server gave", "parent") end
  end)
  local origin = o.origin and native.normal_name(o.origin) or common_origin(records)
  local self = setmetatable({
    host = host, name = host.name, port = o.port or 53, label = format("%s:%d %s", host.name, o.port or 53, origin or "."), origin = origin, records = records, ttl = o.ttl or 3600, ns_ttl = o.ns_ttl or 172800, negative = o.negative_ttl or 30,
    log = o.log, views = {}, public = o.zone ~= nil or o.views == nil, reverse = o.reverse, delay = o.delay or 0, delegations = {}, aliases = {}, known_hosts = {},
    queries = 0, tcp_queries = 0, answers = 0, referrals = 0, denials = 0, truncated = 0, bad = 0, built = false,
  }, server_meta)
  for i, view in ipairs(o.views or {}) do
    if type(view) ~= "table" or not view.from or not view.zone then
      native.mistake(format("view %d must say from whom and which zone: { from = \"10.0.0.0/8\", zone = {...} }", i), "views")
    end
    native.is_in("0.0.0.0", view.from)
    local own = records_of(view.zone)
    for name, value in sorted(own) do check_top(name, value, origin) end
    self.views[i] = { from = view.from, zone = own }
  end
  for name in sorted(records) do
    if not native.is_ip(name) and not below(name, origin) then
      native.mistake(format("'%s' is not below '%s', the zone of this name server", name, origin), name)
    end
    check_top(name, records[name], origin)
  end
  local daemon, why = daemon_of(host, o.port or 53)
  if not daemon then return nil, why end
  if o.udp_size then daemon.udp_size = o.udp_size end
  daemon.servers[#daemon.servers + 1] = self
  self.faults = daemon.faults
  if o.parent then
    each(o.parent, function(parent)
      local known = parent.delegations[origin] or { hosts = {}, ttl = parent.ns_ttl }
      known.hosts[#known.hosts + 1] = host
      parent.delegations[origin], parent.built = known, false
      -- All that serve the zone are named in it, whoever is asked.
      self.together = known.hosts
    end)
  end
  if origin == "" then
    names.roots = names.roots or {}
    names.roots[#names.roots + 1] = host
  end
  for name, value in sorted(records) do
    if type(value) == "table" and not native.is_node(value) and value.failover then keep_healthy(self, name, value) end
  end
  return self
end

-- Resolvers -------------------------------------------------------------------------------------------------------------------------------
local Resolver = {}
local resolver_meta = http.class("dns resolver", "resolvers have", Resolver, "forward roots log")

local list_meta = {
  __tostring = function(list)
    local lines = {}
    for i, row in ipairs(list) do lines[i] = row.text end
    return table.concat(lines, "\n")
  end,
}

function Resolver.cache_list(self) return setmetatable(self.cache:list(now()), list_meta) end

function Resolver.flush(self) self.cache:clear() end

function dns.dns_resolver(host, o)
  if (o.roots == nil) == (o.forward == nil) and not names.roots then
    native.mistake("host:dns_resolver needs roots or forward", "dns_resolver", "roots are servers of the root, forward other resolvers")
  end
  local most = o.cache == nil and 10000 or o.cache
  local daemon, why = daemon_of(host, o.port or 53)
  if not daemon then return nil, why end
  local self = setmetatable({
    host = host, name = host.name, port = o.port or 53, label = format("%s:%d", host.name, o.port or 53), log = o.log, roots = o.roots or (not o.forward and names.roots or nil), forward = o.forward,
    cache = native.dns_cache(most == false and 1 or most, most == false and 0 or o.max_ttl or 86400), timeout = o.timeout or 1,
    tries = o.tries or 2, pending = {}, queries = 0, hits = 0, upstream = 0, timeouts = 0, tcp_fallbacks = 0, bad = 0,
  }, resolver_meta)
  daemon.resolver = self
  self.faults = daemon.faults
  return self
end

function dns.resolver(_, servers, o)
  names.ips(servers)
  native.use_names()
  names.default = { servers = servers, timeout = o.timeout, tries = o.tries, cache = o.cache }
end

-- A whole tree ---------------------------------------------------------------------------------------------------------------------------------
local function hosts_of(value)
  local list = {}
  each(value, function(host) list[#list + 1] = host end)
  return list
end

function dns.dns_tree(_, o)
  if not o.root then native.mistake("net:dns_tree needs the option 'root'", "dns_tree", "root is the host that serves the root, or a list") end
  local ttl, ns_ttl = o.ttl or 3600, o.ns_ttl or 172800
  local by_zone = {}
  local function serve(zone, hosts)
    local all = {}
    for i, host in ipairs(hosts) do
      local server, why = dns.dns_server(host, { origin = zone, zone = {}, ttl = ttl, ns_ttl = ns_ttl, delay = o.delay })
      if not server then native.mistake(format("%s cannot serve names: %s", host.name, why), "dns_tree") end
      all[i], server.together = server, hosts
    end
    by_zone[native.normal_name(zone)] = all
    return all
  end
  check_hosts(o.root, "root")
  for zone, hosts in sorted(o.zones or {}) do
    if type(zone) ~= "string" then native.mistake("zones are { [name] = host or list of hosts }", "zones") end
    check_hosts(hosts, zone)
  end
  if o.reverse then check_hosts(o.reverse, "reverse") end
  serve("", hosts_of(o.root))
  local zones = {}
  for zone, hosts in sorted(o.zones or {}) do zones[#zones + 1] = { name = native.normal_name(zone), hosts = hosts_of(hosts) } end
  if o.reverse then zones[#zones + 1] = { name = "in-addr.arpa", hosts = hosts_of(o.reverse) } end
  -- Zones above come before those below.
  table.sort(zones, function(a, b)
    local _, na = a.name:gsub("%.", "")
    local _, nb = b.name:gsub("%.", "")
    if na ~= nb then return na < nb end
    return a.name < b.name
  end)
  local function closest(name, own)
    local at = own and (name:match "^[^.]*%.(.+)$" or "") or name
    while at ~= "" and not by_zone[at] do at = at:match "^[^.]*%.(.+)$" or "" end
    return by_zone[at]
  end
  for _, zone in ipairs(zones) do
    local above = closest(zone.name, true)
    serve(zone.name, zone.hosts)
    for _, parent in ipairs(above) do parent:delegate(zone.name, zone.hosts) end
  end
  for name, value in sorted(o.names or {}) do
    for _, server in ipairs(closest(native.normal_name(name))) do server:set(name, value) end
    if o.reverse and native.is_node(value) then
      for _, server in ipairs(by_zone["in-addr.arpa"]) do
        server.known_hosts[#server.known_hosts + 1] = { host = value, name = name }
      end
    end
  end
  local result = {}
  for zone, all in sorted(by_zone) do result[zone == "" and "root" or zone] = #all == 1 and all[1] or all end
  return result
end

return dns
