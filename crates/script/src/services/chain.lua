-- A web chain in one call: clients, front servers, application servers with middleware, queue and workers, cache, database.
local native, need = ...
local chain = {}
local format = string.format

local function mean_of(value, what)
  if type(value) ~= "table" then return seconds(value), false end
  if value[1] ~= "exponential" or not value.mean then
    native.mistake(format('%s is a time, or { "exponential", mean = "5ms" }', what), what)
  end
  return seconds(value.mean), true
end

-- A function that takes the processor time that an option says.
local function worker(host, value, what)
  local mean, varies = mean_of(value, what)
  if not varies then return function() if mean > 0 then host:work(mean) end end end
  local stream = random.stream(what .. " of " .. host.name)
  return function() host:work(stream.exponential(mean)) end
end

local function link_all(self, o)
  local inside = { self.balancer, self.fronts, self.apps, self.cache, self.db, self.broker, self.hands }
  local list = {}
  for _, each in ipairs(inside) do list[#list + 1] = each end
  net:lan(self.prefix .. "dc", list, o.lan or { rate = "10Gbps", delay = "20us" })
end

-- One page: the session, the cache, the database where that does not help, and a task for later.
local function page(self, app, o)
  local work = worker(app, o.app_work or { "exponential", mean = "5ms" }, "app_work")
  local known = app:cache_client(self.cache, 6379, { connections = o.workers })
  local rows = app:database_client(self.db, 5432, { pool = o.pool or o.workers })
  local jobs = app:queue_client(self.broker, 11300, { connections = o.workers })
  local dice, keys = random.stream("tasks of " .. app.name), random.stream("keys of " .. app.name)
  local share, ttl = o.task_share or 0.1, o.ttl or 60
  return function(req)
    work()
    local key = req.params.key or tostring(keys.zipf(o.keys or 1000, o.skew or 1))
    local value, why = known:get(key)
    if not value then
      -- A cache that is away is not needed.
      local row
      row, why = rows:query("select page from pages where key = " .. key)
      if not row then return 503, why end
      value = row.body or ""
      known:set(key, value, { ttl = ttl })
    end
    if share > 0 and dice.chance(share) then
      local id, problem = jobs:put("after " .. key)
      if not id then return 503, problem end
    end
    return 200, o.page or 16384
  end
end

local function middleware_of(app, o)
  if o.middleware then return o.middleware end
  local work = worker(app, o.middleware_work or "200us", "middleware_work")
  local function layer(req, next)
    work()
    return next(req)
  end
  return { { "session", layer }, { "log", layer } }
end

function chain.web_chain(this, o)
  local net, prefix = this, o.name and o.name .. "_" or ""
  local self = { prefix = prefix }
  o.workers = o.workers or 4
  local function host(name, opts) return net:host(prefix .. name, opts) end
  self.users = host("users")
  self.fronts = net:hosts(prefix .. "front", o.fronts or 1, { cores = 4 })
  self.apps = net:hosts(prefix .. "app", o.apps or 2, { cores = o.app_cores or o.workers, memory = o.app_memory })
  self.cache, self.db = host("cache"), host("db", { cores = o.db_cores or 2 })
  self.broker, self.hands = host("broker"), host("hands", { cores = o.hands or 2 })
  -- It has a link to both sides.
  self.balancer = host("lb", { forward = true })
  net:link(self.users, self.balancer, o.access or { rate = "1Gbps", delay = "10ms" })
  link_all(self, o)

  self.store = self.cache:cache_server { entries = o.cache_entries or 200, work = "20us" }
  self.base = self.db:database_server { service = o.db_work or { "exponential", mean = "10ms" }, answer = ("x"):rep(o.row or 1000) }
  self.queue = self.broker:queue_server {}
  local work = worker(self.hands, o.task_work or { "exponential", mean = "50ms" }, "task_work")
  self.workers = self.hands:queue_workers { from = self.broker, workers = o.hands or 2, handler = function() work() end }
  self.servers = {}
  for i, app in ipairs(self.apps) do
    local answer = page(self, app, o)
    self.servers[i] = app:http_server {
      port = 8000, workers = o.workers, worker = o.worker, threads = o.threads, memory = o.worker_memory, backlog = o.backlog or 1024,
      middleware = middleware_of(app, o), ["/"] = answer, ["/:key"] = answer,
    }
  end
  self.front_servers = {}
  for i, front in ipairs(self.fronts) do
    self.front_servers[i] = front:http_balancer {
      to = self.apps, to_port = 8000, policy = o.policy or "least_connections", work = o.front_work or "50us", backlog = 4096,
      pages = o.pages or { ["/logo.png"] = "20kB" }, buffering = o.buffering, keepalive = "30s", upstream_timeout = o.timeout or "10s",
    }
  end
  self.proxy = self.balancer:tcp_proxy { port = 80, to = self.fronts, policy = "round_robin", backlog = 4096, health = o.health }
  self.url = { self.balancer, 80, "/" }
  return self
end

return chain
