-- HTTP servers: routes, static pages, conditional requests, ranges.
local native, need = ...
local http = need "http"
local web = {}
local read, head_text, date = native.http_read, native.http_head, native.http_date
local send_while_taken = native.send_while_taken
local now, format, match, type = now, string.format, string.match, type

local METHODS = {
  GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true, OPTIONS = true, TRACE = true, CONNECT = true,
}
local TYPES = {
  html = "text/html", htm = "text/html", txt = "text/plain", css = "text/css", js = "text/javascript", json = "application/json",
  png = "image/png", jpg = "image/jpeg", gif = "image/gif", svg = "image/svg+xml", mp4 = "video/mp4", webm = "video/webm",
}

local function type_of(path, body)
  local kind = TYPES[match(path, "%.(%w+)$") or ""]
  if kind then return kind end
  if match(path, "/$") or type(body) == "string" then return "text/html" end
  return "application/octet-stream"
end

-- Static pages --------------------------------------------------------------------------------------------------------------------
local function static_page(path, value, version)
  if type(value) ~= "table" then http.refuse_misspelt(value) end
  local page = type(value) == "table" and value or { body = value }
  if page.body == nil and page[1] == nil and page.size == nil and page.status == nil then
    native.mistake(format("the page %s is a table without a body", path), path, '{ body = "text" }, { size = "14kB" }, or functions by method: { GET = function(req) ... end }')
  end
  local payload, length = http.body(page.body or page[1] or page.size)
  local modified = page.modified and math.floor(seconds(page.modified)) or math.floor(now())
  local etag = page.etag
  if etag == nil then etag = format('"%x-%x"', length, version) end
  return {
    payload = payload, length = length, type = page.type or type_of(path, payload), etag = etag, modified = modified,
    max_age = page.max_age and seconds(page.max_age), status = page.status, headers = page.headers,
  }
end

local function is_among(list, etag)
  if list == "*" then return true end
  for each in list:gmatch '[^,%s]+' do
    if each:gsub("^W/", "") == etag then return true end
  end
  return false
end

-- The part that "bytes=a-b" asks for (RFC 9110, section 14): first and last byte, or nil where there is none, or false where the
-- text is none.
local function range_of(text, length)
  local first, last = match(text, "^bytes=(%d*)%-(%d*)$")
  if not first or (first == "" and last == "") then return false end
  if first == "" then
    local n = math.min(tonumber(last), length)
    if n == 0 then return nil end
    return length - n, length - 1
  end
  first, last = tonumber(first), tonumber(last)
  if last and last < first then return false end
  if first >= length then return nil end
  return first, math.min(last or length - 1, length - 1)
end
web.range_of = range_of

local function static_answer(req, page)
  if req.method == "OPTIONS" then return 204, nil, { Allow = "GET, HEAD, OPTIONS" } end
  if req.method ~= "GET" and req.method ~= "HEAD" then
    return 405, "method not allowed\n", { Allow = "GET, HEAD, OPTIONS" }
  end
  local h = { ["Content-Type"] = page.type, ["Last-Modified"] = date(page.modified), ["Accept-Ranges"] = "bytes" }
  if page.etag then h["ETag"] = page.etag end
  if page.max_age then h["Cache-Control"] = "max-age=" .. math.floor(page.max_age) end
  if page.headers then for k, v in pairs(page.headers) do h[k] = v end end
  local fields = req.headers
  local none_match, since = fields["if-none-match"], fields["if-modified-since"]
  -- Preconditions in their order (RFC 9110, section 13.2.2).
  local if_match, unmodified = fields["if-match"], fields["if-unmodified-since"]
  if if_match then
    if not (if_match == "*" or page.etag and is_among(if_match, page.etag)) then return 412, nil, h end
  elseif unmodified then
    local at = native.parse_date(unmodified)
    if at and page.modified > at then return 412, nil, h end
  end
  if none_match then
    if page.etag and is_among(none_match, page.etag) then return 304, nil, h end
  elseif since then
    local at = native.parse_date(since)
    if at and page.modified <= at then return 304, nil, h end
  end
  local range, if_range = fields["range"], fields["if-range"]
  if range and req.method == "GET" and (not if_range or if_range == page.etag) then
    local first, last = range_of(range, page.length)
    if first == nil then return 416, nil, { ["Content-Range"] = "bytes */" .. page.length } end
    if first then
      h["Content-Range"] = format("bytes %d-%d/%d", first, last, page.length)
      local part = page.payload
      if type(part) == "string" then part = part:sub(first + 1, last + 1) else part = last - first + 1 end
      return 206, part, h
    end
  end
  return page.status or 200, page.payload, h
