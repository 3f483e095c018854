-- TCP flows through one bottleneck: what TCP costs.
--   tidewire run benches/scenarios/dumbbell.lua -p flows=10 --until 5s --json
local p = experiment {
  name     = "dumbbell",
  params   = { flows = { 10, 1, 100, 1000 }, cc = { "cubic", "reno" } },
  duration = "10s",
}

local bell = net:dumbbell {
  pairs      = p.flows,
  access     = { rate = "1Gbps", delay = "1ms" },
  bottleneck = { rate = "100Mbps", delay = "10ms", queue = "200pkt" },
}
for i, host in ipairs(bell.left) do
  host:bulk { to = bell.right[i], cc = p.cc }
end
