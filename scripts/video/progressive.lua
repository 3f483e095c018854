-- A film over HTTP: shown while it comes, in pieces, or only when all of it is there.
--   tidewire sweep scripts/video/progressive.lua
-- Look at startup_s: with pieces the film begins after two seconds of it have come, as a whole only after the download. On a line
-- below the film's rate it stalls, how often and for how long; on a fast one the player stops asking when it is 30 s ahead.
local p = experiment {
  name = "progressive",
  params = { line = { "6Mbps", "10Mbps", "50Mbps" }, how = { "pieces", "whole" } },
  order = { "how", "line" },
  expect = { { "max(startup_s) < 5", where = { how = "pieces" } }, { "min(startup_s) > 15", where = { how = "whole" } } },
  plot = { x = "line", y = { "startup_s", "stalled_s" }, color = "how" },
}
local viewer, server = net:host "viewer", net:host "server"
net:link(viewer, server, { rate = p.line, delay = "20ms" })
server:http_server { pages = { ["/film.mp4"] = "100MB" } }     -- 100 s at 8 Mbit/s

local film = assert(viewer:play("http://server/film.mp4", { rate = "8Mbps", piece = "1MB", buffer = "2s", whole = p.how == "whole" }))
print(("%-6s over %-6s  begins after %5.1f s, stalls %2d times for %4.1f s in all; %d requests, all there after %.0f s"):format(
  p.how, p.line, film.startup, film.stalls, film.stalled, film.requests, film.download))
check(film.size == 100000000 and film.length == 100, "all of it")
check(p.how == "pieces" or film.stalls == 0 and film.startup >= film.download, "what is there whole does not stall")
check(p.line ~= "50Mbps" or p.how == "whole" or film.download > 60, "a player that is far ahead waits")
record { startup_s = film.startup, stalls_count = film.stalls, stalled_s = film.stalled, download_s = film.download, total_s = film.total }
