-- A classic exercise: an institution's access line is nearly full. A faster line, or a cache?
--   tidewire sweep scripts/web/cache_exercise.lua
-- Look at mean_s and utilization_pct. 15 requests a second for objects of 100 kbit make 1.50 Mbit/s over an access line of 1.54
-- Mbit/s: 97 % of it. The Internet beyond takes 2 s. A line a hundred times as fast is used to 1 % and brings the mean down to
-- 2 s; a cache that has 40 % of the objects leaves the old line at 58 %, and the mean is 1.2 s: better, and cheaper. The line's
-- rate is that of its payload: headers are added to it. Requests go over connections that are open, so that each costs the 2 s once.
local p = experiment {
  name = "cache_exercise",
  params = { case = { "slow", "fast", "cache" } },
  duration = "400s", warmup = "60s",
  expect = {
    { "mean(mean_s) < 1.35", where = { case = "cache" } }, { "mean(mean_s) > 1.15", where = { case = "cache" } },
    { "mean(utilization_pct) > 92", where = { case = "slow" } }, { "mean(utilization_pct) < 2", where = { case = "fast" } },
  },
  plot = { x = "case", y = { "mean_s", "utilization_pct" }, kind = "bar" },
}
local OBJECT = 12500                                    -- bytes of an answer, its head included
local HEADERS = (OBJECT + 9 * 52) / OBJECT              -- nine segments with IP and TCP headers
local rate = (p.case == "fast" and 154e6 or 1.54e6) * HEADERS

local lan, campus, internet = net:switch "lan", net:router "campus", net:router "internet"
local user, proxy, origin = net:host "user", net:host "proxy", net:host "origin"
for _, node in ipairs { user, proxy, campus } do net:link(node, lan, { rate = "1Gbps", delay = "10us" }) end
local access = net:link(internet, campus, { rate = rate, delay = "1ms", framing = "ip", queue = "100000pkt" })
net:link(internet, origin, { rate = "10Gbps", delay = "0.999s" })

local head = 12500 - 12249                              -- what the server writes before the body
origin:http_server { keepalive = "1h", ["/*"] = function() return 200, OBJECT - head, { ["Cache-Control"] = "max-age=3600" } end }
local cache = p.case == "cache" and proxy:http_cache { port = 3128, keepalive = "1h" }

-- 40 % of the requests are for what the cache has, the others for what nobody has asked for.
local latency, which, n = histogram "latency_s", random.stream "objects", 0
local client = user:http_client { connections = 5000, keep = 0, proxy = cache and proxy or nil }
user:spawn(function()
  if cache then assert(client:get "http://origin/known") end
  while true do
    sleep(which.exponential(1 / 15))
    n = n + 1
    local known = cache and which.chance(0.4)
    local path = known and "/known" or "/" .. n
    user:spawn(function()
      local begun = now()
      local res = assert(client:get("http://origin" .. path))
      if begun > 60 and res.reused then latency:add(res.total) end
    end)
  end
end)
at_end(function()
  record { mean_s = latency:mean(), utilization_pct = access:forward().stats.utilization_pct, hit_pct = cache and 100 * cache:hit_ratio() or 0 }
end)
