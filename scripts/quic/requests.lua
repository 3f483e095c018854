-- How long does a question wait, at the worst? Small answers over HTTPS and over QUIC while packets are lost, one after the other.
--   tidewire sweep scripts/quic/requests.lua           or one of them: tidewire run scripts/quic/requests.lua -p over=quic -p loss=4%
-- Look at p99_ms. On a connection that is kept (how = "kept") a lost answer is missed after the smoothed round-trip time, four deviations
-- and 25 ms over QUIC, 125 ms here; over TCP after a round trip and 200 ms, as a probe for the only packet in flight would be no earlier
-- (RFC 8985 section 7.2). On a fresh connection nobody knows the round-trip time: who loses its first packet or the answer to that
-- asks again after a second (RFC 6298, RFC 9002 section 6.2.2), so that is the p99 of all of them at 4 %.
local p = experiment {
  params = { over = { "http1", "http2", "quic" }, how = { "kept", "fresh" }, loss = { "0%", "1%", "4%" } },
  order  = { "how", "over", "loss" },
  reps   = 6,
  plot   = { x = "loss", y = "p99_ms", color = "over", facet = "how" },
  expect = {
    { "mean(p99_ms) < 250", where = { over = "quic", how = "kept", loss = "4%" } },
    { "mean(p99_ms) > 300", where = { over = "http1", how = "kept", loss = "4%" } },
    -- A second, the handshake and the question: 1.12 s.
    { "mean(p99_ms) < 1200", where = { over = "quic", how = "fresh", loss = "4%" } },
    { "mean(p50_ms) < 130", where = { over = "quic", how = "fresh" } },
  },
}

local ANSWER, EVERY = 1000, 0.2
local QUESTIONS = p.how == "kept" and 400 or 200
local user, www = net:host "user", net:host "www"
net:link(user, www, { rate = "20Mbps", delay = "30ms", queue = "200pkt", backward = { loss = p.loss } })
user:ping(www, { count = 5, interval = "1ms" })        -- ARP is not what this is about

local connect, ask
if p.over == "quic" then
  www:quic_listen(443, function(conn)
    for stream in conn:streams() do
      stream:recv_all()
      stream:send_bytes(ANSWER)
      stream:finish()
    end
  end)
  -- A ticket would save a round trip.
  function connect() return assert(user:quic_connect(www, 443, { early = false })) end
  function ask(conn)
    local stream = conn:open()
    stream:send(("GET / %s"):format((" "):rep(50)))
    stream:finish()
    return stream:discard()
  end
else
  local http = p.over == "http2" and "2" or "1.1"
  local ca = net:authority "Everyday CA"
  www:http_server { http = http, pages = { ["/"] = ANSWER }, tls = { cert = ca:certificate { names = { "www" } } } }
  user:trust(ca)
  function connect() return user:http_client { http = http, connections = 1 } end
  function ask(client) return client:get "https://www/" end
end

local times, conn = histogram "answer_ms", nil
for _ = 1, QUESTIONS do
  local begun = now()
  if not conn or p.how == "fresh" then conn = connect() end
  assert(ask(conn))
  times:add((now() - begun) * 1000)
  if p.how == "fresh" and p.over == "quic" then conn:close() end
  sleep(EVERY)
end
record { p50_ms = times:quantile(0.5), p99_ms = times:quantile(0.99) }
print(("%s, %s, loss %s: half within %.0f ms, 99 %% within %.0f ms"):format(p.over, p.how, p.loss, times:quantile(0.5), times:quantile(0.99)))
stop()
