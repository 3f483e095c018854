-- A message every 10 ms over one TCP connection and over one QUIC connection with a stream for each, while packets are lost.
--   tidewire sweep scripts/quic/head_of_line.lua       or one of them: tidewire run scripts/quic/head_of_line.lua -p over=quic
-- Look at late_pct, the share of messages that came more than 10 ms late: TCP delivers bytes in order, so while one lost packet is repaired every message behind it waits. Streams of QUIC
-- do not wait for one another: only the message that lost a packet is late. Both use BBR, which losses do not slow down, so that
-- nothing else makes messages wait.
local p = experiment {
  params   = { over = { "tcp", "quic" }, loss = { "0%", "0.5%", "1%", "2%" } },
  order    = { "over", "loss" },
  reps     = 5,
  plot     = { x = "loss", y = { "late_pct", "p99_ms" }, color = "over" },
  expect   = {
    { "mean(late_pct) < 3", where = { over = "quic", loss = "1%" } },
    { "mean(late_pct) > 3", where = { over = "tcp", loss = "1%" } },
  },
}

local MESSAGES, SIZE, EVERY = 2000, 500, 0.010
local client, server = net:host "client", net:host "server"
net:link(client, server, { rate = "20Mbps", delay = "30ms", queue = "200pkt", forward = { loss = p.loss } })

local late, sent, delays, left = 0, {}, histogram "message_ms", MESSAGES
local all = signal()
local function arrived(n)
  local delay = (now() - sent[n]) * 1000
  delays:add(delay)
  if delay > 41 then late = late + 1 end
  left = left - 1
  if left == 0 then all:fire() end
end

if p.over == "quic" then
  server:quic_listen(443, function(conn)
    for stream in conn:streams() do
      spawn(function() arrived(tonumber(stream:recv_all():sub(1, 8))) end)
    end
  end)
  local conn = assert(client:quic_connect(server, 443, { cc = "bbr" }))
  for n = 1, MESSAGES do
    sent[n] = now()
    local stream = conn:open()
    stream:send(("%08d"):format(n) .. ("x"):rep(SIZE - 8))
    stream:finish()
    sleep(EVERY)
  end
else
  server:serve(443, function(conn)
    for n = 1, MESSAGES do
      if not conn:recv_exact(SIZE) then break end
      arrived(n)
    end
  end)
  local conn = assert(client:connect(server, 443, { nodelay = true, cc = "bbr" }))
  for n = 1, MESSAGES do
    sent[n] = now()
    conn:send(("x"):rep(SIZE))
    sleep(EVERY)
  end
end
if left > 0 then all:wait { timeout = "10s" } end

record { late_pct = 100 * late / MESSAGES, p50_ms = delays:quantile(0.5), p99_ms = delays:quantile(0.99) }
print(("%s, loss %s: %.1f %% of the messages late, 99 %% within %.0f ms")
  :format(p.over, p.loss, 100 * late / MESSAGES, delays:quantile(0.99)))
