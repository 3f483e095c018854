-- A load balancer of connections: it sees ports and bytes, not requests.
local native, need = ...
local http, names = need "http", need "names"
local balance = {}
local now, format, type = now, string.format, type

local Proxy = {}
local proxy_meta = http.class("tcp proxy", "proxies have", Proxy, "health listener")

local function backends_of(value, port, usual, weights)
  local list = {}
  local function add(item)
    if type(item) == "table" and not native.is_node(item) then
      for _, each in ipairs(item) do add(each) end
      return
    end
    if not native.is_node(item) and type(item) ~= "string" then
      native.mistake("to is a host, a name or an address, or a list of these; got a " .. type(item), "to")
    end
    http.refuse_url(item, "to")
    list[#list + 1] = {
      host = item, name = native.is_node(item) and item.name or tostring(item), port = http.port(item, port, usual), up = true, open = 0, connections = 0, failed = 0,
      weight = weights and weights[#list + 1] or 1, current = 0, bytes = 0, away_until = 0,
    }
  end
  add(value)
  if weights then
    local n = 0
    for key, weight in pairs(weights) do
      n = n + 1
      if math.type(key) ~= "integer" or not math.tointeger(weight) or weight < 1 then
        native.mistake("weights are whole numbers, 1 or more, one for each server: { 3, 1 }", "weights")
      end
    end
    if n ~= #list then native.mistake(format("there are %d weights for %d servers", n, #list), "weights") end
  end
  return list
end

-- Smooth weighted round robin: each gains its weight, the richest is taken and pays for all.
local function round_robin(self, list)
  local total, best = 0, nil
  for _, each in ipairs(list) do
    each.current = each.current + each.weight
    total = total + each.weight
    if not best or each.current > best.current then best = each end
  end
  best.current = best.current - total
  return best
end

local policies = {
  round_robin = round_robin,
  -- Of several with the fewest those come first that have waited longest for their turn, as in nginx.
  least_connections = function(self, list)
    local fewest, tied = math.huge, nil
    for _, each in ipairs(list) do
      local load = each.open / each.weight
      if load < fewest then fewest, tied = load, {} end
      if load == fewest then tied[#tied + 1] = each end
    end
    return #tied == 1 and tied[1] or round_robin(self, tied)
  end,
  random = function(self, list) return list[self.random.int(1, #list)] end,
  hash = function(_, list, peer)
    local h = 5381
    for i = 1, #peer.ip do h = (h * 33 + peer.ip:byte(i)) % 2 ^ 32 end
    return list[h % #list + 1]
  end,
}

local function alive(self, without)
  local list = {}
  for _, each in ipairs(self.backends) do
    if each.up and not without[each] then list[#list + 1] = each end
  end
  return list
end

balance.backends_of, balance.policies, balance.alive = backends_of, policies, alive

local function relay(from, to)
  local moved, _, sofar = native.splice(from, to)
  to:shutdown "send"
  return moved or sofar or 0
end

local function carry(self, conn, peer)
  local without = {}
  while true do
    local list = alive(self, without)
    if #list == 0 then
      self.refused = self.refused + 1
      need("lines").fault(self, "nobody is there")
      conn:abort()
      return
    end
    local backend = policies[self.policy](self, list, peer)
    backend.open = backend.open + 1
    local up, why = self.host:connect(backend.host, backend.port, { timeout = self.connect_timeout, nodelay = true })
    if up then
      self.connections, backend.connections = self.connections + 1, backend.connections + 1
      local back = native.spawn(self.host, self.name .. " back", relay, up, conn)
      relay(conn, up)
      local _, bytes = back:join()
      backend.bytes = backend.bytes + (tonumber(bytes) or 0)
      conn:close()
      up:close()
      backend.open = backend.open - 1
      return
    end
    -- Somebody who cannot be reached now is passed over for this connection.
    backend.open, backend.failed = backend.open - 1, backend.failed + 1
    need("lines").fault(self, "server " .. why)
    without[backend] = true
  end
end

local function watch(self, h)
  local interval, failures = h.interval and seconds(h.interval) or 5, h.failures or 3
  local wait = h.timeout and seconds(h.timeout) or math.min(interval / 2, 2)
  for _, backend in ipairs(self.backends) do
    local bad = 0
    every(interval, function()
      if not self.host.up then return end
      local good
      if h.path then
        local res = need("http").http_get(self.host, { backend.host, backend.port, h.path }, { timeout = wait, untraced = true })
        good = res ~= nil and res.status < 500
      else
        local conn = self.host:connect(backend.host, backend.port, { timeout = wait })
        good = conn ~= nil
        if conn then conn:close() end
      end
      bad = good and 0 or bad + 1
      local up = bad < failures
      if up ~= backend.up then
        backend.up = up
        event("backend", backend.name, up and "up" or "down")
      end
    end)
  end
end

balance.watch = watch

local function start(self)
  local listener, why = self.host:listen(self.port, { backlog = self.backlog, nodelay = true })
  if not listener then return nil, why end
  self.listener = listener
  native.spawn(self.host, self.name, function()
    for conn, peer in listener:connections() do native.spawn(self.host, self.name .. " for " .. tostring(peer), carry, self, conn, peer) end
  end)
  return true
end

function Proxy.stop(self) self.listener:close() end

function balance.tcp_proxy(host, o)
  if not o.port or not o.to then native.mistake("host:tcp_proxy needs the options port and to", "tcp_proxy") end
  local self = setmetatable({
    host = host, name = format("%s:%d", host.name, o.port), port = o.port, policy = o.policy or "round_robin", backlog = o.backlog or 128,
    backends = backends_of(o.to, o.to_port, o.port, o.weights), connect_timeout = o.connect_timeout or 1, connections = 0, refused = 0, faults = {},
    random = random.stream("proxy " .. host.name),
  }, proxy_meta)
  if #self.backends == 0 then native.mistake("host:tcp_proxy needs somebody to pass connections on to", "to") end
  local ok, why = start(self)
  if not ok then return nil, why end
  host:on_boot(function() start(self) end)
  if o.health then watch(self, o.health) end
  return self
end

return balance
