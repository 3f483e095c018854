-- A fat tree of k-port switches, one TCP flow from every host to the one half the network away: what size costs.
--   tidewire run benches/scenarios/fat_tree.lua -p k=8 --until 5ms --json
local p = experiment {
  name     = "fat_tree",
  params   = { k = { 8, 4, 16 } },
  duration = "10ms",
}

local tree = net:fat_tree { k = p.k, link = { rate = "10Gbps", delay = "1us", queue = "100pkt" } }
local n = #tree.hosts
for i, host in ipairs(tree.hosts) do
  host:bulk { to = tree.hosts[(i - 1 + n // 2) % n + 1] }
end
