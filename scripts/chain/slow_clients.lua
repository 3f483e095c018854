-- Clients that say their request a byte at a time: what do they cost workers of each kind, and what helps?
--   tidewire sweep scripts/chain/slow_clients.lua
-- Look at: sync and threads without a front server: forty slow clients hold all workers, and hardly anybody else is served. A loop
-- (async) does not mind, nor does anybody behind a front server that reads requests whole before it passes them on.
local p = experiment {
  name     = "slow_clients",
  params   = { worker = { "sync", "threads", "async" }, front = { false, true }, slow = { 0, 40 } },
  duration = "40s",
  warmup   = "5s",
}

local users, slow = net:host "users", net:host "slow"
local front, app = net:host("front", { cores = 2 }), net:host("app", { cores = 4 })
net:lan("net", { users, slow, front, app }, { rate = "1Gbps", delay = "1ms" })

local server = app:http_server {
  port = 8000, worker = p.worker, workers = 4, threads = 8, timeout = "30s", memory = "30MB",
  ["/*"] = function()
    app:work "4ms"
    return 200, "20kB"
  end,
}
local entry = server
if p.front then entry = front:http_balancer { port = 8000, to = app, work = "50us", timeout = "30s" } end

local target = { p.front and front or app, 8000, "/page" }
local latency = histogram "latency_ms"
local load = users:http_load { url = target, rate = 100, timeout = "4s" }
load:on("response", function(res) latency:add(res.total * 1e3) end)
-- A request has about 60 bytes: at 16 bit/s it takes half a minute.
if p.slow > 0 then slow:http_load { url = target, clients = p.slow, pace = "16bps", timeout = "60s", name = "slow" } end

at_end(function()
  record { ok_pct = 100 * load.ok / load.sent, timeouts_count = load.errors.timeout or 0, served_slow_count = entry.by_status[408] or 0 }
end)