end

-- Routes --------------------------------------------------------------------------------------------------------------------------
local function segments_of(path)
  local list = {}
  for part in path:gmatch "[^/]+" do list[#list + 1] = part end
  return list
end

local function compile(key, value, version)
  local method, path = match(key, "^(%u+) (/.*)$")
  path = path or key
  local route = { method = method, path = path, rank = 0, segments = {}, names = {} }
  for i, part in ipairs(segments_of(path)) do
    local name = match(part, "^:([%w_]+)$") or match(part, "^{([%w_]+)}$")
    if part == "*" then
      route.rest = i
      break
    end
    route.segments[i] = not name and part or false
    route.names[i] = name
    -- A fixed part is more than a name, and both are more than a star.
    route.rank = route.rank * 3 + (name and 1 or 2)
  end
  if not route.rest then route.rank = route.rank * 3 + 2 end
  if type(value) == "function" then
    route.handler = value
  elseif type(value) == "table" and next(value) and METHODS[next(value)] then
    route.methods = value
  else
    route.page = static_page(path, value, version)
  end
  return route
end

local function fits(route, parts)
  local n = route.rest and route.rest - 1 or #route.segments
  if route.rest and #parts < n or not route.rest and #parts ~= n then return nil end
  local params
  for i = 1, n do
    local fixed = route.segments[i]
    if fixed then
      if fixed ~= parts[i] then return nil end
    else
      params = params or {}
      params[route.names[i]] = parts[i]
    end
  end
  return params or {}
end

-- What answers a request: a function or a page; the parameters in its path; or the methods that there would be.
local function find(self, method, path)
  local exact = self.exact[path]
  if exact then return exact, nil end
  local parts, allowed = segments_of(path), nil
  for _, route in ipairs(self.routes) do
    local params = fits(route, parts)
    if params then
      if route.page then return route.page, nil end
      local handler = route.handler
      if route.methods then handler = route.methods[method] or (method == "HEAD" and route.methods.GET) end
      if handler and (not route.method or route.method == method or (method == "HEAD" and route.method == "GET")) then
        return handler, params
      end
      allowed = allowed or {}
      if route.method then allowed[route.method] = true end
      if route.methods then for each in pairs(route.methods) do allowed[each] = true end end
    end
  end
  return nil, nil, allowed
end

local function names_of(set)
  local list = {}
  for name in sorted(set) do list[#list + 1] = name end
  return table.concat(list, ", ")
end

-- What cannot stand in a head, or is the server's own to say.
local function check_headers(headers, gave)
  for name, value in pairs(headers) do
    if type(name) ~= "string" or not match(name, "^[%w!#$%%&'*+.^_`|~-]+$") then gave("a header called", "'" .. tostring(name) .. "'") end
    if type(value) == "string" and value:find "[\r\n\0]" then gave("a line break in the header", name) end
    if name:lower() == "transfer-encoding" then gave("the header", name .. ", which is the server's to write (option chunk)") end
  end
end

-- Status, body and headers of the answer to a request.
local function answer(self, req)
  if not METHODS[req.method] then return 501, "not implemented\n" end
  if req.target == "*" and req.method == "OPTIONS" then return 204, nil, { Allow = names_of(METHODS) } end
  local found, params, allowed = find(self, req.method, req.path)
  if not found then
    if not allowed then return 404, "not found\n" end
    if req.method == "OPTIONS" then return 204, nil, { Allow = names_of(allowed) } end
    return 405, "method not allowed\n", { Allow = names_of(allowed) }
  end
  if type(found) == "table" then return static_answer(req, found) end
  req.params = params or {}
  local status, body, headers = found(req)
  local passed = type(status) == "table"
  if type(status) == "table" then
    local t = status
    status, body, headers = t.status or t[1] or 200, t.body or t[2] or t.size, t.headers or t[3]
  elseif type(status) == "string" then
    status, body, headers = 200, status, type(body) == "table" and body or headers
  end
  local function gave(what, is)
    native.mistake_of(found, format("the function for %s gave %s %s: a server's function gives a status, a body and headers", req.path, what, is),
      'write return 200, "text", { ["Cache-Control"] = "max-age=60" }')
  end
  -- Answers below 200 only announce another one (RFC 9110, section 15.2).
  if math.tointeger(status) == nil or status < 200 or status > 599 then gave("the status", tostring(status)) end
  if headers ~= nil and type(headers) ~= "table" then gave("as headers", "a " .. type(headers)) end
  if headers and not passed then check_headers(headers, gave) end
  local wrong = not passed and http.misspelt(body)
  if wrong then gave("as body", wrong:gsub(" is no size", ", which is no size", 1)) end
  local t = type(body)
  if t == "table" and type(body.body) == "string" then body, t = body.body, "string" end
  if t ~= "nil" and t ~= "string" and not (t == "number" and body >= 0) and not (t == "table" and body.conn) then
    gave("as body", t == "number" and tostring(body) or "a " .. t)
  end
  return math.floor(status), body, headers
end

-- Answering -----------------------------------------------------------------------------------------------------------------------
local function chunks_of(payload, length, size)
  local parts, at = {}, 0
  while at < length do
    local n = math.min(size, length - at)
    parts[#parts + 1] = format("%x\r\n", n)
    parts[#parts + 1] = type(payload) == "string" and payload:sub(at + 1, at + n) or n
    parts[#parts + 1] = "\r\n"
    at = at + n
  end
  parts[#parts + 1] = "0\r\n\r\n"
  return parts
end

-- The header fields of an answer, under the names that the script gave them.
local function completed(self, status, payload, length, headers)
  local h = { Date = date(now()), Server = "tidewire" }
  local seen = {}
  if headers then
    for k, v in pairs(headers) do
      local small = k:lower()
      seen[small] = true
      -- How long the body is, the server knows better.
      if small ~= "content-length" then h[k] = v end
    end
    if seen.date and not headers.Date then h.Date = nil end
    if seen.server and not headers.Server then h.Server = nil end
  end
  if length > 0 and not seen["content-type"] then
    h["Content-Type"] = type(payload) == "string" and "text/html" or "application/octet-stream"
  end
  return h, seen
end
web.completed = completed

-- What went wrong, by cause.
local function fault(self, cause) self.faults[cause] = (self.faults[cause] or 0) + 1 end

local function respond(self, conn, req, status, body, headers, keep)
  local stream = type(body) == "table" and body.conn and body
  local payload, length = 0, stream and stream.length
  if not stream then payload, length = http.body(body) end
  local h, seen = completed(self, status, payload, length, headers)
  local old = req and req.version == "1.0" or self.version == "1.0"
  local chunk = not old and self.chunk or nil
  local empty = status == 304 or status == 204 or status < 200
  if chunk and length > 0 and not empty and not seen["content-length"] then
    h["Transfer-Encoding"] = "chunked"
  elseif not empty then
    h["Content-Length"] = length
    chunk = nil
  end
  if not keep then h["Connection"] = "close" elseif old then h["Connection"] = "keep-alive" end
  local text = head_text(format("HTTP/%s %d %s", old and "1.0" or "1.1", status, http.REASONS[status] or ""), h)
  if stream then chunk = nil end
  if empty or (req and req.method == "HEAD") then payload, length, chunk = 0, 0, nil end
  local sent, why
  if chunk then
    sent, why = send_while_taken(conn, self.send_timeout, text, table.unpack(chunks_of(payload, length, chunk)))
  else
    sent, why = send_while_taken(conn, self.send_timeout, text, payload)
  end
  if sent and stream and length > 0 then
    local moved
    moved, why = native.splice(stream.conn, conn, stream.length, self.send_timeout)
    if moved then sent, length = sent + moved, moved else sent = nil end
  end
  if stream then stream.close() end
  if sent then
    self.bytes_sent = self.bytes_sent + sent
  else
    fault(self, why == "timeout" and "client does not read" or why or "closed")
    if why == "timeout" then
      -- Whoever does not read is not waited for (nginx: send_timeout).
      self.send_timeouts = self.send_timeouts + 1
      conn:abort()
    end
  end
  return sent, why, length
end

local function count(self, req, status, length, begun)
  self.requests = self.requests + 1
  self.by_status[status] = (self.by_status[status] or 0) + 1
  if self.log then
    record("requests", {
      server = self.name, at_s = begun, client = req and tostring(req.client) or "", method = req and req.method or "",
      path = req and req.path or "", status = status, body_bytes = length or 0, service_ms = (now() - begun) * 1e3,
    })
  end
end

-- Handles one request, whatever carried it: status, body, headers.
function web.handle(self, req)
  self.active = self.active + 1
  if self.active > self.most_active then self.most_active = self.active end
  if self.work then self.host:work(self.work) end
  for _, f in ipairs(self.handlers) do f(req) end
  local status, body, headers
  if self.worker == "cgi" then
    status, body, headers = need("pool").process(self, req, self.answer)
  else
    status, body, headers = self.answer(self, req)
  end
  self.active = self.active - 1
  return status, body, headers
end
web.count = count

local FAULTS = { ["head too long"] = 431, ["body too long"] = 413, ["bad message"] = 400 }

-- What a request must have to be answered (RFC 9112, section 3.2): which server is meant, once.
local function names_host(req)
  if req.version == "1.0" then return true end
  local host = req.headers.host
  return host ~= nil and not host:find(",", 1, true)
end

-- A whole URL as target: the path in it counts (section 3.2.2).
local function path_of(path)
  local rest = match(path, "^https?://[^/]*(.*)$")
  if not rest then return path end
  return rest == "" and "/" or rest
end

local function converse(self, conn, peer)
  local served, patience = 0, self.timeout
  while true do
    local req, why, detail = read(conn, 0, patience, self.keep, self.max_body)
    if not req then
      local status = FAULTS[why]
      -- Whoever said something and not all of it is told; a connection that was only idle is closed.
      if why == "timeout" and (served == 0 or detail) then status = 408 end
      -- A client that refuses the certificate is gone before it has asked for anything.
      if self.tls and served == 0 and (why == "reset" or why == "closed") then fault(self, "tls: the client went away") end
      if status then
        fault(self, why == "timeout" and "slow request" or why)
        count(self, nil, status, 0, now())
        respond(self, conn, nil, status, (type(detail) == "string" and detail or http.REASONS[status]) .. "\n", nil, false)
      end
      return
    end
    served = served + 1
    local begun = now()
    req.client, req.server, req.at = peer, self, begun
    req.path = path_of(req.path)
    if not names_host(req) then
      fault(self, "bad message")
      count(self, nil, 400, 0, begun)
      respond(self, conn, nil, 400, "one Host is needed\n", nil, false)
      return
    end
    req.cookies = req.headers.cookie and need("cookies").parse(req.headers.cookie) or {}
    local keep = self.keepalive and req.keeps_open and not self.stopped and self.version ~= "1.0"
    if self.max_requests and served >= self.max_requests then keep = false end
    local t = native.trace
    local span = t and t.serve_http(self.host, req)
    local status, body, headers = web.handle(self, req)
    local sent, _, length = respond(self, conn, req, status, body, headers, keep)
    if span then t.done(span) end
    count(self, req, status, length, begun)
    if not sent or not keep then return end
    patience = self.keepalive
  end
end

local function connection(self, conn, peer)
  if self.connection_memory and not need("pool").room(self) then
    conn:abort()
    return
  end
  self.connections, self.open = self.connections + 1, self.open + 1
  local ok = true
  if self.tls then
    local why
    ok, why = need("tls").accept(self.host, conn, self.tls, self)
    if not ok then fault(self, "tls: " .. tostring(why)) end
  end
  -- A client of HTTP/2 says so first; everybody else is understood too.
  if ok and self.version == "2" and native.h2_preface(conn, self.timeout) then
    need("http2").serve(self, conn, peer)
  elseif ok then
    converse(self, conn, peer)
  end
  self.open = self.open - 1
  conn:close()
  if self.connection_memory then self.host:free(self.connection_memory) end
end

-- The server's processes; they begin again when the host boots.
local function start(self)
  local o = { backlog = self.backlog, nodelay = true }
  if self.tcp then for k, v in pairs(self.tcp) do o[k] = v end end
  local listener, why = self.host:listen(self.port, o)
  if not listener then return nil, why end
  self.listener, self.active, self.open = listener, 0, 0
  local host = self.host
  if self.workers or self.worker then
    local ok, problem = need("pool").start(self, listener, connection)
    if not ok then
      listener:close()
      return nil, problem
    end
  else
    native.spawn(host, self.name, function()
      for conn, peer in listener:connections() do
        native.spawn(host, self.name .. " for " .. tostring(peer), connection, self, conn, peer)
      end
    end)
  end
  return true
end

-- The object ----------------------------------------------------------------------------------------------------------------------
local Server = {}
local server_meta = http.class("http server", "HTTP servers have", Server,
  "backlog tls workers max_body max_requests chunk work log tcp listener tls_failures worker connection_memory slots spawn threads gil room")

local function add_route(self, key, value)
  self.version_of_pages = self.version_of_pages + 1
  local route = compile(key, value, self.version_of_pages)
  if route.page and not key:find("[:*{]") then
    self.exact[key] = route.page
    return
  end
  self.exact[key] = nil
  for i, known in ipairs(self.routes) do
    if known.path == route.path and known.method == route.method then table.remove(self.routes, i) break end
  end
  self.routes[#self.routes + 1] = route
  table.sort(self.routes, function(a, b)
    if a.rank ~= b.rank then return a.rank > b.rank end
    if a.path ~= b.path then return a.path < b.path end
    return (a.method or "") > (b.method or "")
  end)
end

function Server.set(self, path, value)
  if type(path) ~= "string" then native.mistake("server:set(path, page) needs a path", "set") end
  if value == nil then
    self.exact[path] = nil
  else
    add_route(self, path, value)
  end
end

function Server.on(self, event, f)
  if event ~= "request" then native.mistake(format('server:on("%s"): there is "request"', tostring(event)), "on") end
  self.handlers[#self.handlers + 1] = f
  return self
end

function Server.stop(self)
  if not self.stopped then need("pool").stop(self) end
  self.stopped = true
  if self.listener then self.listener:close() end
end

function web.http_server(host, o)
  local version = o.http or "1.1"
  local self = setmetatable({
    host = host, port = o.port or (o.tls and 443 or 80), version = version, tls = o.tls, workers = o.workers,
    backlog = o.backlog, timeout = o.timeout or 60, max_body = o.max_body, max_requests = o.max_requests, chunk = o.chunk, work = o.work,
    log = o.log, tcp = o.tcp, keep = 2 ^ 24 // 1, exact = {}, routes = {}, handlers = {}, version_of_pages = 0, requests = 0, by_status = {},
    active = 0, most_active = 0, open = 0, connections = 0, bytes_sent = 0, stopped = false, faults = {}, answer = answer,
    worker = o.worker, threads = o.threads, room = o.room, memory = o.memory or 0, connection_memory = o.connection_memory, spawn = o.spawn,
    gil = o.gil, send_timeout = o.send_timeout or 60, send_timeouts = 0, out_of_memory = 0, processes = 0, most_processes = 0,
  }, server_meta)
  self.name = o.name or format("%s:%d", host.name, self.port)
  self.keepalive = 5
  if o.keepalive == false or (o.keepalive == nil and (o.workers or o.worker) and o.worker ~= "async") then
    self.keepalive = false
  elseif type(o.keepalive) == "number" then
    self.keepalive = o.keepalive
  end
  if o.middleware then self.answer = need("pool").wrapped(o.middleware, answer) end
  for path, page in sorted(o.pages or {}) do
    if type(path) ~= "string" or path:sub(1, 1) ~= "/" then
      native.mistake(format("'%s' is not the path of a page: paths begin with /", tostring(path)), tostring(path))
    end
    add_route(self, path, page)
  end
  for key, value in sorted(o.routes or {}) do add_route(self, key, value) end
  if self.tls then need("tls").server_options(self.tls) end
  local ok, why = start(self)
  if not ok then return nil, why end
  host:on_boot(function() if not self.stopped then start(self) end end)
  return self
end

return web
