-- HTTP clients: one request, a client that keeps connections, load, and what servers and clients share.
local native, need = ...
local http = {}
for name, f in pairs(need "given") do http[name] = f end
local read, send_parts, head_text = native.http_read, native.send_parts, native.http_head
local now, sleep, match, format, upper, type = now, sleep, string.match, string.format, string.upper, type
local concat, remove = table.concat, table.remove

http.REASONS = {
  [100] = "Continue", [101] = "Switching Protocols", [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content",
  [206] = "Partial Content", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other", [304] = "Not Modified",
  [307] = "Temporary Redirect", [308] = "Permanent Redirect", [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden",
  [404] = "Not Found", [405] = "Method Not Allowed", [408] = "Request Timeout", [409] = "Conflict", [410] = "Gone",
  [411] = "Length Required", [412] = "Precondition Failed", [413] = "Content Too Large", [414] = "URI Too Long",
  [416] = "Range Not Satisfiable", [422] = "Unprocessable Content", [429] = "Too Many Requests",
  [431] = "Request Header Fields Too Large", [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout", [505] = "HTTP Version Not Supported",
}
-- Whoever sets no time gives up a server that says nothing for so many seconds.
http.SILENCE = 60
local SAFE = { GET = true, HEAD = true, OPTIONS = true, TRACE = true }
local IDEMPOTENT = { GET = true, HEAD = true, OPTIONS = true, TRACE = true, PUT = true, DELETE = true }
http.SAFE, http.IDEMPOTENT = SAFE, IDEMPOTENT

-- A method whose arguments are checked first, as the reference describes them: mistakes are shown where the script calls it.
function http.checked(class, key, method)
  local check = native.checker(class, key)
  if not check then return method end
  return function(...)
    check(...)
    return method(...)
  end
end

-- A type of the services: a table whose methods are found, and whose unknown names are mistakes. ---------------------------------
-- Those of `optional` may be nil.
function http.class(name, plural, methods, optional)
  local index, absent, shown = native.class(plural, methods, {}), {}, {}
  for each in (optional or ""):gmatch "%S+" do absent[each] = true end
  return {
    __name = name, __metatable = false,
    __index = function(self, key)
      local method = shown[key]
      if method then return method end
      if methods[key] then
        shown[key] = http.checked(name, key, methods[key])
        return shown[key]
      end
      if not absent[key] then return index(self, key) end
    end,
    __tostring = function(self) return name .. " " .. (rawget(self, "name") or "") end,
  }
end

-- Fields of a table under any case of their names.
function http.has(headers, name)
  for key in pairs(headers) do
    if type(key) == "string" and key:lower() == name then return true end
  end
  return false
end

local function seconds_left(deadline)
  if deadline then return math.max(deadline - now(), 0) end
end

-- Targets ------------------------------------------------------------------------------------------------------------------------
function http.target(url)
  if type(url) == "table" then
    local path = url[3] or "/"
    return { scheme = "http", host = url[1], port = http.port(url[1], url[2], 80), path = path, shown = nil }
  end
  local scheme, host, port, path = native.url(url)
  if not scheme then native.mistake(host) end
  return { scheme = scheme, host = host, port = port, path = path }
end

-- Where a text in an answer leads, seen from `base` (RFC 3986, section 5.2); nil where that is no page of the web.
function http.reference(base, text)
  text = match(text, "^%s*([^#]*)"):gsub("%s+$", "")
  if text:find "[%c \128-\255]" then return nil, "bad URL" end
  if match(text, "^%a[%w+.-]*:") or text:sub(1, 2) == "//" then
    local scheme = match(text, "^(%a[%w+.-]*):") or base.scheme
    if scheme:lower() ~= "http" and scheme:lower() ~= "https" then return nil, "unknown scheme" end
    local own, host, port, path = native.url(text:sub(1, 2) == "//" and scheme .. ":" .. text or text)
    if not own then return nil, "bad URL" end
    return { scheme = own, host = host, port = port, path = path }
  end
  local path = text
  if text == "" then
    path = base.path
  elseif text:sub(1, 1) == "?" then
    path = match(base.path, "^[^?]*") .. text
  elseif text:sub(1, 1) ~= "/" then
    local own, query = match((match(base.path, "^([^?]*/)") or "/") .. text, "^([^?]*)(.*)$")
    path = need("lines").path("/", own) .. (own:sub(-1) == "/" and #own > 1 and "/" or "") .. query
  end
  return { scheme = base.scheme, host = base.host, port = base.port, path = path }
end

local function host_name(target)
  local host = target.host
  local name
  if type(host) == "string" then
    name = host:find(":", 1, true) and "[" .. host .. "]" or host
  elseif native.is_node(host) then
    name = host.name
  else
    name = host.ip
  end
  local usual = target.scheme == "https" and 443 or 80
  if target.port ~= usual then name = name .. ":" .. target.port end
  return name
end

function http.url_of(target) return target.scheme .. "://" .. host_name(target) .. target.path end

local function with_query(path, query)
  if not query then return path end
  local parts = {}
  for name, value in sorted(query) do
    parts[#parts + 1] = native.encode(tostring(name)) .. "=" .. native.encode(tostring(value))
  end
  return path .. (path:find("?", 1, true) and "&" or "?") .. concat(parts, "&")
end

-- What is not secret goes through the proxy of whoever has one; a proxy is asked for whole URLs (RFC 9112, section 3.2.2).
function http.proxied(target, opts) return opts.proxy and target.scheme == "http" and opts.http ~= "2" end

local function for_proxy(target, req, opts)
  if not http.proxied(target, opts) then return req end
  return { method = req.method, path = "http://" .. host_name(target) .. req.path, headers = req.headers, payload = req.payload, length = req.length }
end

-- Connecting: name, TCP, TLS; the times go into `res`. ----------------------------------------------------------------------------
local function open(host, target, opts, deadline, res)
  local begun = now()
  local to, port = target.host, target.port
  if http.proxied(target, opts) then to, port = opts.proxy, http.port(opts.proxy, opts.proxy_port, 3128) end
  res.dns, res.dns_cached, res.tls = 0, nil, 0
  local t, span = native.trace, nil
  if type(to) == "string" and native.is_name(to) then
    span = t and t.phase(host, "dns", to)
    local ip, why, cached = need("names").lookup(host, to, deadline, opts.names)
    if span then t.done(span) end
    res.dns = now() - begun
    if not ip then return nil, why end
    to, res.dns_cached = ip, cached
  end
  local dialled = now()
  -- As clients and servers of the web do: a request is written whole, and waits for no acknowledgment.
  local o = { timeout = seconds_left(deadline) or http.SILENCE, nodelay = true }
  local most = target.connect_timeout
  local short = most and most < o.timeout
  if short then o.timeout = most end
  if opts.tcp then for k, v in pairs(opts.tcp) do o[k] = v end end
  span = t and t.phase(host, "connect")
  local conn, why = host:connect(to, port, o)
  if span then t.done(span) end
  res.connect = now() - dialled
  if not conn then return nil, short and why == "timeout" and "unreachable" or why end
  if target.scheme == "https" then
    local secured = now()
    span = t and t.phase(host, "tls")
    local ok, problem = need("tls").connect(host, conn, target, opts, deadline, res)
    if span then t.done(span) end
    res.tls = now() - secured
    if not ok then
      conn:close()
      return nil, problem
    end
  end
  return conn
end
http.open = open

-- One request on a connection, and its answer. ----------------------------------------------------------------------------------
local function request_head(target, req, version, keep)
  local h = {}
  if req.headers then for k, v in pairs(req.headers) do h[k] = v end end
  local own = req.headers or {}
  if not http.has(own, "host") then h["Host"] = host_name(target) end
  if not http.has(own, "user-agent") then h["User-Agent"] = "tidewire" end
  if not http.has(own, "accept") then h["Accept"] = "*/*" end
  if version == "1.1" then
    if not keep then h["Connection"] = "close" end
  elseif keep then
    h["Connection"] = "keep-alive"
  end
  if req.length > 0 or (req.method ~= "GET" and req.method ~= "HEAD" and req.method ~= "DELETE") then
    h["Content-Length"] = req.length
    if req.length > 0 and not http.has(own, "content-type") then
      h["Content-Type"] = type(req.payload) == "string" and "text/plain" or "application/octet-stream"
    end
  end
  return head_text(format("%s %s HTTP/%s", req.method, req.path, version), h)
end

-- Without a deadline for as long as the server takes something now and then.
function http.send(conn, deadline, ...)
  if deadline then return send_parts(conn, seconds_left(deadline), ...) end
  return native.send_while_taken(conn, http.SILENCE, ...)
end

local function send_request(conn, target, req, version, keep, deadline)
  if req.pace then
    return need("pool").slowly(conn, req.pace, request_head(target, req, version, keep), req.payload, deadline)
  end
  return http.send(conn, deadline, request_head(target, req, version, keep), req.payload)
end

local function read_response(conn, req, deadline, keep_bytes, stream)
  local role = req.method == "HEAD" and 2 or 1
  while true do
    local msg, why, detail = read(conn, role, seconds_left(deadline), keep_bytes, nil, stream, http.SILENCE)
    if not msg then return nil, why == "bad message" and "bad message: " .. detail or why end
    if msg.status >= 200 then return msg end
  end
end

function http.method(name)
  if not match(name, "^%a+$") then native.mistake(format("'%s' is no method: it is a word such as GET", name), "method") end
  return upper(name)
end

-- What a caller asked for, ready to be sent; `begun` is when.
local function prepare(target, opts, method)
  local payload, length = http.given_body(opts.body)
  return {
    method = http.method(opts.method or method or (opts.body ~= nil and "POST" or "GET")),
    path = with_query(target.path, opts.query),
    headers = opts.headers, payload = payload, length = length, pace = opts.pace, untraced = opts.untraced, times = opts.times,
  }
end
http.prepare = prepare

local response_meta = {
  -- Times can be asked with a unit.
  __index = function(t, key)
    if type(key) ~= "string" then return nil end
    local base = match(key, "^(%a+)_ms$")
    local value = base and rawget(t, base)
    if value then return value * 1e3 end
    return nil
  end,
  __tostring = function(t) return format("%s %s, %d B", t.status, t.reason ~= "" and t.reason or "?", t.size) end,
}

local function finish(res, msg, begun, conn)
  for k, v in pairs(msg) do res[k] = v end
  res.ttfb, res.total, res.peer = msg.first_at - begun, now() - begun, res.peer or conn.peer
  res.begun = begun
  return setmetatable(res, response_meta)
end
http.finish = finish

-- The same with a span around it, where requests are traced.
local function traced(f)
  return function(this, target, req, ...)
    local t = native.trace
    if t then return t.request(f, this, target, req, ...) end
    return f(this, target, req, ...)
  end
end

local function plain_once(host, target, req, opts, deadline, begun)
  local res = { reused = false }
  local conn, why = open(host, target, opts, deadline, res)
  if not conn then return nil, why end
  res.peer = conn.peer
  local version = opts.http or "1.1"
  if version == "2" then
    local h2 = need "http2"
    local c = h2.client(host, conn)
    local msg, problem = h2.request(c, target, host_name(target), req, deadline, opts.keep or 2 ^ 20 // 1)
    if target.scheme == "https" then need("tls").keep_ticket(host, conn, res) end
    h2.close(c)
    if not msg then return nil, problem end
    return finish(res, msg, begun, conn)
  end
  local ok, problem = send_request(conn, target, for_proxy(target, req, opts), version, false, deadline)
  local msg
  if ok then msg, problem = read_response(conn, req, deadline, opts.keep or 2 ^ 20 // 1, opts.stream) end
  if target.scheme == "https" then need("tls").keep_ticket(host, conn, res) end
  if msg and msg.rest then
    msg.body = { conn = conn, length = msg.rest, close = function() conn:close() end }
  else
    conn:close()
  end
  if not msg then return nil, problem end
  return finish(res, msg, begun, conn)
end

local once = traced(plain_once)

-- The address that a redirection leads to, and the request there (RFC 9110, section 15.4); nil where an answer is none; nil and
-- why where it leads nowhere.
local function redirected(target, req, msg)
  local to = msg.headers.location
  if not to or msg.status == 304 or msg.status < 301 or msg.status > 308 then return nil end
  local next_target = http.reference(target, to)
  if not next_target then return nil, "bad redirection" end
  local copy = { method = req.method, path = next_target.path, headers = req.headers, payload = req.payload, length = req.length }
  if msg.status == 303 or (msg.status <= 302 and req.method == "POST") then
    copy.method, copy.payload, copy.length = "GET", 0, 0
  end
  return next_target, copy
end

local function following(redirects, target, req, exchange)
  local res, why = exchange(target, req)
  local hops = 0
  while res and (redirects or 0) > 0 do
    local next_target, next_req = redirected(target, req, res)
    if not next_target and not next_req then break end
    if not next_target then return nil, next_req end
    if hops == redirects then return nil, "too many redirections" end
    hops = hops + 1
    local before = res
    target, req = next_target, next_req
    res, why = exchange(target, req)
    if res then res.redirects, res.redirected_from, res.redirected_to = hops, before, http.url_of(target) end
  end
  return res, why
end
http.following = following

function http.http_get(host, url, opts)
  local target = http.target(url)
  local req = prepare(target, opts)
  local begun = now()
  local deadline = opts.timeout and begun + opts.timeout
  return following(opts.redirects, target, req, function(t, r) return once(host, t, r, opts, deadline, begun) end)
end

-- A client that keeps its connections. --------------------------------------------------------------------------------------------
local Client = {}
local client_meta = http.class("http client", "HTTP clients have", Client, "jar")

function http.http_client(host, opts)
  return setmetatable({
    host = host, opts = opts, pools = {}, jar = opts.cookies and {} or nil, requests = 0, connections = 0, reused = 0, retries = 0, closed = false, name = host.name,
  }, client_meta)
end

-- Until it is used again, a connection closes when the server closes it.
local function keep_idle(pool, conn)
  native.keep(conn, true)
  pool.idle[#pool.idle + 1] = conn
end

local function pool_of(self, target)
  local key = http.proxied(target, self.opts) and "proxy" or target.scheme .. "://" .. host_name(target)
  local pool = self.pools[key]
  if not pool then
    pool = { idle = {}, slots = resource(self.opts.connections or 6) }
    self.pools[key] = pool
  end
  return pool
end

-- A connection that nobody uses and that the server has not closed.
local function idle_connection(pool)
  while #pool.idle > 0 do
    local conn = remove(pool.idle)
    if native.keep(conn, false) then return conn end
    conn:close()
  end
end

-- Waits for one of the client's connections; how long counts in `times`, where somebody asks.
local function get_turn(slots, deadline, times)
  local wanted = now()
  local ok = slots:acquire { timeout = seconds_left(deadline) }
  if times then times.blocked = times.blocked + now() - wanted end
  return ok
end

local function open_timed(host, target, opts, deadline, res, times)
  local conn, why = open(host, target, opts, deadline, res)
  if times then
    for _, part in ipairs { "dns", "connect", "tls" } do times[part] = times[part] + (res[part] or 0) end
  end
  return conn, why
end

-- HTTP/2: all requests to a server share one connection, which the first of them opens.
local function shared_exchange(self, pool, target, req, deadline, begun)
  local h2, opts = need "http2", self.opts
  pool.opening = pool.opening or resource(1)
  for attempt = 1, 2 do
    local res = { dns = 0, connect = 0, tls = 0, reused = true }
    if not get_turn(pool.opening, deadline, req.times) then return nil, "timeout" end
    local c, why = pool.shared, nil
    if not c or not h2.alive(c) then
      local conn
      conn, why = open_timed(self.host, target, opts, deadline, res, req.times)
      c = conn and h2.client(self.host, conn)
      pool.shared, res.reused = c, false
      if c then self.connections = self.connections + 1 end
    end
    pool.opening:release()
    if not c then return nil, why end
    res.peer = c.conn.peer
    local msg, problem = h2.request(c, target, host_name(target), req, deadline, opts.keep or 2 ^ 20 // 1)
    if target.scheme == "https" then need("tls").keep_ticket(self.host, c.conn, res) end
    if msg then
      if res.reused then self.reused = self.reused + 1 end
      if opts.keepalive == false or self.closed then h2.close(c) end
      return finish(res, msg, begun, c.conn)
    end
    local again = res.reused and (problem == "closed" or problem == "refused stream") and IDEMPOTENT[req.method] and opts.retry ~= false
    if not again or attempt == 2 then return nil, problem end
    self.retries = self.retries + 1
  end
end

local client_exchange = traced(function(self, target, req, deadline, begun)
  local opts, pool = self.opts, pool_of(self, target)
  local version, keep = opts.http or "1.1", opts.keepalive ~= false
  if version == "2" then return shared_exchange(self, pool, target, req, deadline, begun) end
  if not get_turn(pool.slots, deadline, req.times) then return nil, "timeout" end
  local res, why
  for attempt = 1, 2 do
    res = { dns = 0, connect = 0, tls = 0 }
    local conn = attempt == 1 and idle_connection(pool)
    res.reused = conn and true or false
    if not conn then
      conn, why = open_timed(self.host, target, opts, deadline, res, req.times)
      if not conn then res = nil break end
      self.connections = self.connections + 1
    end
    res.peer = conn.peer
    local ok, problem = send_request(conn, target, for_proxy(target, req, opts), version, keep, deadline)
    local msg
    if ok then msg, problem = read_response(conn, req, deadline, opts.keep or 2 ^ 20 // 1, req.stream) end
    if target.scheme == "https" then need("tls").keep_ticket(self.host, conn, res) end
    if msg then
      if msg.rest then
        msg.body = { conn = conn, length = msg.rest, close = function() conn:close() end }
      elseif keep and msg.keeps_open and not self.closed then keep_idle(pool, conn) else conn:close() end
      if res.reused then self.reused = self.reused + 1 end
      finish(res, msg, begun, conn)
      break
    end
    conn:close()
    local reused = res.reused
    res, why = nil, problem
    -- The server may have closed the connection while the request was on its way (RFC 9112, section 9.3.1).
    local again = reused and (problem == "closed" or problem == "reset") and IDEMPOTENT[req.method] and opts.retry ~= false
    if not again then break end
    self.retries = self.retries + 1
  end
  pool.slots:release()
  return res, why
end)

function Client.request(self, url, opts, method)
  opts = opts or {}
  if type(opts) ~= "table" then native.mistake("client:request(url, opts) takes its options in a table", "request") end
  local target = http.target(url)
  if self.opts.headers then
    local h = {}
    for k, v in pairs(self.opts.headers) do h[k] = v end
    if opts.headers then for k, v in pairs(opts.headers) do h[k] = v end end
    local copy = {}
    for k, v in pairs(opts) do copy[k] = v end
    copy.headers = h
    opts = copy
  end
  local req = prepare(target, opts, method)
  local begun = now()
  local timeout = opts.timeout and seconds(opts.timeout) or self.opts.timeout
  local deadline = timeout and begun + timeout
  self.requests = self.requests + 1
  local redirects = opts.redirects or self.opts.redirects
  local jar = self.jar
  return following(redirects, target, req, function(t, r)
    if not jar then return client_exchange(self, t, r, deadline, begun) end
    local text = need("cookies").header(jar, t, r.path)
    if text then
      local h = { Cookie = text }
      if r.headers then for k, v in pairs(r.headers) do h[k] = v end end
      r = { method = r.method, path = r.path, headers = h, payload = r.payload, length = r.length, times = r.times }
    end
    local res, why = client_exchange(self, t, r, deadline, begun)
    if res and res.headers["set-cookie"] then need("cookies").store(jar, t, res.headers["set-cookie"]) end
    return res, why
  end)
end

-- As when a browser is closed and opened again: connections and session cookies are gone.
function Client.restart(self)
  Client.close(self)
  self.closed, self.pools = false, {}
  if self.jar then need("cookies").restart(self.jar) end
end

for _, method in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
  Client[method] = function(self, url, opts) return Client.request(self, url, opts, upper(method)) end
end

-- All requests at once on one connection; the answers come in the order of the requests (RFC 9112, section 9.3.2).
function Client.pipeline(self, urls, opts)
  opts = opts or {}
  if urls[1] == nil then native.mistake("client:pipeline needs a list of URLs", "pipeline", 'write client:pipeline { "http://www/a", "http://www/b" }') end
  local server
  for _, url in ipairs(urls) do
    local target = http.target(url)
    local own = target.scheme .. "://" .. host_name(target)
    server = server or own
    if own ~= server then
      native.mistake(format("'%s' is of another server than %s: what goes on one connection is for one server", http.url_of(target), server), "pipeline")
    end
  end
  local begun, results, res = now(), {}, { reused = false }
  local timeout = opts.timeout and seconds(opts.timeout) or self.opts.timeout
  local deadline = timeout and begun + timeout
  local first = http.target(urls[1])
  local conn = idle_connection(pool_of(self, first))
  res.reused = conn and true or false
  if not conn then
    local why
    conn, why = open(self.host, first, self.opts, deadline, res)
    if not conn then return nil, why end
    self.connections = self.connections + 1
  end
  local reqs = {}
  for i, url in ipairs(urls) do
    local target = http.target(url)
    reqs[i] = prepare(target, { headers = opts.headers }, "GET")
    self.requests = self.requests + 1
    local ok, why = send_request(conn, target, reqs[i], "1.1", true, deadline)
    if not ok then
      conn:close()
      return nil, why
    end
  end
  for i, req in ipairs(reqs) do
    local msg, why = read_response(conn, req, deadline, self.opts.keep or 2 ^ 20 // 1)
    if not msg then
      conn:close()
      return nil, why, results
    end
    local own = { dns = i == 1 and res.dns or 0, connect = i == 1 and res.connect or 0, tls = i == 1 and res.tls or 0 }
    own.reused = i > 1 or res.reused
    results[i] = finish(own, msg, begun, conn)
    if not msg.keeps_open then
      conn:close()
      return #results == #reqs and results or nil, "closed", results
    end
  end
  keep_idle(pool_of(self, first), conn)
  return results
end

function Client.close(self)
  self.closed = true
  for _, pool in sorted(self.pools) do
    for _, conn in ipairs(pool.idle) do conn:close() end
    if pool.shared then need("http2").close(pool.shared) end
    pool.idle, pool.shared = {}, nil
  end
end

http.once, http.exchange, http.request = once, client_exchange, Client.request

return http
