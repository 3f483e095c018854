-- Row 29. What one lost packet does to the congestion window: Reno halves it, CUBIC keeps seven tenths; Tahoe starts again from one.
--   tidewire sweep scripts/tcp/congestion.lua
-- Look at the plot of cwnd over time: slow start, the loss of packet 200, then a straight line (Reno; NewReno is the same without selective
-- acknowledgments), a curve that hurries back to where it was and lingers there (CUBIC), a second slow start (Tahoe). Vegas sees the queue
-- grow and stops before anything is lost. BBR does not take one loss for congestion. The queue never overflows here.
-- With run -p cc=reno the window is drawn in the terminal.
local p = experiment {
  name     = "congestion",
  params   = { cc = { "reno", "newreno", "tahoe", "cubic", "vegas", "bbr" } },
  duration = "8s",
  plot     = { series = "cwnd_packets", color = "cc" },
}

local src, dst = net:host "src", net:host "dst"
net:link(src, dst, { rate = "20Mbps", delay = "20ms", queue = "1000pkt",
                     forward = { loss = { seq = { 200 }, match = "data" } } })
local flow = src:bulk { name = "flow", to = dst, cc = p.cc == "newreno" and "reno" or p.cc, sack = p.cc ~= "newreno",
                        hystart = false, stop = "8s" }
flow:watch("cwnd_packets", { every = "5ms" })

local before, after, lowest
every("1ms", function()
  local info = flow.info
  if not info then return end
  if info.total_retrans == 0 then before = info.snd_cwnd end
  if info.total_retrans > 0 then
    after = after or info.snd_ssthresh
    lowest = math.min(lowest or math.huge, info.snd_cwnd)
  end
end)
every("400ms", function()
  if flow.info then print(("%5.2f s  cwnd %4d packets  %s"):format(now(), flow.info.snd_cwnd, ("#"):rep(flow.info.snd_cwnd // 4))) end
end)

at_end(function()
  local share = after < before and after / before or nil
  print(("%s: before the loss cwnd was %d packets, the new threshold is %s, the smallest cwnd after it was %d"):format(
    p.cc, before, share and ("%d (%.2f of it)"):format(after, share) or "unchanged", lowest))
  record { share_ratio = share, before_packets = before, lowest_packets = lowest, goodput_mbps = flow.goodput_mbps }
end)
