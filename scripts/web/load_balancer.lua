-- One address, three servers: what a load balancer gains, and what happens when a server dies.
--   tidewire sweep scripts/web/load_balancer.lua
-- Look at: requests per second grow with the number of servers; least_connections evens out what chance makes uneven; hash
-- sends everybody to the same server each time. The server that dies at 30 s is taken out after interval x failures.
local p = experiment {
  name = "load_balancer",
  params = { servers = { 1, 3 }, policy = { "round_robin", "least_connections", "hash" } },
  order = { "servers", "policy" },
  duration = "50s", warmup = "2s",
  plot = { x = "policy", y = "per_second", color = "servers", kind = "bar" },
  units = { per_second = "1/s" },
}
local SERVICE = 0.02                             -- 50 requests a second and core
local users, lb = net:hosts("user", 6), net:host "lb"
local webs = net:hosts("web", p.servers)
net:lan("lan", { users, lb, webs }, { rate = "1Gbps", delay = "1ms" })
for _, web in ipairs(webs) do
  web:http_server { ["/"] = function()
    web:work(SERVICE)
    return 200, "4kB", { ["X-Server"] = web.name }
  end }
end
local proxy = lb:tcp_proxy { port = 80, to = webs, policy = p.policy, health = { interval = "1s", failures = 2 } }

-- More clients than servers can serve, so that what is measured is the servers.
local per_server, loads = {}, {}
for i, user in ipairs(users) do
  local load = user:http_load { url = { lb, 80, "/" }, clients = 8, stop = "29s", timeout = "5s" }
  load:on("response", function(res)
    local name = res.headers["x-server"]
    if name then per_server[name] = (per_server[name] or 0) + 1 end
  end)
  loads[i] = load
end
for _, load in ipairs(loads) do load:wait() end
local ok = 0
for _, load in ipairs(loads) do ok = ok + load.ok end
local per_second = ok / (now() - 2)
for name, n in sorted(per_server) do print(name, n) end
record { per_second = per_second }

-- One dies.
if p.servers > 1 then
  sleep(30 - now())
  webs[1]:crash()
  sleep "7s"
  check(not proxy.backends[1].up and proxy.backends[2].up, "the dead one is taken out")
  local before = proxy.backends[1].failed
  for _ = 1, 10 do check(users[1]:http_get({ lb, 80, "/" }).status == 200, "the others answer") end
  check(proxy.backends[1].failed == before, "nobody tries it any more")
  webs[1]:boot()
  sleep "4s"
  check(proxy.backends[1].up, "and it is back")
end
