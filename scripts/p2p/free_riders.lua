-- Who takes and gives nothing: tit for tat against a choker that helps everybody.
--   tidewire sweep scripts/p2p/free_riders.lua
-- Look at rider_over_fair: how much longer free riders take than those with equal lines who give; then at fair_s. With tit for tat (BEP 3)
-- riders live on optimistic slots, a quarter of what others send, and on the seed's; when givers leave at once (stay = 0s) that is all
-- there is, and when they stay they become seeds, which ask nobody for anything. The balanced choker serves who lacks most among those
-- who gave about as much, so those who give much wait longer for the file. With us = 5 the seed is the bottleneck: everybody waits for pieces that
-- only it has, so giving helps less. Peers limit what they send (upload), as clients do: else those who give would wait behind their own bytes
-- in the queues of their uplinks, with acknowledgments and requests, and riders would not.
local p = experiment {
  name   = "free_riders",
  params = { choking = { "tit_for_tat", "balanced" }, stay = { "1h", "0s" }, riders = { 2, 10 }, us = { 5, 30 } },
  reps   = 3,
  expect = { { "min(rider_over_fair) > 1.05", where = { choking = "tit_for_tat", us = 30 } },
             { "mean(rider_over_fair) > 1.15", where = { choking = "tit_for_tat", us = 30 } } },
  units  = { rider_over_fair = "1" },
  plot   = { x = "riders", y = { "rider_over_fair", "slow_s" }, color = "choking", facet = "stay", where = { us = 30 } },
}
local FAST, SLOW = 20, 20
local core, origin = net:router "core", net:host "origin"
net:link(origin, core, { rate = p.us * 1e6, delay = "10ms", queue = "100pkt" })
local peers = net:hosts("peer", FAST + SLOW)
for i, peer in ipairs(peers) do
  net:link(peer, core, { delay = "10ms", forward = { rate = i <= FAST and "8Mbps" or "1Mbps" }, backward = { rate = "20Mbps" } })
end
local riders, honest = {}, FAST - p.riders
for i = honest + 1, FAST do riders[#riders + 1] = peers[i] end
local swarm = net:swarm { seed = origin, peers = peers, size = "20MB", piece = "64KiB", interval = "1s", choking = p.choking, stay = p.stay,
                          behaviour = { free_rider = riders }, gives_up = "60s", upload = "88%", seed_upload = "98%" }
swarm:wait { timeout = 600 }

local function mean(first, last)
  local sum = 0
  for i = first, last do
    local one = swarm:peer(peers[i])
    check(one.ok, "%s has the right file", one.name)
    sum = sum + (one.complete or math.huge)
  end
  return sum / (last - first + 1)
end
local fair, rider, slow = mean(1, honest), mean(honest + 1, FAST), mean(FAST + 1, FAST + SLOW)
print(("%s, stay %s, %d riders, us = %d: givers with 8 Mbit/s %.1f s, riders %.1f s, givers with 1 Mbit/s %.1f s"):format(p.choking,
  p.stay, p.riders, p.us, fair, rider, slow))
record { fair_s = fair, rider_s = rider, slow_s = slow, rider_over_fair = rider / fair }
stop()
