-- Who gets how much? Two flows of different round-trip times at one bottleneck.
--   tidewire sweep scripts/traffic/fairness.lua
-- Look at ratio, the near flow's goodput over the far one's, and at r, the far flow's round-trip time over the near one's. Theory has
-- Reno's ratio between r (losses by chance) and r^2 (both always lose together), and CUBIC's at r (RFC 9438 section 5.6). The queue
-- is part of both round trips: RED keeps it short, and r is 3.5 of the 4 that the links alone have; 60 ms of drop-tail make it 2.
-- by_r is ratio / r. jain is 1 when both get the same, 1/2 when one takes everything.
local p = experiment {
  params   = { cc = { "reno", "cubic", "bbr" }, queue = { "droptail", "red" } },
  order    = { "cc", "queue" },
  reps     = 3,
  duration = "120s",
  warmup   = "20s",
  jitter   = "1s",
  plot     = { kind = "bar", x = "cc", y = { "ratio", "jain" }, color = "queue" },
  units    = { ratio = "1", r = "1", by_r = "1", jain = "1" },
  expect   = {
    { "mean(by_r) > 0.9", where = { cc = "reno", queue = "red" } },
    { "mean(by_r) < 3.5", where = { cc = "reno", queue = "red" } },
    { "mean(by_r) > 0.75", where = { cc = "cubic", queue = "red" } },
    { "mean(by_r) < 1.25", where = { cc = "cubic", queue = "red" } },
  },
}

local left, right = net:router "left", net:router "right"
net:link(left, right, { rate = "20Mbps", delay = "5ms", queue = { p.queue, limit = "100pkt" } })
local function pair(n, delay)
  local from, to = net:host("from" .. n), net:host("to" .. n)
  net:link(from, left, { rate = "1Gbps", delay = delay })
  net:link(right, to, { rate = "1Gbps", delay = "1ms" })
  return from, to
end
-- Round-trip times of 20 and 80 ms.
local a, a_to = pair(1, "4ms")
local b, b_to = pair(2, "34ms")
local near, far = a:bulk { to = a_to, cc = p.cc }, b:bulk { to = b_to, cc = p.cc }

at_end(function()
  local a, b = near.goodput_mbps, far.goodput_mbps
  local ratio, r = a / b, far.rtt:mean() / near.rtt:mean()
  record { ratio = ratio, r = r, by_r = ratio / r, jain = (a + b) ^ 2 / (2 * (a ^ 2 + b ^ 2)), near_mbps = a, far_mbps = b }
end)
