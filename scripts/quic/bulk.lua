-- One large transfer over TCP and over QUIC, with the same luck of packets.
--   tidewire sweep scripts/quic/bulk.lua               or one of them: tidewire run scripts/quic/bulk.lua -p over=quic -p loss=1%
-- Look at took_s: both use the same congestion control, so where losses are the limit they are equally fast. Reno comes to
-- 1.22 MSS / (RTT sqrt(loss)) (Mathis et al. 1997), in which the size of packets counts: QUIC begins with datagrams of 1200 bytes
-- (RFC 9000) and finds out that the path carries more (RFC 8899). With max_datagram = 1200 it would stay a fifth slower.
local p = experiment {
  params   = { over = { "tcp", "quic" }, cc = { "reno", "cubic" }, loss = { "0.5%", "1%", "2%", "4%" } },
  order    = { "cc", "over", "loss" },
  reps     = 8,
  plot     = { x = "loss", y = "took_s", color = "over", facet = "cc" },
  units    = { over_formula = "1" },
  expect   = {
    { "mean(over_formula) > 0.8", where = { cc = "reno", loss = "2%" } },
    { "mean(over_formula) < 1.2", where = { cc = "reno", loss = "2%" } },
  },
}

local SIZE = 3e6
local client, server = net:host "client", net:host "server"
net:link(client, server, { rate = "20Mbps", delay = "30ms", queue = "200pkt", forward = { loss = p.loss } })
client:ping(server)                      -- ARP is not what this is about

local done = signal()
local begun, conn
if p.over == "quic" then
  server:quic_listen(443, function(conn)
    conn:accept():discard()
    done:fire()
  end)
  conn = assert(client:quic_connect(server, 443, { cc = p.cc }))
  begun = now()
  local stream = conn:open()
  stream:send_bytes(SIZE)
  stream:finish()
else
  server:serve(443, function(conn)
    conn:discard()
    done:fire()
  end)
  conn = assert(client:connect(server, 443, { cc = p.cc }))
  begun = now()
  conn:send_bytes(SIZE)
  conn:close()
end
done:wait()

local took, loss = now() - begun, tonumber((p.loss:gsub("%%", ""))) / 100
local goodput, formula = SIZE * 8 / took, math.sqrt(1.5 / loss) * 1448 * 8 / 0.0606
record { took_s = took, goodput_mbps = goodput / 1e6, over_formula = goodput / formula }
print(("%s, %s, loss %s: %.1f s, %.2f Mbit/s, %.2f times the formula"):format(p.over, p.cc, p.loss, took, goodput / 1e6, goodput / formula))
