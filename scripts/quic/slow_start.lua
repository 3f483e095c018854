-- How much is lost when CUBIC begins? One large transfer over TCP, over TCP that paces, and over QUIC, which paces always.
--   tidewire sweep scripts/quic/slow_start.lua         or one of them: tidewire run scripts/quic/slow_start.lua -p over=quic -p queue=50pkt
-- Look at dropped_count. HyStart leaves slow start when acknowledgments come in one train for half a round trip; whoever paces spreads its
-- packets over half a round trip anyway, so then it has to be a whole one (as in Linux). By then the window is twice as large, a round
-- trip of packets follows, and what the queue does not hold is lost, once. With a short queue TCP without pacing loses less then and is
-- slower nevertheless: bursts end its slow start too early. A queue of a round trip (167 packets here) makes all of them equally fast.
local p = experiment {
  params = { over = { "tcp", "tcp_paced", "quic" }, queue = { "10pkt", "20pkt", "50pkt", "200pkt" } },
  order  = { "over", "queue" },
  plot   = { x = "queue", y = { "dropped_count", "goodput_mbps" }, color = "over" },
  expect = {
    { "mean(goodput_mbps) > 15", where = { over = "quic" } },
    { "mean(dropped_count) < 250", where = { over = "quic" } },
    { "mean(dropped_count) > 100", where = { over = "tcp_paced" } },
    { "mean(goodput_mbps) < 12", where = { over = "tcp", queue = "10pkt" } },
  },
}

local SIZE = 20e6
local client, server = net:host "client", net:host "server"
local link = net:link(client, server, { rate = "20Mbps", delay = "50ms", queue = p.queue })
client:ping(server)                      -- ARP is not what this is about

local begun, took
if p.over == "quic" then
  local conn, done = nil, signal()
  server:quic_listen(443, function(c)
    c:accept():discard()
    done:fire()
  end)
  conn = assert(client:quic_connect(server, 443, { cc = "cubic" }))
  begun = now()
  local stream = conn:open()
  stream:send_bytes(SIZE)
  stream:finish()
  done:wait()
else
  local done = signal()
  server:serve(443, function(c)
    c:discard()
    done:fire()
  end)
  local conn = assert(client:connect(server, 443, { cc = "cubic", pacing = p.over == "tcp_paced" }))
  begun = now()
  conn:send_bytes(SIZE)
  conn:close()
  done:wait()
end
took = now() - begun

local dropped, goodput = link:forward().stats.drops.queue, SIZE * 8 / took / 1e6
record { dropped_count = dropped, goodput_mbps = goodput, took_s = took }
print(("%s, queue of %s: %d packets dropped, %.1f Mbit/s"):format(p.over, p.queue, dropped, goodput))
