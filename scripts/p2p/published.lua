-- The table that many a course has as an exercise: F = 10 Gbit, us = 20 Mbit/s, d = 2 Mbit/s; 100 peers, u = 300 and 700 kbit/s and 2 Mbit/s.
--   tidewire sweep scripts/p2p/published.lua
-- Look at seconds against table: the file is a 50th of the one in the exercise, and times are multiplied by 50. The table has the
-- least time of a fluid; packets, pieces and choices cost a part of it on top, the beginning and the end the more, the shorter the file is.
-- Peers leave a part of their lines free for acknowledgments and news (upload). The row of 1000 peers: -p mode=swarm -p n=1000.
local p = experiment {
  name   = "published",
  params = { mode = { "server", "swarm" }, u = { 0.3, 0.7, 2 }, n = { 100 }, scale = { 50 } },
  expect = { { "max(ratio) < 1.05", where = { mode = "server" } }, { "max(ratio) < 1.2", where = { mode = "swarm" } } },
  units  = { ratio = "1", seconds = "s" },
  plot   = { x = "u", y = { "seconds", "table_s" }, color = "mode" },
}
local SCALE, US, D, N = p.scale, 20, 2, p.n
local F = 10e9 / 8 / SCALE
local function wire(payload_mbps) return ("%.4fMbps"):format(payload_mbps * 1538 / 1448) end
local core, origin = net:router "core", net:host "origin"
net:link(origin, core, { rate = wire(US), delay = "5ms", queue = "200pkt" })
local peers = net:hosts("peer", N)
for _, peer in ipairs(peers) do
  net:link(peer, core, { delay = "5ms", forward = { rate = wire(p.u), queue = "30pkt" }, backward = { rate = wire(D), queue = "60pkt" } })
end

local last
if p.mode == "server" then
  origin:serve(80, function(conn)
    conn:send_bytes(F)
    conn:close()
  end, { backlog = N })
  local jobs = {}
  for i, peer in ipairs(peers) do
    jobs[i] = peer:spawn(function()
      local conn = assert(peer:connect(origin, 80))
      assert(conn:discard() == F)
      last = now()
    end)
  end
  wait_all(jobs)
else
  local swarm = net:swarm { seed = origin, peers = peers, size = F, piece = "64KiB", interval = "5s", choking = "balanced", slots = p.u < 1 and 4 or 8,
                              seed_slots = N, seed_neighbours = N, upload = "93%", seed_upload = "98%" }
  swarm:wait()
  last = swarm.last_finish
  check(swarm.complete == N, "everybody has it")
end
local mbit = 10e3
local least = p.mode == "server" and math.max(N * mbit / US, mbit / D) or math.max(mbit / US, mbit / D, N * mbit / (US + N * p.u))
print(("%s, N = %d, u = %g Mbit/s: %.0f s, table %.0f s, ratio %.3f"):format(p.mode, N, p.u, last * SCALE, least, last * SCALE / least))
check(last * SCALE >= least * 0.999, "no faster than the table")
record { seconds = last * SCALE, table_s = least, ratio = last * SCALE / least }
stop()
