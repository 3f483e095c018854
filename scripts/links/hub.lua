-- A hub: a bus on which one can speak at a time. Who hears nobody begins; who began together with another stops, and draws lots.
--   tidewire sweep scripts/links/hub.lua
-- Look at what is carried in all as more stations have more to send: collisions grow, the sum falls only slowly, and everybody has the
-- same share. The model of Metcalfe and Boggs (1976) is beside it: with few stations the bus does better, because who has just
-- sent is bolder than those whose range has doubled.
local p = experiment {
  params = { stations = { 2, 5, 10, 20 } },
  duration = "20s", warmup = "1s",
}

local hub = net:hub "bus"
local hosts = net:hosts("h", p.stations)
for _, host in ipairs(hosts) do net:link(host, hub, { rate = "10Mbps", delay = "12us" }) end

-- Everybody wants more than a share: 12 Mbit/s in all, of which a good 9 fit.
local flows = {}
for i, host in ipairs(hosts) do
  flows[i] = host:cbr { to = hosts[i % #hosts + 1], port = 9, rate = 12e6 / #hosts, size = 1472, jitter = "10ms" }
end

at_end(function()
  local stats = hub.stats
  local sum, squares = 0, 0
  for _, flow in ipairs(flows) do sum = sum + flow.goodput; squares = squares + flow.goodput ^ 2 end
  local q = p.stations
  local a = (1 - 1 / q) ^ (q - 1)                    -- the chance that exactly one of q stations takes a slot
  local frame, slot = 1526 * 0.8, 51.2               -- us
  record {
    utilization_pct = stats.utilization_pct,
    model_pct = 100 * frame / (frame + 9.6 + (1 - a) / a * slot),
    collisions_per_frame = stats.collisions / stats.frames,
    excessive = stats.excessive, late = stats.late_collisions,
    fairness = sum ^ 2 / (q * squares),
  }
  for name, own in pairs(stats.stations) do check(own.frames > 0, name .. " sends something") end
end)
