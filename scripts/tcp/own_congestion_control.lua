-- A congestion control of your own, in a few lines, beside Reno and CUBIC.
--   tidewire sweep scripts/tcp/own_congestion_control.lua
-- Look at the queue: "gentle" works out from the round-trip time how many of its packets wait, and keeps that at three to five (as Vegas
-- does): it fills the line with almost no queue. "my_reno" is Reno word by word: its curve lies on that of the built-in one.
congestion("my_reno", {
  on_ack = function(c, sample)                         -- sample.acked packets were acknowledged
    if not c.cwnd_limited then return end              -- a window that is not used does not grow
    local acked = sample.acked
    if c.cwnd < c.ssthresh then acked = c:slow_start(acked) end
    if acked > 0 then c:additive_increase(c.cwnd, acked) end
  end,
  ssthresh = function(c) return math.max(c.cwnd // 2, 2) end,
})

congestion("gentle", {
  init = function(c) c.acks = 0 end,                   -- fields of your own stay with the connection, and can be watched
  on_ack = function(c, sample)
    if c.in_slow_start then c.cwnd = c.cwnd + sample.acked end
    c.least = math.min(c.least or math.huge, sample.rtt or math.huge)
    c.acks = c.acks + sample.acked
    if c.acks < c.cwnd or c.least == math.huge then return end
    c.queued = c.cwnd * (1 - c.min_rtt / c.least)      -- once per round trip: our packets in the queue
    if c.queued > 5 then
      c.cwnd = c.cwnd - (c.in_slow_start and c.queued or 1)
      c.ssthresh = 2                                   -- no slow start from here on
    elseif c.queued < 3 and not c.in_slow_start then
      c.cwnd = c.cwnd + 1
    end
    c.acks, c.least = 0, nil
  end,
  ssthresh = function(c) return 0.8 * c.cwnd end,
})

local p = experiment {
  name     = "own_congestion_control",
  params   = { cc = { "reno", "my_reno", "cubic", "gentle" } },
  duration = "20s",
  warmup   = "5s",
  expect   = { "min(goodput_mbps) > 8.5", { "max(queue_mean_packets) < 6", where = { cc = "gentle" } } },
  plot     = { { series = "cwnd_bytes", color = "cc" }, { x = "cc", y = { "goodput_mbps", "queue_mean_packets" } } },
}

local src, dst = net:host "src", net:host "dst"
local link = net:link(src, dst, { rate = "10Mbps", delay = "20ms", queue = "60pkt" })
local flow = src:bulk { name = "flow", to = dst, cc = p.cc }
flow:watch({ "cwnd_bytes", "srtt_ms" }, { every = "50ms" })
if p.cc == "gentle" then flow:watch("gentle.queued", { every = "50ms" }) end

at_end(function()
  record { goodput_mbps = flow.goodput_mbps, rtt_ms = flow.rtt:mean_ms(), retransmits_count = flow.retransmits,
           queue_mean_packets = link:forward().stats.queue_mean_bytes / 1514 }
end)
