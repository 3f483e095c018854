-- TLS: who vouches for whom, who trusts whom, and handshakes.
local native, need = ...
local http = need "http"
local tls = {}
local now, type, format = now, type, string.format

local Authority = {}
local authority_meta = http.class("authority", "authorities have", Authority, "above")
local certificate_meta = { __name = "certificate", __tostring = function(c) return "certificate for " .. table.concat(c.names, ", ") end }

function tls.authority(_, name, o)
  return setmetatable({ name = name, key = native.random_key(), size = o.size or 1200 }, authority_meta)
end

-- The certificates of the authorities between this one and a root.
local function chain_above(self, list)
  if self.above then
    list[#list + 1] = self.text
    chain_above(self.above, list)
  end
  return list
end

function Authority.intermediate(self, name)
  local own = setmetatable({ name = name, key = native.random_key(), size = 1200, above = self }, authority_meta)
  own.text = native.certificate {
    subject = name, names = {}, issuer = self.name, from = 0, ["until"] = 10 * 365 * 86400, key = own.key, signed_by = self.key,
    is_authority = true, size = own.size,
  }
  return own
end

local KNOWN = { names = true, from = true, valid = true, size = true }
function Authority.certificate(self, o)
  if type(o) ~= "table" then native.mistake("authority:certificate{ names = {...} } takes a table", "certificate") end
  for key in pairs(o) do
    if not KNOWN[key] then
      native.mistake(format("unknown option '%s' of authority:certificate", tostring(key)), tostring(key), "options: names from valid size")
    end
  end
  local names = type(o.names) == "string" and { o.names } or o.names
  if type(names) ~= "table" or #names == 0 then
    native.mistake("authority:certificate needs names", "certificate", 'names = { "www.example.com" }')
  end
  local from = o.from and seconds(o.from) or 0
  local valid = o.valid and seconds(o.valid) or 90 * 86400
  local text = native.certificate {
    subject = names[1], names = names, issuer = self.name, from = from, ["until"] = from + valid, key = native.random_key(),
    signed_by = self.key, is_authority = false, size = o.size and bytes(o.size) or 1200,
  }
  local chain = chain_above(self, { text })
  return setmetatable({ names = names, chain = chain, issuer = self.name }, certificate_meta)
end

-- Trust and tickets, by host.
local trusted, tickets = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })

function tls.trust(host, ...)
  local own = trusted[host] or {}
  trusted[host] = own
  for _, authority in ipairs { ... } do
    if getmetatable(authority) ~= false or type(authority) ~= "table" or not rawget(authority, "key") then
      native.mistake("host:trust takes what net:authority gave", "trust")
    end
    own[#own + 1] = authority.key
  end
end

-- Runs a handshake to where data can be sent; without a deadline, for as long as something comes within `silence` seconds.
local function shake(host, conn, deadline, silence)
  while true do
    local what, detail = native.tls_step(conn, deadline and math.max(deadline - now(), 0), silence)
    if what == "work" then
      host:work(detail)
    elseif what == "done" then
      return detail
    else
      return nil, detail
    end
  end
end

-- A server is known by its name and port: another port is another server, with keys of its own.
local function place_of(conn, name) return name .. ":" .. conn.peer.port end

function tls.client(host, conn, name, o, deadline, silence)
  local own = tickets[host] or {}
  tickets[host] = own
  local function span(value) return value and seconds(value) or nil end
  native.tls_begin_client(conn, {
    name = name, version = o.version, ticket = o.resume ~= false and own[place_of(conn, name)] or nil, early = o.early,
    roots = o.verify ~= false and (trusted[host] or {}) or nil, verify = span(o.check), exchange = span(o.exchange),
  })
  return shake(host, conn, deadline, silence)
end

-- A ticket may come after the handshake; it is looked for when the connection is done with.
function tls.keep_ticket(host, conn, res)
  local facts = native.tls_facts(conn)
  if facts and facts.ticket then tickets[host][place_of(conn, facts.name)] = facts.ticket end
  if not res or not res.tls_info then return end
  res.tls_info = facts
  -- Data that was to go early and was not taken went after the handshake.
  local at = res.tls_begun and not facts.early and native.tls_ready_at(conn)
  if at then res.tls = at - res.tls_begun end
  res.tls_begun = nil
end

-- For HTTP clients.
function tls.connect(host, conn, target, opts, deadline, res)
  local name = type(target.host) == "string" and target.host or (native.is_node(target.host) and target.host.name) or target.host.ip
  local begun = now()
  local facts, why = tls.client(host, conn, name, opts.tls or {}, deadline, http.SILENCE)
  if not facts then return nil, why end
  res.tls_info = facts
  -- With early data requests go out before the handshake is over: how long that took is known later.
  if (opts.tls or {}).early then res.tls_begun = begun end
  return true
end

local function server_options(setting)
  if getmetatable(setting) == certificate_meta then return setting, {} end
  if type(setting) == "table" and getmetatable(setting.cert) == certificate_meta then
    native.check_tls_server(setting)
    return setting.cert, setting
  end
  native.mistake("tls is a certificate, or a table with cert = ...", "tls", "net:authority(name):certificate{ names = {...} } makes one")
end
tls.server_options = server_options

local function accept(host, conn, cert, o, deadline)
  local function span(value) return value and seconds(value) or nil end
  native.tls_begin_server(conn, {
    chain = cert.chain, version = o.version, tickets = o.tickets,
    ticket_key = o.ticket_key or format("%s:%d", host.name, conn.local_addr.port), early = o.early, sign = span(o.sign), exchange = span(o.exchange),
  })
  return shake(host, conn, deadline)
end

-- For HTTP servers.
function tls.accept(host, conn, setting, server)
  local cert, o = server_options(setting)
  local facts, why = accept(host, conn, cert, o, now() + server.timeout)
  if facts then return true end
  server.tls_failures = (server.tls_failures or 0) + 1
  return false, why
end

-- For sockets of the script.
function tls.tls_client(conn, name, o)
  local host = native.host_of(conn)
  local facts, why = tls.client(host, conn, name, o, o.timeout and now() + o.timeout)
  if facts then tls.keep_ticket(host, conn) end
  return facts, why
end

function tls.tls_server(conn, setting, o)
  local cert, more = server_options(setting)
  for k, v in pairs(more) do if o[k] == nil then o[k] = v end end
  return accept(native.host_of(conn), conn, cert, o, o.timeout and now() + o.timeout)
end

return tls
