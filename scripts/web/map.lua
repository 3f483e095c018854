-- A map that is moved: tiles around the middle are fetched, those that were seen before come from the cache.
--   tidewire sweep scripts/web/map.lua
-- Look at complete_ms_p95, how long after a move the picture is whole: HTTP/1.1 asks for six tiles at a time, each connection with a
-- window of its own; HTTP/2 asks for all at once, with one window, which after a pause begins small. And at cached_pct: most tiles
-- were there before.
local p = experiment {
  name = "map",
  params = { http = { "1.1", "2" }, line = { "5Mbps", "50Mbps" } },
  plot = { x = "line", y = { "complete_ms_mean", "complete_ms_p95" }, color = "http", kind = "bar" },
}
local user, tiles = net:host "user", net:host "tiles"
net:link(user, tiles, { rate = p.line, delay = "20ms" })
tiles:http_server { http = p.http, keepalive = "1min", ["/:z/:x/:y"] = function() return 200, "15kB", { ["Cache-Control"] = "max-age=86400" } end }

local browser = user:browser { http = p.http }
local walk, complete, wanted, before = random.stream "walk", histogram "complete_ms", 0, 0
local x, y, back = 100, 100, {}
local function show()
  local begun, all = now(), {}
  for dx = -2, 2 do
    for dy = -1, 1 do
      local url = ("http://tiles/12/%d/%d"):format(x + dx, y + dy)
      wanted = wanted + 1
      all[#all + 1] = spawn(function() assert(browser:open(url)) end)
    end
  end
  wait_all(all)
  complete:add((now() - begun) * 1e3)
end
for step = 1, 60 do
  if step % 10 == 0 and #back > 3 then
    x, y = table.unpack(back[#back - 3])                 -- back to where we were
  else
    x, y = x + walk.int(-1, 1), y + walk.int(-1, 1)
  end
  back[#back + 1] = { x, y }
  show()
  sleep "1s"
end
browser:close()
local cached = 100 * browser.hits / wanted
print(("HTTP/%-3s over %-6s  whole after %.0f ms on average, %.0f %% of %d tiles from the cache"):format(p.http, p.line, complete:mean(), cached, wanted))
check(browser.hits + browser.requests == wanted and cached > 30, "tiles that were seen are not fetched again")
record { cached_pct = cached, fetched_bytes = browser.bytes }
