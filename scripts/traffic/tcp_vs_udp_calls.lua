-- TCP or UDP for a call and for a film? Both under the same losses: the same packets of the link are lost for each.
--   tidewire sweep scripts/traffic/tcp_vs_udp_calls.lua
-- Look at p99_ms and mos of the call: what UDP loses is a gap of 20 ms; what TCP repairs is there, but too late, and everything
-- behind it waits too. Then at the film: over UDP it has holes (missing_pct), over TCP it is whole and stops now and then.
local p = experiment {
  params   = { proto = { "tcp", "udp" }, loss = { "0%", "0.5%", "1%", "2%", "5%" } },
  order    = { "proto", "loss" },
  reps     = 5,
  duration = "60s",
  warmup   = "2s",
  plot     = { x = "loss", y = { "mos", "p99_ms", "stalled_s" }, color = "proto" },
  units    = { mos = "1" },
  expect   = {
    -- What is lost stays lost, and nothing waits for it; 40 ms on the way. A repair takes a round trip more.
    { "mean(missing_pct) > 1.7", where = { proto = "udp", loss = "2%" } },
    { "mean(missing_pct) < 2.3", where = { proto = "udp", loss = "2%" } },
    { "mean(p99_ms) < 41", where = { proto = "udp" } },
    { "mean(p99_ms) > 120", where = { proto = "tcp", loss = "2%" } },
    { "mean(missing_pct) == 0", where = { proto = "tcp" } },
  },
}

local a, b = net:host "a", net:host "b"
-- The n-th packet's luck is the same for both.
net:link(a, b, { rate = "10Mbps", delay = "40ms", queue = "200pkt", forward = { loss = p.loss } })

-- The call: 50 frames a second of 172 bytes, played 80 ms after they were said at the latest... or not at all.
local FRAME, PLAYOUT = 172, 0.080
local call = { sent = 0, played = 0, delays = histogram "frame_ms" }
if p.proto == "udp" then
  -- Behind the first frame, which takes 40 ms.
  call.flow = a:voice { to = b, codec = "g711_plc", buffer = PLAYOUT - 0.040 }
else
  b:serve(4000, function(conn)
    for n = 0, math.huge do
      if not conn:recv_exact(FRAME) then break end
      local said = call.begin + n * 0.020
      local delay = now() - said
      if said >= 2 then
        call.delays:add(delay * 1000)
        if delay <= PLAYOUT then call.played = call.played + 1 end
      end
    end
  end)
  a:spawn(function()
    local conn = assert(a:connect(b, 4000, { nodelay = true }))
    call.begin = now()
    for n = 0, math.huge do
      conn:send(("x"):rep(FRAME))
      -- Frames that could not have been played by now do not count.
      if now() >= 2 and now() < 60 - 0.2 then call.sent = call.sent + 1 end
      sleep(math.max(0, call.begin + (n + 1) * 0.020 - now()))
    end
  end)
end

-- The film: 2 Mbit/s in pieces of 50 ms, played a second after the first piece came. A piece that is late stops the film.
local PIECE, EVERY = 12500, 0.050
local film = { stalls = 0, stalled = 0, bytes = 0 }
if p.proto == "udp" then
  film.flow = a:cbr { to = b, rate = "2Mbps", size = 1250 }
else
  b:serve(4001, function(conn)
    local shift
    for n = 0, math.huge do
      if not conn:recv_exact(PIECE) then break end
      if now() >= 2 then film.bytes = film.bytes + PIECE end
      shift = shift or now() + 1
      local late = now() - (shift + n * EVERY)
      if late > 0 then film.stalls, film.stalled, shift = film.stalls + 1, film.stalled + late, shift + late end
    end
  end)
  a:spawn(function()
    local conn = assert(a:connect(b, 4001, { cc = "cubic" }))
    local begin = now()
    for n = 1, math.huge do
      conn:send_bytes(PIECE)
      sleep(math.max(0, begin + n * EVERY - now()))
    end
  end)
end

at_end(function()
  local loss, p99, goodput, missing
  if p.proto == "udp" then
    local v = call.flow.voice
    loss, p99, goodput = v.loss_pct, call.flow.delay:p99_ms(), film.flow.goodput_mbps
    missing = 100 * (1 - film.flow.bytes_delivered / film.flow.bytes_offered)
  else
    loss, p99 = math.max(0, 100 * (1 - call.played / call.sent)), call.delays:quantile(0.99)
    goodput, missing = film.bytes * 8 / 58e6, 0
  end
  local quality = emodel { codec = "g711_plc", delay = PLAYOUT + 0.020, loss = math.min(loss, 99) / 100 }
  record { mos = quality.mos, not_played_pct = loss, p99_ms = p99, goodput_mbps = goodput, missing_pct = missing,
    stalls_count = film.stalls, stalled_s = film.stalled }
end)
