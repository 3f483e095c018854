-- A film in segments over a link whose rate dips: players choose the quality of each segment by rule.
--   tidewire sweep scripts/traffic/abr.lua             or one of them: tidewire run scripts/traffic/abr.lua -p rule=buffer
-- Look at the plots of quality over time: the link carries 2.8 Mbit/s on average (4, and 0.4 for a third of the time), so the best
-- quality, of 3, cannot be in time: its 720 Mbit take 252 s at least, 12 more than the film. Who goes down to 300 kbit/s while something
-- is loaded ahead never stands still (Huang et al. 2014), and gets what the link carries, rounded down to a quality: neighbours are up
-- to 2.5 apart.
local p = experiment {
  params   = { rule = { "buffer", "rate", "highest", "lowest" } },
  duration = "400s",
  plot     = { { kind = "bar", x = "rule", y = "stalled_s" }, { kind = "bar", x = "rule", y = "mean_kbps" } },
  units    = { mean_kbps = "kbit/s" },
  expect   = {
    { "mean(stalled_s) > 12", where = { rule = "highest" } },
    { "mean(stalled_s) == 0", where = { rule = "buffer" } },
    { "mean(stalled_s) == 0", where = { rule = "lowest" } },
    { "mean(mean_kbps) > 1120", where = { rule = "buffer" } },
    { "mean(mean_kbps) < 2800", where = { rule = "buffer" } },
    { "mean(mean_kbps) == 300", where = { rule = "lowest" } },
  },
}

-- A recorded link (packet-delivery trace, as Mahimahi's): 4 Mbit/s, and for 20 s of every minute 0.4 Mbit/s.
local server, phone = net:host "server", net:host "phone"
net:link(server, phone, { delay = "20ms", queue = "100pkt", forward = { trace = "dips.up" }, backward = { rate = "5Mbps" } })

local ladder = { "300kbps", "750kbps", "1.5Mbps", "3Mbps" }
server:abr_server { ladder = ladder, segment = "4s" }
local player = phone:abr_player { server = server, ladder = ladder, segment = "4s", duration = "240s", rule = p.rule, buffer = "60s" }
player:wait()

for _, seen in ipairs(player.history) do
  record("segments", { rule = p.rule, at_s = seen.t, quality = seen.quality, buffer_s = seen.buffer, throughput_mbps = seen.throughput / 1e6 })
end
print(("%-8s starts after %.1f s, stands still %d times for %.1f s, %d switches, mean %.0f kbit/s")
  :format(p.rule, player.startup_s, player.stalls, player.stalled_s, player.switches, player.mean_kbps))
record { startup_s = player.startup_s, stalls_count = player.stalls, stalled_s = player.stalled_s,
  switches_count = player.switches, mean_kbps = player.mean_kbps }
