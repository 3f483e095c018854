-- Row 29. What one lost packet does to the congestion window: Reno halves it, CUBIC keeps seven tenths; Tahoe starts again from one.
--   tidewire sweep scripts/tcp/congestion.lua
-- Look at the plot of cwnd over time: slow start, the loss at packet 600, then a straight line (Reno), a curve that hurries back to where it
-- was and lingers there (CUBIC), a second slow start (Tahoe). BBR does not take one loss for congestion. The queue never overflows here.
local p = experiment {
  name     = "congestion",
  params   = { cc = { "tahoe", "reno", "cubic", "bbr" } },
  duration = "8s",
  plot     = { series = "cwnd_packets", color = "cc" },
}

local src, dst = net:host "src", net:host "dst"
net:link(src, dst, { rate = "20Mbps", delay = "20ms", queue = "1000pkt",
                     forward = { loss = { seq = { 600 }, match = "data" } } })
local flow = src:bulk { name = "flow", to = dst, cc = p.cc, hystart = false, stop = "8s" }

local before, after
every("5ms", function()
  local info = flow.info
  if not info then return end
  series("cwnd_packets", "flow"):add(info.snd_cwnd)
  if info.ca_state == "Open" and not after then before = info.snd_cwnd end
  if info.ca_state == "Recovery" and not after and info.snd_ssthresh < before then after = info.snd_ssthresh end
end)

at_end(function()
  local share = after and after / before
  if share then print(("%s: from %d to %d packets, %.2f of it"):format(p.cc, before, after, share)) end
  record { share_ratio = share, cwnd_end_packets = flow.info and flow.info.snd_cwnd, goodput_mbps = flow.goodput_mbps }
end)
