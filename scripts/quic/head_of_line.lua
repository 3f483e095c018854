-- Small pictures over one TCP connection and over one QUIC connection with a stream for each, while packets are lost.
--   tidewire sweep scripts/quic/head_of_line.lua       or one of them: tidewire run scripts/quic/head_of_line.lua -p over=quic
-- Look at late_pct, the share of pictures that came more than 10 ms late. A picture is one packet, one every 45 ms. TCP delivers bytes
-- in order (head-of-line blocking): the next picture's acknowledgment shows a gap after 45 + 60 ms, RACK waits 15 ms for packets out of
-- order, the repair takes 30 ms; what was sent 45 and 90 ms after the lost one is there and waits. So one loss makes three late:
-- 1 - (1 - loss)^3. Of QUIC only the lost one is. That is as long as the window does not matter. CUBIC's is two packets after a few
-- losses, as little as these pictures need, and then two more wait at the sender for the one that is lost: three are late over
-- QUIC, and four over TCP, where one of them waits anyway. What was measured is between the two (over_least, over_most).
local p = experiment {
  params   = { over = { "tcp", "quic" }, loss = { "0%", "0.5%", "1%", "2%", "5%" } },
  order    = { "over", "loss" },
  reps     = 8,
  plot     = { x = "loss", y = { "late_pct", "p99_ms" }, color = "over" },
  units    = { over_least = "1", over_most = "1" },
  expect   = {
    { "mean(late_pct) == 0", where = { loss = "0%" } },
    "mean(over_least) > 0.85",
    "mean(over_most) < 1.25",              -- repairs are lost too
  },
}

local PICTURES, SIZE, EVERY = 2000, 1000, 0.045
local client, server = net:host "client", net:host "server"
net:link(client, server, { rate = "20Mbps", delay = "30ms", queue = "200pkt", forward = { loss = p.loss } })
client:ping(server)                      -- ARP is not what this is about

local late, begun, delays, left = 0, nil, histogram "picture_ms", PICTURES
local all = signal()
local function arrived(n)
  -- Since it was there, not since somebody had time to send it.
  local delay = (now() - begun - n * EVERY) * 1000
  delays:add(delay)
  if delay > 30 + 10 then late = late + 1 end
  left = left - 1
  if left == 0 then all:fire() end
end
local function picture(n) return ("%08d"):format(n) .. ("x"):rep(SIZE - 8) end

if p.over == "quic" then
  server:quic_listen(443, function(conn)
    for stream in conn:streams() do
      spawn(function() arrived(tonumber(stream:recv_all():sub(1, 8))) end)
    end
  end)
  local conn = assert(client:quic_connect(server, 443))
  begun = now()
  for n = 1, PICTURES do
    sleep(math.max(0, begun + n * EVERY - now()))
    local stream = conn:open()
    stream:send(picture(n))
    stream:finish()
  end
else
  server:serve(443, function(conn)
    for n = 1, PICTURES do
      if not conn:recv_exact(SIZE) then break end
      arrived(n)
    end
  end)
  local conn = assert(client:connect(server, 443, { nodelay = true }))
  begun = now()
  for n = 1, PICTURES do
    sleep(math.max(0, begun + n * EVERY - now()))
    conn:send(picture(n))
  end
end
if left > 0 then all:wait { timeout = "10s" } end

local late_pct, loss = 100 * late / PICTURES, tonumber((p.loss:gsub("%%", ""))) / 100
local function theory(packets) return 100 * (1 - (1 - loss) ^ packets) end
local least, most = theory(p.over == "quic" and 1 or 3), theory(p.over == "quic" and 3 or 4)
record { late_pct = late_pct, p50_ms = delays:quantile(0.5), p99_ms = delays:quantile(0.99),
  over_least = loss > 0 and late_pct / least or 1, over_most = loss > 0 and late_pct / most or 1 }
print(("%s, loss %s: %.1f %% of the pictures late (%.1f to %.1f %% expected), 99 %% within %.0f ms")
  :format(p.over, p.loss, late_pct, least, most, delays:quantile(0.99)))
