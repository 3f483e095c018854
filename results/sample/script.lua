-- How do TCP and UDP behave as the loss rate grows?
--   tidewire sweep scripts/tcp_vs_udp.lua
-- Look at goodput against loss: TCP takes loss for congestion and slows down; UDP keeps sending and loses what is lost. Then at the
-- delay: what TCP repairs arrives a round trip late, and everything behind it waits; UDP never waits.
local p = experiment {
  name     = "tcp_vs_udp",
  params   = { proto = { "tcp", "udp" },
               loss  = { "0%", "0.1%", "0.5%", "1%", "2%", "5%", "10%" } },
  order    = { "proto", "loss" },
  reps     = 10,
  duration = "30s",
  warmup   = "3s",                      -- nothing before this is measured
  expect   = {
    { "median(goodput_mbps) > 8.9", where = { loss = "0%" } },
    { "mean(delivered_pct) < 96",   where = { proto = "udp", loss = "5%" } },
  },
  plot     = { x = "loss", y = { "goodput_mbps", "delay_p95_ms" }, color = "proto" },
}

local src, dst = net:host "src", net:host "dst"
net:link(src, dst, { rate = "10Mbps", delay = "20ms", queue = "100pkt",
                     forward = { loss = p.loss } })              -- data may be lost, ACKs not

local flow
if p.proto == "tcp" then
  flow = src:bulk { to = dst, cc = "cubic" }                      -- as fast as TCP allows
  flow:watch("cwnd_bytes", { every = "100ms" })
else
  flow = src:cbr  { to = dst, rate = "9Mbps", size = 1200 }       -- payload: 9.5 Mbit/s on the wire
end

at_end(function()
  record {
    goodput_mbps      = flow.goodput_mbps,
    delivered_pct     = 100 * flow.bytes_delivered / flow.bytes_offered,
    delay_p95_ms      = flow.delay:p95_ms(),
    retransmits_count = flow.retransmits or 0,
  }
end)
