-- Who gets how much? Two flows of different round-trip times, and a newcomer, at one bottleneck.
--   tidewire sweep scripts/traffic/fairness.lua
-- Look at ratio: with Reno the flow with a quarter of the round-trip time gets at least four times as much, up to sixteen times
-- when both always lose together; CUBIC stays below four. jain is 1 when all get the same, 1/n when one takes everything.
local p = experiment {
  params   = { cc = { "reno", "cubic", "bbr" }, queue = { "droptail", "red" } },
  order    = { "cc", "queue" },
  reps     = 3,
  duration = "120s",
  warmup   = "20s",
  jitter   = "1s",
  plot     = { kind = "bar", x = "cc", y = { "ratio", "jain" }, color = "queue" },
  units    = { ratio = "1", jain = "1" },
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
  record { ratio = a / b, jain = (a + b) ^ 2 / (2 * (a ^ 2 + b ^ 2)), near_mbps = a, far_mbps = b }
end)
