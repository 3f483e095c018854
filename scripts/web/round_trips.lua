-- Ten objects of a page, in four ways: how many round trips each takes.
--   tidewire sweep scripts/web/round_trips.lua
-- Look at: HTTP/1.0 opens a connection for each object, so each costs two round trips: one for the handshake, one for
-- request and answer. A connection that stays open saves nine handshakes. Requests that do not wait for answers (pipelining)
-- save the rest.
local p = experiment {
  name = "round_trips",
  params = { how = { "http10", "keepalive", "pipeline", "parallel" } },
  plot = { x = "how", y = "round_trips_count", kind = "bar" },
}
local RTT = 0.1
local browser, server = net:host "browser", net:host "server"
net:link(browser, server, { rate = "10Gbps", delay = RTT / 2 })

local pages, urls = {}, {}
for i = 1, 10 do
  pages["/" .. i .. ".png"] = "1kB"
  urls[i] = "http://server/" .. i .. ".png"
end
local web = server:http_server { pages = pages, http = p.how == "http10" and "1.0" or "1.1" }
assert(browser:ping(server))                     -- so that ARP is not in the way

local begun = now()
local client = browser:http_client {}
if p.how == "http10" then
  for _, url in ipairs(urls) do assert(browser:http_get(url, { http = "1.0" })) end
elseif p.how == "keepalive" then
  for _, url in ipairs(urls) do assert(client:get(url)) end
elseif p.how == "pipeline" then
  assert(client:pipeline(urls))
else
  local all = {}
  for i, url in ipairs(urls) do all[i] = spawn(function() assert(client:get(url)) end) end
  wait_all(all)                                  -- six connections, as browsers have
end
local took = now() - begun
client:close()

local trips = math.floor(took / RTT)
print(("%-9s  %2d connections  %6.1f ms  %2d round trips"):format(p.how, web.connections, took * 1e3, trips))
record { round_trips_count = trips, rest_us = (took - trips * RTT) * 1e6, connections_count = web.connections, took_ms = took * 1e3 }
