-- Bufferbloat: an uplink of 1 Mbit/s with a buffer of 256 KB, four uploads, and a ping beside them.
--   tidewire sweep scripts/traffic/bufferbloat.lua     or one of them: tidewire run scripts/traffic/bufferbloat.lua -p queue=codel
-- Look at ping_ms_p50: with a full buffer a ping waits 256 KB x 8 / 1 Mbit/s = 2.1 s. CoDel and PIE keep it below a tenth of a second
-- and lose some pings for it (ping_lost_pct). They cannot do better here: four windows of at least two packets, of 12 ms each, are
-- always under way, which is 96 ms. FQ-CoDel serves the ping as a flow of its own: 40 ms, and half a packet of somebody else. The
-- uploads are as fast as before (upload_mbps).
local p = experiment {
  params   = { queue = { "droptail", "pie", "codel", "fq_codel" } },
  reps     = 3,
  duration = "60s",
  warmup   = "20s",
  plot     = { { kind = "bar", x = "queue", y = "ping_ms_p50" }, { kind = "bar", x = "queue", y = "upload_mbps" } },
  expect   = {
    { "mean(ping_ms_p50) > 1500", where = { queue = "droptail" } },
    { "mean(ping_ms_p50) < 100",  where = { queue = "codel" } },
    { "mean(ping_ms_p50) > 40",   where = { queue = "fq_codel" } },
    { "mean(ping_ms_p50) < 50",   where = { queue = "fq_codel" } },
    { "mean(upload_mbps) > 0.85" },
  },
}

local home, isp, server = net:host "home", net:router "isp", net:host "server"
local limit = p.queue == "droptail" and "256kB" or "1000pkt"
net:link(home, isp, { rate = "1Mbps", delay = "10ms", queue = { p.queue, limit = limit } })
net:link(isp, server, { rate = "1Gbps", delay = "10ms" })

local uploads = {}
for i = 1, 4 do uploads[i] = home:bulk { to = server, cc = "cubic", start = i * 0.5 } end
local rtt, sent, lost = histogram "ping_ms", 0, 0
every("200ms", function()
  home:spawn(function()                                  -- one that is lost must not hold up the next
    local answer = home:ping(server, { timeout = "10s" })
    sent = sent + 1
    if answer then rtt:add(answer * 1000) else lost = lost + 1 end
  end)
end)

at_end(function()
  local sum = 0
  for _, flow in ipairs(uploads) do sum = sum + flow.goodput_mbps end
  record { upload_mbps = sum, ping_lost_pct = 100 * lost / math.max(sent, 1) }
end)
