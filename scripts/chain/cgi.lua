-- CGI starts a process for every request; a pool of workers (WSGI) has them already. Where do the curves cross?
--   tidewire sweep scripts/chain/cgi.lua
-- Look at: memory_mean_mib: CGI takes memory as it has requests, the pool always the same; they cross. Above 80 requests a second
-- CGI has no processor left: latency explodes, processes pile up until memory is full, and what comes then is refused.
local p = experiment {
  name     = "cgi",
  params   = { how = { "cgi", "pool" }, rate = { 5, 20, 40, 60, 75, 90, 150, 300 } },
  reps     = 3,
  duration = "20s",
  warmup   = "2s",
  plot     = { x = "rate", y = { "memory_mean_mib", "latency_ms_p99" }, color = "how", log = "xy" },
}

local users, www = net:host "users", net:host("www", { cores = 2, memory = "1GiB" })
net:link(users, www, { rate = "1Gbps", delay = "5ms" })

-- To start an interpreter takes 20 ms and 25 MB; the page itself 5 ms. Two cores: 80 requests a second, or 400.
local server = www:http_server {
  worker = p.how == "cgi" and "cgi" or "sync", workers = p.how == "pool" and 8 or nil,
  spawn = "20ms", memory = "25MB", backlog = 256,
  ["/*"] = function()
    www:work(random.exponential "5ms")
    return 200, "8kB"
  end,
}

local latency = histogram "latency_ms"
local load = users:http_load { url = { www, 80, "/page" }, rate = p.rate, timeout = "10s" }
load:on("response", function(res) if res.status == 200 then latency:add(res.total * 1e3) end end)

local sum, n = 0, 0
every("50ms", function()
  if now() > 2 then sum, n = sum + www.stats.memory_used, n + 1 end
end)
at_end(function()
  record { ok_pct = 100 * (load.by_status[200] or 0) / load.sent, out_of_memory_count = server.out_of_memory,
           memory_mean_mib = sum / n / 2 ^ 20, memory_peak_mib = www.stats.memory_peak / 2 ^ 20, cpu_pct = 100 * www.stats.cpu_utilization }
end)
