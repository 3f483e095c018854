-- Two senders, one receiver, a switch with little memory: frames are dropped, or their senders are told to pause.
--   tidewire sweep scripts/links/pause.lua
-- Look at the losses, which PAUSE ends, and at what it costs: a paused sender stops for everybody, so the flow to an idle receiver
-- suffers as well (head-of-line blocking).
local p = experiment {
  name     = "pause",
  params   = { pause = { "no", "yes" } },
  duration = "1s",
  expect   = { { "max(lost_pct) == 0", where = { pause = "yes" } } },
}

local senders     = net:hosts("sender", 2)
local busy, idle  = net:host "busy", net:host "idle"
local switch      = net:switch("switch", { buffer = "200kB" })
local line        = { rate = "1Gbps", delay = "1us", pause = p.pause == "yes" }
for _, host in ipairs { senders[1], senders[2], busy, idle } do net:link(host, switch, line) end

-- Together 1.4 Gbit/s for a receiver with 1 Gbit/s; the second sender also talks to the idle one.
local flows = {
  senders[1]:cbr { to = busy, rate = "700Mbps", size = 1400, name = "first" },
  senders[2]:cbr { to = busy, rate = "600Mbps", size = 1400, name = "second" },
}
local victim = senders[2]:cbr { to = idle, rate = "200Mbps", size = 1400, name = "victim" }

at_end(function()
  local drops = 0
  for _, link in ipairs(net.links) do drops = drops + link:backward().stats.drops.queue end
  local got = flows[1].goodput + flows[2].goodput
  print(("pause %s: %d frames dropped by the switch, %d pauses asked for, at most %d bytes in its memory"):format(
    p.pause, drops, switch.buffer.pauses, switch.buffer.highest_bytes))
  print(("  busy %.0f Mbit/s, idle %.0f Mbit/s of 200"):format(got / 1e6, victim.goodput / 1e6))
  record { lost_pct = 100 * drops / (got / 11200 + drops), busy_mbps = got / 1e6, victim_mbps = victim.goodput / 1e6 }
  check(switch.buffer.highest_bytes <= 200e3, "the memory holds what it holds")
  check((drops == 0) == (p.pause == "yes"), "frames are dropped, or nobody may send")
  if p.pause == "yes" then check(victim.goodput < 190e6, "the victim waits behind frames for the busy one") end
end)
