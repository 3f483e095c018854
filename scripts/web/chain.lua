-- A web chain: load balancer, web servers, application servers with a few workers, a cache, a database.
--   tidewire sweep scripts/web/chain.lua
-- Look at: with one worker the requests queue in front of it; the database is asked only for what the cache does not have:
-- load x (1 - hit ratio).
local p = experiment {
  name     = "web_chain",
  params   = { workers = { 1, 8 }, cache_hit = { 0, 0.5, 0.9 }, load = { 50, 100 } },
  reps     = 3,
  duration = "20s",
  warmup   = "2s",
  plot     = { x = "load", y = "latency_ms_p95", color = "workers", facet = "cache_hit" },
}

local users = net:host "users"
local lb    = net:host("lb", { forward = true })        -- it has a link to both sides
local webs  = net:hosts("web", 2, { cores = 2 })
local apps  = net:hosts("app", 2, { cores = p.workers })
local cache = net:host "cache"
local db    = net:host("db", { cores = 2 })
net:link(users, lb, { rate = "1Gbps", delay = "20ms" })
net:lan("dc", { lb, webs, apps, cache, db }, { rate = "10Gbps", delay = "50us" })

cache:http_server { port = 6379, ["/*"] = function()
  cache:work "100us"
  return random.chance(p.cache_hit) and 200 or 404
end }

local asked = 0
db:http_server { port = 5432, ["/*"] = function()
  if now() >= 2 then asked = asked + 1 end
  db:work(random.exponential "12ms")                   -- occupies one core of db
  return 200, "4KiB"
end }

for _, app in ipairs(apps) do                          -- p.workers workers, at most 64 waiting
  app:http_server { port = 8000, workers = p.workers, backlog = 64, ["/*"] = function(req)
    app:work(random.exponential "3ms")
    local hit = app:http_get { cache, 6379, req.path }
    if not (hit and hit.status == 200) then
      local row, err = app:http_get { db, 5432, req.path, timeout = "500ms" }
      if not row then return 504, err end
    end
    return 200, "16KiB"
  end }
end

for i, web in ipairs(webs) do
  local app = apps[i]
  web:http_server { port = 80, keepalive = true, pages = { ["/logo.png"] = "24KiB" },
    ["/*"] = function(req) return web:http_proxy(req, app, 8000, { timeout = "1s" }) end }
end

lb:tcp_proxy { port = 80, to = webs, to_port = 80, policy = "least_connections" }

local latency = histogram "latency_ms"
local load = users:http_load { url = { lb, 80, "/items" }, rate = p.load, arrivals = "poisson", timeout = "2s" }
load:on("response", function(res) latency:add(res.total * 1e3) end)

at_end(function()
  record { error_pct = 100 * load.failed / load.sent, done_per_s = load.ok / measured_seconds(),
           db_asked_pct = 100 * asked / load.sent, db_busy_pct = 100 * db.stats.cpu_utilization }
end)
