-- Several TCP flows share one bottleneck: fairly, and at what cost in delay?
--   tidewire sweep scripts/dumbbell.lua
-- Look at the congestion windows over time (plots of cwnd_bytes): the saw teeth of reno, the cubic curves of cubic. Then at Jain's
-- index (1 is perfectly fair) when flows have equal and unequal round-trip times, and at the queue that they build.
local p = experiment {
  name     = "dumbbell",
  params   = { cc = { "reno", "cubic" }, rtts = { "equal", "unequal" } },
  reps     = 3,
  duration = "40s",
  warmup   = "10s",
  jitter   = "100ms",                                    -- flows do not all start at the same instant
  expect   = { { "mean(jain) > 0.8", where = { rtts = "equal" } },
               "mean(utilization_pct) > 90" },
  plot     = { { x = "cc", y = "jain", color = "rtts", kind = "bar" },
               { series = "cwnd_bytes", color = "object", where = { rep = 1 } } },
  units    = { jain = "1" },
}

local equal = { "40ms" }
local bell = net:dumbbell {
  pairs      = 4,
  access     = { rate = "1Gbps", delay = "1ms" },
  bottleneck = { rate = "20Mbps", delay = "9ms",
                 queue = { "droptail", limit = "1bdp", rtt = "40ms" } },
  rtt        = p.rtts == "equal" and equal or { "24ms", "40ms", "80ms", "160ms" },
}

local flows = {}
for i, host in ipairs(bell.left) do
  flows[i] = host:bulk { name = "flow" .. i, to = bell.right[i], cc = p.cc }
  flows[i]:watch("cwnd_bytes", { every = "100ms" })
end
bell.bottleneck:forward():watch("queue_packets", { every = "100ms" })

at_end(function()
  local sum, squares = 0, 0
  for _, f in ipairs(flows) do
    sum, squares = sum + f.goodput, squares + f.goodput ^ 2
    record("shares", { flow = f.name, goodput_mbps = f.goodput_mbps, delay_p95_ms = f.delay:p95_ms() })
  end
  local stats = bell.bottleneck:forward().stats
  record { jain = sum ^ 2 / (#flows * squares),
           utilization_pct = stats.utilization_pct,
           queue_mean_bytes = stats.queue_mean_bytes }
end)
