-- Stores of values in memory, and their clients.
local native, need = ...
local http, wire, lines = need "http", need "wire", need "lines"
local store = {}
local now, format, type, select = now, string.format, type, select

-- The server ------------------------------------------------------------------------------------------------------------------------
local COUNTS = { hits = true, misses = true, sets = true, evictions = true, expired = true, commands = true, bytes = true, entries = true }

local Server = {}
local methods = http.class("cache server", "cache servers have", Server, "work listener")
local server_meta = {
  __name = methods.__name, __metatable = false, __tostring = methods.__tostring,
  __index = function(self, key)
    if COUNTS[key] then return rawget(self, "store"):count(key) end
    if key == "hit_ratio" then
      local hits, misses = self.hits, self.misses
      return hits + misses > 0 and hits / (hits + misses) or 0
    end
    return methods.__index(self, key)
  end,
}

function Server.clear(self) self.store:clear() end

function Server.stop(self)
  self.stopped = true
  self.listener:close()
end

local function converse(self, conn)
  while true do
    local count, replies, detail = native.store_serve(conn, self.store)
    if not count then
      if replies == "bad message" then
        lines.fault(self, replies)
        lines.tell(self, conn, detail)
      end
      return conn:close()
    end
    local t = native.trace
    local span = t and t.serve(self.host, "cache", conn)
    if self.work then self.host:work(count * self.work) end
    local sent = lines.tell(self, conn, replies)
    if span then t.done(span) end
    if not sent then return conn:close() end
  end
end

local function start(self)
  local listener, why = self.host:listen(self.port, { backlog = self.backlog, nodelay = true })
  if not listener then return nil, why end
  self.listener = listener
  -- It has one thread, whatever the number of cores.
  local lane = native.lane()
  native.spawn(self.host, self.name, function()
    for conn, peer in listener:connections() do
      self.connections = self.connections + 1
      native.spawn(self.host, self.name .. " for " .. tostring(peer), function()
        native.enter_lane(lane)
        converse(self, conn)
      end)
    end
  end)
  return true
end

function store.cache_server(host, o)
  local self = setmetatable({
    host = host, port = o.port or 6379, name = o.name or format("%s:%d", host.name, o.port or 6379), backlog = o.backlog or 511,
    work = o.work, connections = 0, stopped = false, faults = {}, send_timeout = o.send_timeout, store = native.store(o.memory, o.entries, o.evict ~= false),
  }, server_meta)
  local ok, why = start(self)
  if not ok then return nil, why end
  host:on_boot(function()
    self.store:clear()
    if not self.stopped then start(self) end
  end)
  return self
end

-- The client ------------------------------------------------------------------------------------------------------------------------
local Client = {}
local client_meta = http.class("cache client", "cache clients have", Client, "timeout")

function store.cache_client(host, to, port, o)
  return setmetatable({
    host = host, name = host.name, timeout = o.timeout, pool = wire.pool(host, to, http.port(to, port, 6379), o.connections or 8, o.tcp),
    hits = 0, misses = 0, failed = 0, requests = 0,
  }, client_meta)
end

-- Servers here take no longer words.
local LONGEST = 16 << 20

local function call(self, name, ...)
  self.requests = self.requests + 1
  for i = 1, select("#", ...) do
    local word = select(i, ...)
    if type(word) == "string" and #word > LONGEST then
      self.failed = self.failed + 1
      return false, "too big"
    end
  end
  local deadline = self.timeout and now() + self.timeout
  local request = native.resp(name, ...)
  local t = native.trace
  local span = t and t.call(self.host, "cache", name)
  local result, why = self.pool:exchange(deadline, function(conn)
    local limit = wire.patient(deadline)
    local sent, problem = native.send_parts(conn, wire.left(limit), request)
    if not sent then return false, problem end
    local good, value, detail = native.resp_read(conn, wire.left(limit))
    if good == nil then return false, detail or value end
    return true, { good, value }
  end, true)
  if span then t.done(span) end
  if not result then
    self.failed = self.failed + 1
    return false, why
  end
  return result[1], result[2]
end

-- The value; nil when there is none; nil and why when that is not known.
function Client.get(self, key)
  local ok, value = call(self, "GET", key)
  if not ok then return nil, value end
  if value == nil then self.misses = self.misses + 1 else self.hits = self.hits + 1 end
  return value
end

local function simple(ok, value)
  if not ok then return nil, value end
  return value
end

function Client.set(self, key, value, o)
  local ttl = o and o.ttl and math.max(1, math.floor(seconds(o.ttl) * 1e3 + 0.5))
  local ok, why
  if ttl then ok, why = call(self, "SET", key, value, "PX", ttl) else ok, why = call(self, "SET", key, value) end
  if not ok then return nil, why end
  return true
end

function Client.delete(self, key)
  local ok, n = call(self, "DEL", key)
  if not ok then return nil, n end
  return n > 0
end

function Client.increment(self, key, by) return simple(call(self, "INCRBY", key, math.floor(by or 1))) end

function Client.expire(self, key, ttl)
  local ok, n = call(self, "PEXPIRE", key, math.max(1, math.floor(seconds(ttl) * 1e3 + 0.5)))
  if not ok then return nil, n end
  return n > 0
end

-- Any command; its reply.
function Client.command(self, name, ...)
  if type(name) ~= "string" then native.mistake('client:command(name, ...) needs the name of a command, such as "PING"', "command") end
  return simple(call(self, name, ...))
end

function Client.close(self) self.pool:close() end

return store
