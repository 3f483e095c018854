-- Many answers at once: a host asks n servers for a block of 1 MB, each for its part, and asks again when the last part is there.
--   tidewire sweep scripts/traffic/incast.lua          or one of them: tidewire run scripts/traffic/incast.lua -p servers=40 -p rto=200ms
-- Look at goodput_pct: all parts arrive at one port of a switch at the same time. When its buffer overflows, somebody loses the
-- last packets of his part, and nothing but a timeout tells him. A block takes 8.6 ms with headers: 93 %. With a timeout of at least
-- 200 ms it takes 208.6 ms: 3.8 %. With one of 1 ms, and a timeout after each buffer of 43 packets at worst, 16 x (0.5 + 1) ms: 33 %.
-- DCTCP keeps the buffer short as long as windows of two packets fit: 8 x 2 do, 64 x 2 do not. Few servers suffer as well with a
-- timeout of 200 ms: one block in seven takes a timeout, because the last packet of a part was lost alone.
local p = experiment {
  params   = { servers = { 4, 8, 16, 32, 64 }, rto = { "200ms", "10ms", "1ms" }, cc = { "reno", "dctcp" } },
  order    = { "cc", "rto", "servers" },
  skip     = function(p) return p.cc == "dctcp" and p.rto ~= "200ms" end,
  plot     = { x = "servers", y = "goodput_pct", color = "rto", facet = "cc", log = "x" },
  expect   = {
    "mean(goodput_pct) < 93.1",
    { "mean(goodput_pct) > 88", where = { servers = 8, cc = "dctcp" } },
    { "mean(goodput_pct) < 4.2", where = { servers = 64, rto = "200ms" } },
    { "mean(goodput_pct) > 3.4", where = { servers = 64, rto = "200ms" } },
    { "mean(goodput_pct) > 33", where = { servers = 64, rto = "1ms" } },
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
