-- A thousand clients of a web chain for a minute: balancer, front server, application servers, cache, database, queue.
--   tidewire run benches/scenarios/web_chain.lua --json
local p = experiment { name = "web_chain", params = { clients = { 1000 } }, duration = "60s", warmup = "5s" }
local chain = net:web_chain { apps = 4, workers = 16, app_cores = 8, db_cores = 8, cache_entries = 500, pool = 8 }
local load = chain.users:http_load { url = chain.url, clients = p.clients, think = "1s", keepalive = true, timeout = "10s" }
local latency = histogram "latency_ms"
load:on("response", function(res) latency:add(res.total * 1e3) end)
at_end(function() record { done_count = load.ok, failed_count = load.failed, hit_ratio = chain.store.hit_ratio } end)
