-- Names where a host asks for them: stub resolvers with a cache, and dig.
local native, need = ...
local names = { of = setmetatable({}, { __mode = "k" }), default = nil, roots = nil }
local now, type, format = now, type, string.format
local concat, insert = table.concat, table.insert

-- Addresses of servers: a host, a server of ours, an address, or a list of these.
function names.ips(value, out)
  out = out or {}
  if type(value) == "string" then
    if native.is_ip(value) then
      out[#out + 1] = value
    else
      local host = net:find(value)
      if not host then native.mistake(format("'%s' is neither an address nor a host", value), value) end
      out[#out + 1] = host.ip
    end
  elseif native.is_node(value) then
    out[#out + 1] = value.ip
  elseif type(value) == "table" and rawget(value, "host") then
    out[#out + 1] = value.host.ip
  elseif type(value) == "table" and (#value > 0 or next(value) == nil) then
    for _, each in ipairs(value) do names.ips(each, out) end
  elseif value ~= nil then
    native.mistake(format("a name server is a host, an address or a list of these, got a %s", type(value)), "resolver")
  end
  return out
end

-- One query and its reply: over UDP, and again over TCP when it was cut (RFC 7766).
local function over_udp(host, ip, bytes, timeout, port)
  local u, why = host:udp()
  if not u then return nil, why end
  local ok
  ok, why = u:connect(ip, port)
  if not ok then u:close() return nil, why end
  u:send(bytes)
  local deadline = now() + timeout
  local data
  repeat
    data, why = u:recv { timeout = math.max(deadline - now(), 0) }
  until not data or (#data > 2 and data:sub(1, 2) == bytes:sub(1, 2))
  u:close()
  return data, why
end

local function over_tcp(host, ip, bytes, timeout, port)
  local deadline = now() + timeout
  local c, why = host:connect(ip, port, { timeout = timeout, nodelay = true })
  if not c then return nil, why end
  local data
  c:send(string.pack(">s2", bytes))
  local n
  n, why = c:recv_exact(2, { timeout = math.max(deadline - now(), 0) })
  if n then data, why = c:recv_exact(string.unpack(">I2", n), { timeout = math.max(deadline - now(), 0) }) end
  c:close()
  return data, why
end

function names.exchange(host, ip, bytes, timeout, tcp, port)
  port = port or 53
  if tcp then return over_tcp(host, ip, bytes, timeout, port) end
  local data, why = over_udp(host, ip, bytes, timeout, port)
  if data and data:byte(3) & 2 ~= 0 then
    data, why = over_tcp(host, ip, bytes, timeout, port)
    return data, why, true
  end
  return data, why
end

-- Runs a search to its end; `seen` is told of each exchange.
function names.search(host, cache, lookup, timeout, deadline, seen)
  while true do
    local what, server, name, kind, recursive, zone = lookup:next(cache, now())
    if what == "done" then return server end
    local wait = deadline and math.min(timeout, deadline - now()) or timeout
    if wait <= 0 then return { outcome = "timeout", queries = 0 } end
    local query = native.dns_query(name, kind, recursive)
    local begun = now()
    local reply, why, tcp = names.exchange(host, server, query, wait)
    local took = now() - begun
    if reply then
      lookup:heard(cache, reply, now(), server, took)
    else
      lookup:silent(cache, server, took)
    end
    if seen then seen { server = server, zone = zone, reply = reply, why = why, time = took, tcp = tcp, name = name, type = kind } end
  end
end

-- A host's own resolver ---------------------------------------------------------------------------------------------------------------
local function settings_of(host)
  local own = names.of[host] or names.default
  if own then return own, names.ips(own.servers) end
  local lease = host:lease()
  if lease and lease.dns and #lease.dns > 0 then return {}, lease.dns end
end

function names.servers_of(host)
  local own, servers = settings_of(host)
  return own and servers
end

local caches = setmetatable({}, { __mode = "k" })
local function kept_by(host)
  local kept = caches[host]
  if not kept then
    kept = { cache = native.dns_cache(10000, 86400), queries = 0, hits = 0 }
    caches[host] = kept
  end
  return kept
end

-- What servers other than the host's own have said is kept for each of them: who asks one of several wants its answer.
local function cache_of(kept, asked, own)
  local key = asked and concat(asked, " ")
  if not key or own and key == concat(own, " ") then return kept.cache end
  kept.others = kept.others or {}
  kept.others[key] = kept.others[key] or native.dns_cache(1000, 86400)
  return kept.others[key]
end

-- The answer to a question, as the host's programs get it: from its cache, else from its servers.
function names.ask(host, name, kind, deadline, opts)
  local own, servers = settings_of(host)
  local asked = opts and opts.server and names.ips(opts.server)
  local usual = servers
  if asked then
    servers, own = asked, own or {}
  end
  if not own then return { outcome = "no such host", queries = 0 } end
  if native.bad_name(name) then return { outcome = "bad name", queries = 0 } end
  local kept = kept_by(host)
  local cache = own.cache == false and native.dns_cache(1, 0) or cache_of(kept, asked, usual)
  local lookup = native.dns_lookup(name, kind, servers, true, own.tries or 2)
  local answer = names.search(host, cache, lookup, opts and opts.timeout or own.timeout or 5, deadline)
  answer.cached = answer.queries == 0 and answer.outcome ~= "timeout"
  kept.queries = kept.queries + 1
  if answer.cached then kept.hits = kept.hits + 1 end
  return answer
end

local function values_of(answer, kind)
  local list = {}
  for _, record in ipairs(answer) do
    if record.type == kind or kind == "ANY" then list[#list + 1] = record end
  end
  -- The mail server that is to be tried first comes first (RFC 5321, section 5.1).
  if kind == "MX" then
    local place = {}
    for i, record in ipairs(list) do place[record] = i end
    table.sort(list, function(a, b)
      if a.preference ~= b.preference then return a.preference < b.preference end
      return place[a] < place[b]
    end)
  end
  for i, record in ipairs(list) do list[i] = record.value end
  return list
end

-- What a program keeps of names for itself, as browsers do: each for its time, and for `longest` seconds at most.
function names.program_cache(longest) return { longest = longest, entries = {}, hits = 0, queries = 0 } end

local function remember(own, name, answer, ip, why)
  local seconds = answer.denied_for
  for _, record in ipairs(answer) do seconds = math.min(seconds or record.ttl, record.ttl) end
  -- That nobody answered says nothing about the name.
  if not seconds or not (ip or answer.outcome == "found" or answer.outcome == "no such host") then return end
  own.entries[name] = { ip = ip, why = why, till = now() + math.min(seconds, own.longest) }
end

-- For everything that takes a host: the address, or why there is none; whether the host knew it. `own` is what the program keeps.
function names.lookup(host, name, deadline, own)
  name = native.normal_name(name)
  if own then
    own.queries = own.queries + 1
    local entry = own.entries[name]
    if entry and entry.till > now() then
      own.hits = own.hits + 1
      return entry.ip, entry.why, true
    end
  end
  local answer = names.ask(host, name, "A", deadline)
  local ip = values_of(answer, "A")[1]
  if not ip and answer.outcome == "found" and host.ip6 then
    answer = names.ask(host, name, "AAAA", deadline)
    ip = values_of(answer, "AAAA")[1]
  end
  local why = not ip and (answer.outcome == "found" and "no such host" or answer.outcome) or nil
  if own then remember(own, name, answer, ip, why) end
  return ip, why, answer.cached
end

local answer_meta = {
  __tostring = function(answer)
    local lines = {}
    for i, record in ipairs(answer.records) do lines[i] = record.text end
    return concat(lines, "\n")
  end,
}

function names.resolve(host, name, kind, opts)
  local begun = now()
  kind = kind and kind:upper() or nil
  if kind then native.record_type(kind) end
  if kind == "PTR" then
    name = native.reverse_name(name) or name
  elseif native.is_ip(name) then
    return name
  elseif not kind and not native.is_name(name) then
    return net:find(name).ip
  end
  local answer = names.ask(host, name, kind or "A", nil, opts)
  local values = values_of(answer, kind or "A")
  if #values == 0 and not kind and answer.outcome == "found" and host.ip6 then
    answer = names.ask(host, name, "AAAA", nil, opts)
    values = values_of(answer, "AAAA")
  end
  if #values == 0 then
    local why = answer.outcome
    return nil, why == "found" and "no such record" or why
  end
  return values[1], setmetatable({
    values = values, records = answer, cached = answer.cached, time = now() - begun, queries = answer.queries,
  }, answer_meta)
end

function names.flush_dns(host)
  local kept = kept_by(host)
  kept.cache:clear()
  kept.others = nil
end

local kept_meta = {
  __tostring = function(list)
    local lines = {}
    for i, row in ipairs(list) do lines[i] = row.text end
    return concat(lines, "\n")
  end,
}

function names.dns_cache(host)
  local kept = kept_by(host)
  local list = kept.cache:list(now())
  list.queries, list.hits = kept.queries, kept.hits
  return setmetatable(list, kept_meta)
end

function names.resolver(host, servers, opts)
  names.ips(servers)
  native.use_names()
  names.of[host] = { servers = servers, timeout = opts.timeout, tries = opts.tries, cache = opts.cache }
end

-- dig ------------------------------------------------------------------------------------------------------------------------------------
local function server_text(ip)
  local at = address(ip, 53)
  local owner = at.host
  return format("%s#53%s", ip, owner and " (" .. owner.name .. ")" or "")
end

local function section(lines, title, records)
  if #records == 0 then return end
  lines[#lines + 1] = ";; " .. title .. ":"
  for _, record in ipairs(records) do lines[#lines + 1] = record.text end
end

local dig_meta = {
  __tostring = function(r)
    local lines = {}
    if r.hops then
      lines[1] = format("; dig +trace %s %s", r.name, r.type)
      for _, hop in ipairs(r.hops) do
        for _, record in ipairs(hop.records) do lines[#lines + 1] = record.text end
        lines[#lines + 1] = hop.size and format(";; received %d bytes from %s in %.1f ms", hop.size, server_text(hop.server), hop.time * 1e3)
          or format(";; no reply from %s in %.1f ms", server_text(hop.server), hop.time * 1e3)
        lines[#lines + 1] = ""
      end
      return concat(lines, "\n", 1, #lines - 1)
    end
    lines[1] = format("; dig %s %s", r.name, r.type)
    lines[2] = format(";; status: %s%s%s", r.status, r.authoritative and ", authoritative" or "", r.tcp and ", over TCP" or "")
    section(lines, "ANSWER", r.answers)
    section(lines, "AUTHORITY", r.authority)
    section(lines, "ADDITIONAL", r.additional)
    lines[#lines + 1] = format(";; %d bytes from %s in %.1f ms", r.size, server_text(r.server), r.time * 1e3)
    return concat(lines, "\n")
  end,
}

local function trace(host, name, kind, opts)
  local roots = names.ips(opts.server or names.roots)
  if #roots == 0 then native.mistake("dig with trace needs a server of the root", "trace", "write server = root, or use net:dns_tree") end
  local hops, begun = {}, now()
  local cache = native.dns_cache(1000, 86400)
  local lookup = native.dns_lookup(name, kind, roots, false, 1)
  local answer = names.search(host, cache, lookup, opts.timeout or 5, nil, function(x)
    local reply = x.reply and native.dns_parse(x.reply)
    local records = reply and (#reply.answers > 0 and reply.answers or reply.authority) or {}
    hops[#hops + 1] = { server = x.server, zone = x.zone, time = x.time, size = x.reply and #x.reply, records = records, tcp = x.tcp }
  end)
  if answer.outcome == "timeout" then return nil, "timeout" end
  local answers = {}
  for i, record in ipairs(answer) do answers[i] = record end
  local status = ({ found = "NOERROR", ["no such host"] = "NXDOMAIN" })[answer.outcome] or "SERVFAIL"
  return setmetatable({
    name = name .. ".", type = kind, hops = hops, answers = answers, authority = {}, additional = {}, status = status,
    time = now() - begun, server = hops[#hops] and hops[#hops].server, size = hops[#hops] and hops[#hops].size,
  }, dig_meta)
end

function names.dig(host, name, kind, opts)
  kind = (kind or "A"):upper()
  native.record_type(kind)
  if kind == "PTR" then name = native.reverse_name(name) or name end
  name = native.normal_name(name)
  if native.bad_name(name) then return nil, "bad name" end
  if opts.trace then return trace(host, name, kind, opts) end
  local servers
  if opts.server then
    servers = names.ips(opts.server)
  else
    local _, own = settings_of(host)
    servers = own or {}
  end
  if #servers == 0 then native.mistake(host.name .. " has nobody to ask", "dig", "write server = ns, or net:resolver(ns)") end
  local why
  for _, server in ipairs(servers) do
    local begun = now()
    local query = native.dns_query(name, kind, opts.recursive ~= false)
    local bytes, problem, tcp = names.exchange(host, server, query, opts.timeout or 5, opts.tcp)
    local reply = bytes and native.dns_parse(bytes)
    if reply then
      return setmetatable({
        name = name .. ".", type = kind, status = reply.rcode, authoritative = reply.authoritative, answers = reply.answers,
        authority = reply.authority, additional = reply.additional, server = server, time = now() - begun, size = #bytes,
        tcp = tcp or opts.tcp or false,
      }, dig_meta)
    end
    why = problem or "bad message"
  end
  return nil, why
end

return names
