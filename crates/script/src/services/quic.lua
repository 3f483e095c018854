-- QUIC: listening, connecting, streams. The endpoints below are native and have a process of their own.
local native, need = ...
local http = need "http"
local quic = {}
local now, type = now, type

local Stream, Conn = {}, {}
local stream_meta = http.class("quic stream", "QUIC streams have", Stream)
local conn_meta = http.class("quic connection", "QUIC connections have", Conn, "peer")
-- What is known once the handshake is complete, whoever waits for that.
local after_handshake = { resumed = false, early = false, handshake_s = 0 }
local methods_of = conn_meta.__index
function conn_meta.__index(self, key)
  local before = after_handshake[key]
  if before == nil then return methods_of(self, key) end
  local resumed, early, at = native.quic_connected(self.endpoint, self.id)
  if resumed == nil then return before end
  self.resumed, self.early, self.handshake_s = resumed, early, at - self.began
  return rawget(self, key)
end
-- By client and server: the newest ticket, with what the server took then, and the connection that may have brought a newer one.
local tickets = {}

local function ticket_of(key)
  local kept = tickets[key]
  if not kept then return end
  if kept.conn then
    local stream_window, window = native.quic_ticket(kept.conn.endpoint, kept.conn.id)
    if stream_window then kept.stream_window, kept.window, kept.conn = stream_window, window, nil end
  end
  return kept.stream_window, kept.window
end

local function timeout_of(opts)
  return type(opts) == "table" and opts.timeout and seconds(opts.timeout) or nil
end

-- When a call ends that may take so long in all.
local function until_of(opts)
  local timeout = timeout_of(opts)
  return timeout and now() + timeout
end

local function left(deadline) return deadline and math.max(0, deadline - now()) end

local function stream_of(conn, id)
  return setmetatable({ conn = conn, id = id, ended = false, held = "", name = tostring(id) }, stream_meta)
end

function Stream.send(self, data)
  if type(data) ~= "string" then native.mistake("stream:send(data) sends a text; send_bytes(n) sends so many bytes", "send") end
  local c = self.conn
  local over = native.quic_write(c.endpoint, c.id, self.id, data, false)
  if over then return nil, over end
  local ok, why = native.quic_wait(c.endpoint, c.id, "room", self.id)
  if not ok then return nil, why end
  return #data
end

function Stream.send_bytes(self, size)
  local c, n = self.conn, math.floor(bytes(size))
  local over = native.quic_write(c.endpoint, c.id, self.id, n, false)
  if over then return nil, over end
  return n
end

function Stream.finish(self) native.quic_write(self.conn.endpoint, self.conn.id, self.id, nil, true) end

local function read(self, most, keep, timeout)
  local c = self.conn
  if self.ended then return nil, "closed" end
  local ok, why = native.quic_wait(c.endpoint, c.id, "readable", self.id, timeout)
  if not ok then return nil, why end
  local n, finished, text = native.quic_read(c.endpoint, c.id, self.id, most, keep)
  if finished then self.ended = true end
  if n == 0 then return nil, "closed" end
  return keep and text or n
end

function Stream.recv(self, most, opts)
  if type(most) == "table" then most, opts = nil, most end
  most = most or 65536
  local held = self.held
  if held ~= "" then
    self.held = held:sub(most + 1)
    return held:sub(1, most)
  end
  return read(self, most, true, timeout_of(opts))
end

function Stream.recv_all(self, opts)
  -- What a call that was given up has read is there for the next.
  local parts, deadline = { self.held }, until_of(opts)
  self.held = ""
  while true do
    local part, why = read(self, 1 << 20, true, left(deadline))
    if not part then
      local all = table.concat(parts)
      if why == "closed" and self.ended then return all end
      self.held = self.held .. all
      return nil, why
    end
    parts[#parts + 1] = part
  end
end

function Stream.discard(self, opts)
  local sum, deadline = #self.held, until_of(opts)
  self.held = ""
  while true do
    local n, why = read(self, 1 << 30, false, left(deadline))
    if not n then
      if why == "closed" and self.ended then return sum end
      return nil, why
    end
    sum = sum + n
  end
end

function Stream.delivered(self, opts)
  return native.quic_wait(self.conn.endpoint, self.conn.id, "delivered", self.id, timeout_of(opts))
end

function Conn.open(self)
  local id, why = native.quic_stream(self.endpoint, self.id)
  if not id then return nil, why end
  return stream_of(self, id)
end

function Conn.accept(self, opts)
  local id, why = native.quic_wait(self.endpoint, self.id, "stream", nil, timeout_of(opts))
  if not id then return nil, why end
  return stream_of(self, id)
end

function Conn.streams(self)
  return function() return (self:accept()) end
end

function Conn.close(self, code) native.quic_close(self.endpoint, self.id, code or 0) end
function Conn.migrate(self) return native.quic_migrate(self.endpoint, self.id) end
function Conn.info(self) return native.quic_info(self.endpoint, self.id) end

function Conn.connected(self, opts)
  return native.quic_wait(self.endpoint, self.id, "connected", nil, timeout_of(opts))
end

-- Options that TCP has too come apart from the others.
local function endpoint_of(host, port, o)
  for _, name in ipairs { "stream_window", "window" } do
    if o[name] == 0 then
      native.mistake(("%s = 0: the other end could never send a byte; leave it out, or give it some kilobytes: %s = \"64KiB\""):format(name, name), name)
    end
  end
  local tcp = o.tcp or {}
  return native.quic_endpoint(host, port, {
    cc = tcp.cc, init_cwnd = tcp.init_cwnd, certificate = o.certificate, early = o.early, stream_window = o.stream_window,
    window = o.window, idle = o.idle, max_datagram = o.max_datagram, schedule = o.schedule, flow = o.flow,
  })
end

local function conn_of(host, endpoint, id)
  return setmetatable({
    endpoint = endpoint, id = id, host = host, name = host.name, began = now(),
  }, conn_meta)
end

function quic.quic_listen(host, port, f, o)
  local endpoint, why = endpoint_of(host, port, o)
  if not endpoint then return nil, why end
  native.spawn(host, "quic on port " .. port, function() native.quic_drive(endpoint) end)
  native.spawn(host, "quic listener on port " .. port, function()
    while true do
      local id = native.quic_wait(endpoint, nil, "accept")
      if not id then break end
      native.spawn(host, "quic connection on port " .. port, f, conn_of(host, endpoint, id))
    end
  end)
  return true
end

function quic.quic_connect(host, to, port, o)
  local endpoint, why = endpoint_of(host, nil, o)
  if not endpoint then return nil, why end
  local key = host.name .. ">" .. tostring(to) .. ":" .. tostring(port)
  local stream_window, window = ticket_of(key)
  if o.early == false then stream_window = nil end
  local id, none = native.quic_open(endpoint, to, port, stream_window, window)
  if not id then return nil, none end
  local conn = conn_of(host, endpoint, id)
  native.spawn(host, "quic client", function() native.quic_drive(endpoint) end)
  -- With a ticket data may leave at once: the handshake need not be waited for.
  if not stream_window then
    local ok, failed = conn:connected { timeout = o.timeout }
    if not ok then
      if failed == "timeout" then native.quic_unanswered(endpoint, id) end
      conn:close()
      return nil, failed
    end
  end
  tickets[key] = tickets[key] or {}
  tickets[key].conn = conn
  return conn
end

return quic
