-- A front server, as nginx is: pages of its own, and requests that go on to one of several servers.
local native, need = ...
local http, web, balance, proxy = need "http", need "server", need "balance", need "proxy"
local front = {}
local now, format, type = now, string.format, type

local Front = {}
local methods = http.class("http balancer", "http balancers have", Front)
local front_meta = {
  __name = methods.__name, __metatable = false, __tostring = methods.__tostring,
  __index = function(self, key)
    if Front[key] then return Front[key] end
    return rawget(self, "server")[key]
  end,
}

-- The server that a cookie names, if it is alive.
local function stuck_to(self, req, list)
  local name = self.sticky and req.cookies[self.sticky]
  for _, each in ipairs(list) do
    if each.name == name then return each end
  end
end

-- Those that could be reached when it was tried last; if there are none of these, the others.
local function reachable(list)
  local good = {}
  for _, each in ipairs(list) do
    if each.away_until <= now() then good[#good + 1] = each end
  end
  return #good > 0 and good or list
end

local function choose(self, req, without)
  local list = reachable(balance.alive(self, without))
  if #list == 0 then return nil end
  return stuck_to(self, req, list) or balance.policies[self.policy](self, list, req.client)
end

local function pass(self, req)
  local without = {}
  local last
  for _ = 1, self.tries do
    local backend = choose(self, req, without)
    if not backend then break end
    backend.open, backend.connections = backend.open + 1, backend.connections + 1
    local res = proxy.http_proxy(self.host, req, backend.host, backend.port, self.proxy)
    backend.open = backend.open - 1
    if not res.error then
      if self.sticky and req.cookies[self.sticky] ~= backend.name then
        local set = res.headers["set-cookie"] or {}
        if type(set) == "string" then set = { set } end
        set[#set + 1] = self.sticky .. "=" .. backend.name .. "; Path=/"
        res.headers["set-cookie"] = set
      end
      return res
    end
    -- What may have been done is not done twice (RFC 9110, section 9.2.2).
    last, without[backend] = res, true
    backend.failed = backend.failed + 1
    local not_there = res.error == "refused" or res.error == "unreachable"
    if not_there then backend.away_until = now() + self.retry_after end
    need("lines").fault(self.server, not_there and "server not reached" or "server: " .. res.error)
    if not not_there and not http.IDEMPOTENT[req.method] then break end
  end
  if last then return last end
  self.refused = self.refused + 1
  return 503, "nobody is there\n"
end

function Front.stop(self) self.server:stop() end

function front.http_balancer(host, o)
  if not o.to then native.mistake("host:http_balancer needs the option to", "http_balancer") end
  local port = o.port or 80
  local self = setmetatable({
    host = host, name = format("%s:%d", host.name, port), policy = o.policy or "round_robin", sticky = o.sticky or false,
    backends = balance.backends_of(o.to, o.to_port, port, o.weights), refused = 0, random = random.stream("balancer " .. host.name),
    proxy = { timeout = o.upstream_timeout or 60, keepalive = o.upstream_keepalive or false, buffering = o.buffering, connect_timeout = o.connect_timeout or 1 },
    retry_after = o.retry_after or 5,
  }, front_meta)
  if #self.backends == 0 then native.mistake("host:http_balancer needs somebody to pass requests on to", "to") end
  self.tries = o.tries or #self.backends
  local routes = { ["/*"] = function(req) return pass(self, req) end }
  for key, value in pairs(o.routes or {}) do routes[key] = value end
  local server, why = web.http_server(host, {
    port = port, pages = o.pages, routes = routes, keepalive = o.keepalive, tls = o.tls, backlog = o.backlog, work = o.work, timeout = o.timeout,
    send_timeout = o.send_timeout, log = o.log, name = o.name, tcp = o.tcp, worker = o.workers and "async" or nil, workers = o.workers,
    room = o.room, memory = o.memory, connection_memory = o.connection_memory, max_body = o.max_body,
  })
  if not server then return nil, why end
  rawset(self, "server", server)
  if o.health then balance.watch(self, o.health) end
  return self
end

return front
