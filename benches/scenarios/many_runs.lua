-- What a run costs beside what is simulated in it: a thousand short ones.
--   tidewire sweep benches/scenarios/many_runs.lua -j 2 --json
local p = experiment { name = "many_runs", params = { loss = { "0%", "1%" } }, reps = 500, duration = "2s" }
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "10ms", loss = p.loss })
local flow = a:bulk { to = b }
at_end(function() record { goodput_mbps = flow.goodput_mbps } end)
