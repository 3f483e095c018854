-- What waits at a bottleneck, and for whom: one upload, one ping, and seven ways to run the queue between them.
--   tidewire sweep scripts/links/queues.lua            or one of them: tidewire run scripts/links/queues.lua -p queue=codel
-- Look at ping_ms_p95 and upload_mbps: which queue makes the others wait, and what does it cost the upload not to? Then at
-- call_lost_pct: who protects the few packets of a call from the upload's burst?

local p = experiment {
  params = { queue = { "droptail", "red", "codel", "pie", "fq_codel", "drr", "prio" } },
  reps = 3, duration = "30s", warmup = "5s",
  plot = {
    { kind = "bar", x = "queue", y = "ping_ms_p95" },
  },
  expect = {
    { "mean(ping_ms_p95) > 400", where = { queue = "droptail" } },
    { "mean(ping_ms_p95) < 35", where = { queue = "fq_codel" } },
    { "mean(upload_mbps) > 8", where = { queue = "codel" } },
  },
}

local home, isp, server = net:host "home", net:router "isp", net:host "server"
net:link(home, isp, { rate = "10Mbps", delay = "5ms", queue = { p.queue, limit = "500pkt" } })
net:link(isp, server, { rate = "1Gbps", delay = "5ms" })

local upload = home:bulk { to = server, cc = "cubic" }
-- A call: small packets, marked as urgent for queues that look at the mark.
local call = home:cbr { to = server, rate = "64kbps", size = 160, dscp = "EF" }

local rtt = histogram "ping_ms"
every("100ms", function()
  local answer = home:ping(server)
  if answer then rtt:add(answer * 1000) end
end)

at_end(function()
  record {
    upload_mbps = upload.goodput_mbps,
    call_p95_ms = call.delay:p95_ms(),
    call_lost_pct = 100 * call.packets_lost / (call.bytes_offered / 160),
  }
end)
