-- Copies near those who ask: edge caches on three continents, chosen by the name server.
--   tidewire sweep scripts/web/cdn.lua
-- Look at latency_ms_p50 and origin_mb: with the CDN most requests end at the edge of their own continent, and the origin is asked
-- once for each film and edge. Films are asked for as Zipf has it, so a cache for ten films of a hundred has half of the hits of one
-- for all of them.
local p = experiment {
  name = "cdn",
  params = { cdn = { "none", "small", "large" } },
  duration = "120s", warmup = "20s",
  plot = { x = "cdn", y = { "latency_ms_p50", "hit_pct", "origin_mbps" }, kind = "bar" },
}
local FILMS, SIZE = 100, 100000
local backbone = net:router "backbone"
local origin, ns = net:host "origin", net:host "ns"
net:link(origin, backbone, { rate = "100Mbps", delay = "5ms" })
net:link(ns, backbone, { rate = "1Gbps", delay = "5ms" })
local pages = {}
for i = 1, FILMS do pages["/film" .. i .. ".mp4"] = { body = SIZE, max_age = "1h" } end
origin:http_server { pages = pages }

local places, views = { asia = "60ms", europe = "40ms", america = "10ms" }, {}
local edges, users = {}, {}
for name, delay in sorted(places) do
  local router, edge, user = net:router(name), net:host(name .. "_edge"), net:host(name .. "_user")
  net:link(router, backbone, { rate = "1Gbps", delay = delay })
  net:link(edge, router, { rate = "1Gbps", delay = "1ms" })
  net:link(user, router, { rate = "50Mbps", delay = "5ms" })
  users[name], edges[name] = user, edge
end
local caches = {}
if p.cdn ~= "none" then
  for name, edge in sorted(edges) do
    caches[name] = edge:http_cache { origin = origin, size = p.cdn == "small" and 10 * SIZE or 2 * FILMS * SIZE }
    views[#views + 1] = { from = users[name].ip .. "/32", zone = { ["cdn.films.com"] = edge } }
  end
end
ns:dns_server { origin = "films.com", zone = { ["cdn.films.com"] = origin }, views = views }
net:resolver(ns)

local latency = histogram "latency_ms"
for name, user in sorted(users) do
  local client, which = user:http_client { keep = 0, connections = 100 }, random.stream("films of " .. name)
  user:spawn(function()
    while true do
      sleep(which.exponential(0.25))
      user:spawn(function()
        local res = client:get("http://cdn.films.com/film" .. which.zipf(FILMS, 1) .. ".mp4")
        if now() > 20 then latency:add(res.total * 1e3) end
      end)
    end
  end)
end
at_end(function()
  local hits, asked, saved = 0, 0, 0
  for _, cache in sorted(caches) do
    hits, asked, saved = hits + cache.hits, asked + cache.requests, saved + cache.bytes_saved
  end
  local out = net:find("origin-backbone"):forward().stats.tx_bytes
  record { hit_pct = asked > 0 and 100 * hits / asked or 0, origin_mbps = out * 8 / 120 / 1e6, saved_mb = saved / 1e6 }
  check(latency:count() > 1000, "many films were seen")
end)
