-- Peers that come one by one, go away in the middle, and leave when they have what they want.
--   tidewire sweep scripts/p2p/churn.lua
-- Look at mean_s by stay: peers that serve on after they have the file make it faster for those who come later. The seed dies half a
-- minute in: as long as every piece is somewhere, nobody needs it.
local p = experiment {
  name   = "churn",
  params = { stay = { "0s", "30s", "10min" }, seed_dies = { false, true } },
  reps   = 3,
  plot   = { x = "stay", y = { "mean_s", "complete_pct" }, color = "seed_dies" },
}
local core, origin, tracker = net:router "core", net:host "origin", net:host "tracker"
net:link(tracker, core, { rate = "100Mbps", delay = "10ms" })
net:link(origin, core, { rate = "4Mbps", delay = "10ms" })
local peers = net:hosts("peer", 20)
for _, peer in ipairs(peers) do
  local up = random.choice { "1Mbps", "2Mbps", "5Mbps" }        -- not all lines are alike
  net:link(peer, core, { delay = "15ms", forward = { rate = up }, backward = { rate = "20Mbps" } })
end
local swarm = net:swarm { seed = origin, tracker = tracker, peers = peers, size = "4MB", piece = "64KiB", interval = "2s", arrive = "3s",
                          stay = p.stay, away_after = "60s", back_after = "10s", gives_up = "1min", log = true }
if p.seed_dies then at("30s", function() origin:crash() end) end
swarm:wait { timeout = "20min" }

local took, wrong = histogram "took_s", 0
for _, one in ipairs(swarm:list()) do
  if not one.seed and one.complete then
    took:add(one.complete - one.joined)
    if not one.ok then wrong = wrong + 1 end
  end
end
print(("stay %s, seed %s: %d of 20 complete, %.1f s on average"):format(p.stay, p.seed_dies and "dies" or "lives", took:count(), took:mean()))
check(wrong == 0, "no wrong file")
if not p.seed_dies then check(took:count() == 20, "with a seed everybody gets it") end
record { complete_pct = took:count() / 20 * 100, mean_s = took:mean(), last_s = swarm.last_finish }
stop()
