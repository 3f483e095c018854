-- Databases: connections that are few and dear, queries that take processor time; the messages are those of PostgreSQL.
local native, need = ...
local http, wire, lines = need "http", need "wire", need "lines"
local database = {}
local now, format, pack, type = now, string.format, string.pack, type

-- A message: kind, length, content (PostgreSQL, "Message Formats").
local function message(kind, content) return kind .. pack(">I4", #content + 4) .. content end

local STARTUP = pack(">I4I4", 18, 196608) .. "user\0app\0\0"
local READY = message("Z", "I")
local WELCOME = message("R", pack(">I4", 0)) .. READY
local COLUMN = message("T", pack(">I2zI4I2I4I2I4I2", 1, "answer", 0, 0, 25, 65535, 4294967295, 0))
local DONE = message("C", "SELECT 1\0")

local function failure(severity, code, text) return message("E", format("S%s\0C%s\0M%s\0\0", severity, code, text)) end

-- A message of the other end: its kind, and its content; of a row only the length.
local function read(conn, deadline)
  local head, why = conn:recv_exact(5, { timeout = wire.left(deadline) })
  if not head then return nil, why end
  local kind, rest = native.database_head(head)
  if not kind then return nil, "bad message" end
  if rest == 0 then return kind, "" end
  local content, problem = conn:recv_exact(rest, { timeout = wire.left(deadline) })
  if not content then return nil, problem end
  return kind, content
end

-- The server ------------------------------------------------------------------------------------------------------------------------
local Server = {}
local server_meta = http.class("database server", "database servers have", Server, "listener handler")

local function service_of(value)
  if type(value) == "table" then
    local kind, mean = value[1], value.mean and seconds(value.mean)
    if kind ~= "exponential" or not mean then
      native.mistake('service is a time, or { "exponential", mean = "12ms" }', "service")
    end
    return mean, true
  end
  return seconds(value), false
end

local function answered(self, query)
  if self.mean then
    local waited = self.host:work(self.random and self.random.exponential(self.mean) or self.mean)
    self.waited = self.waited + waited
  end
  local body, why = self.answer, nil
  if self.handler then body, why = self.handler(query) end
  if body == nil and why then return nil, why end
  if type(body) == "table" and type(body.body) == "string" then return body.body, #body.body end
  return http.body(body)
end

local function bad(self)
  self.bad_messages = self.bad_messages + 1
  lines.fault(self, "bad message")
end

local function converse(self, conn)
  local length = conn:recv_exact(4, { timeout = 60 })
  local rest = length and native.database_startup(length)
  if not rest or not conn:recv_exact(rest, { timeout = 60 }) then
    bad(self)
    return
  end
  if self.open > self.most then
    self.refused = self.refused + 1
    lines.tell(self, conn, failure("FATAL", "53300", "sorry, too many clients already"))
    return
  end
  if self.open > self.most_open then self.most_open = self.open end
  if not lines.tell(self, conn, WELCOME) then return end
  while true do
    local kind, content = read(conn)
    if not kind or kind == "X" then
      if content == "bad message" then bad(self) end
      return
    end
    local t = native.trace
    local span = t and t.serve(self.host, "database", conn)
    local sent
    if kind == "Q" then
      self.queries, self.active = self.queries + 1, self.active + 1
      local payload, n = answered(self, content:sub(1, -2))
      self.active = self.active - 1
      if payload then
        local head = COLUMN .. "D" .. pack(">I4I2I4", n + 10, 1, n)
        sent = lines.tell(self, conn, head, payload, DONE .. READY)
      else
        self.failed = self.failed + 1
        sent = lines.tell(self, conn, failure("ERROR", "XX000", tostring(n)) .. READY)
      end
    else
      bad(self)
      sent = lines.tell(self, conn, failure("ERROR", "08P01", "unknown message") .. READY)
    end
    if span then t.done(span) end
    if not sent then return end
  end
end

local function start(self)
  local listener, why = self.host:listen(self.port, { backlog = self.backlog, nodelay = true })
  if not listener then return nil, why end
  self.listener, self.open, self.active = listener, 0, 0
  native.spawn(self.host, self.name, function()
    for conn, peer in listener:connections() do
      self.connections, self.open = self.connections + 1, self.open + 1
      native.spawn(self.host, self.name .. " for " .. tostring(peer), function()
        converse(self, conn)
        self.open = self.open - 1
        conn:close()
      end)
    end
  end)
  return true
end

function Server.stop(self)
  self.stopped = true
  self.listener:close()
end

function database.database_server(host, o)
  local port = o.port or 5432
  http.refuse_misspelt(o.answer)
  local self = setmetatable({
    host = host, port = port, name = o.name or format("%s:%d", host.name, port), backlog = o.backlog or 128, most = o.connections or 100,
    handler = o.handler, answer = o.answer or 0, mean = false, random = false, queries = 0, failed = 0, refused = 0, connections = 0,
    most_open = 0, bad_messages = 0, faults = {}, waited = 0, stopped = false, send_timeout = o.send_timeout,
  }, server_meta)
  if o.service ~= nil then
    local mean, varies = service_of(o.service)
    self.mean, self.random = mean, varies and random.stream("service of " .. self.name)
  end
  local ok, why = start(self)
  if not ok then return nil, why end
  host:on_boot(function() if not self.stopped then start(self) end end)
  return self
end

-- The client ------------------------------------------------------------------------------------------------------------------------
local Client = {}
local client_meta = http.class("database client", "database clients have", Client, "timeout")

function database.database_client(host, to, port, o)
  local pool = wire.pool(host, to, http.port(to, port, 5432), o.pool or 10, o.tcp)
  pool.patience = o.pool_timeout
  return setmetatable({
    host = host, name = host.name, timeout = o.timeout, pool = pool, queries = 0, failed = 0, exhausted = 0, waited = 0, had_to_wait = 0, most_used = 0,
  }, client_meta)
end

-- A new connection says who it is, and is let in or not.
local function greet(conn, deadline)
  deadline = wire.patient(deadline)
  local sent, why = native.send_parts(conn, wire.left(deadline), STARTUP)
  if not sent then return nil, why end
  while true do
    local kind, content = read(conn, deadline)
    if not kind then return nil, content end
    if kind == "Z" then return true end
    if kind == "E" then return nil, content:find("C53300", 1, true) and "too many connections" or "refused" end
  end
end

local function ask(conn, text, deadline)
  deadline = wire.patient(deadline)
  local sent, why = native.send_parts(conn, wire.left(deadline), message("Q", text .. "\0"))
  if not sent then return false, why end
  local res = { size = 0 }
  while true do
    local kind, content = read(conn, deadline)
    if not kind then return false, content end
    if kind == "D" then
      res.body = content:sub(7)
      res.size = #res.body
    elseif kind == "E" then
      res.error = content:match "M([^%z]*)" or "error"
    elseif kind == "Z" then
      return true, res
    end
  end
end

-- An answer, or nil and why; it waits while all connections of the pool are in use.
function Client.query(self, text, o)
  text = tostring(text)
  local begun = now()
  local timeout = o and o.timeout and seconds(o.timeout) or self.timeout
  local deadline = timeout and begun + timeout
  self.queries = self.queries + 1
  local t = native.trace
  local span = t and t.call(self.host, "database", text)
  local res, why, waited = self.pool:exchange(deadline, function(conn)
    if self.pool.used > self.most_used then self.most_used = self.pool.used end
    return ask(conn, text, deadline)
  end, false, greet)
  if span then t.done(span) end
  self.waited = self.waited + (waited or 0)
  if waited and waited > 0 then self.had_to_wait = self.had_to_wait + 1 end
  if res and not res.error then
    res.total, res.wait = now() - begun, waited
    return res
  end
  self.failed = self.failed + 1
  if why == "pool exhausted" then self.exhausted = self.exhausted + 1 end
  return nil, res and res.error or why
end

function Client.close(self) self.pool:close() end

return database
