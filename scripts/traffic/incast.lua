-- Many answers at once: a host asks n servers for a block of 1 MB, each for its part, and asks again when the last part is there.
--   tidewire sweep scripts/traffic/incast.lua          or one of them: tidewire run scripts/traffic/incast.lua -p servers=40 -p rto=200ms
-- Look at goodput_pct: all parts arrive at one port of a switch at the same time. When its buffer overflows, somebody loses the
-- last packets of his part, and nothing but a timeout tells him. With a timeout of at least 200 ms a block takes
-- 8.4 ms + 200 ms: 4 % of the line rate.
local p = experiment {
  params   = { servers = { 4, 8, 16, 32, 64 }, rto = { "200ms", "10ms", "1ms" }, cc = { "reno", "dctcp" } },
  order    = { "cc", "rto", "servers" },
  skip     = function(p) return p.cc == "dctcp" and p.rto ~= "200ms" end,
  plot     = { x = "servers", y = "goodput_pct", color = "rto", facet = "cc", log = "x" },
  expect   = {
    { "mean(goodput_pct) > 85", where = { servers = 8, rto = "1ms" } },
    { "mean(goodput_pct) < 10", where = { servers = 64, rto = "200ms", cc = "reno" } },
    { "mean(goodput_pct) > 50", where = { servers = 64, rto = "1ms" } },
  },
}

local client, servers = net:host "client", net:hosts("server", p.servers)
local marks = p.cc == "dctcp" and "20pkt" or nil
net:lan("switch", { client, servers }, { rate = "1Gbps", delay = "25us", queue = { "droptail", limit = "64KiB", ce_threshold = marks } })

local incast = net:incast { to = client, from = servers, block = "1MB", rounds = 20, cc = p.cc, rto_min = p.rto }
incast:wait()

local times = histogram "block_ms"
for _, round in ipairs(incast:rounds()) do times:add(round.time * 1000) end
record { goodput_pct = incast.goodput_mbps / 10, rounds_count = #incast:rounds() }
print(("%d servers, timeout at least %s: %.1f %% of the line rate"):format(p.servers, p.rto, incast.goodput_mbps / 10))
