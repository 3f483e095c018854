-- A call beside an upload: frames of G.711 wait in the queue of a home's uplink. How good does it sound, and what helps?
--   tidewire sweep scripts/traffic/voice.lua           or one of them: tidewire run scripts/traffic/voice.lua -p queue=droptail
-- Look at mos: 4.4 is as good as a telephone gets, below 3.1 nearly everybody complains. A long queue delays the call (the E-model
-- takes off for delay above 150 ms) or makes frames miss their turn in the playout buffer; a fair queue lets it pass. The adaptive
-- buffer saves 40 ms there; where delays change within a talk spurt (codel, droptail) it misses frames that 60 ms would have waited for.
local p = experiment {
  params   = { queue = { "droptail", "codel", "fq_codel" }, codec = { "g711", "g711_plc", "g729a_vad" }, buffer = { "60ms", "adaptive" } },
  order    = { "codec", "buffer", "queue" },
  duration = "60s",
  warmup   = "5s",
  plot     = { x = "queue", y = "mos", color = "codec", facet = "buffer", kind = "bar" },
  units    = { mos = "1" },
  expect   = {
    { "mean(mos) > 4", where = { queue = "fq_codel", codec = "g711" } },
    { "mean(mos) < 2", where = { queue = "droptail", buffer = "60ms" } },
  },
}

local home, isp, friend = net:host "home", net:router "isp", net:host "friend"
net:link(home, isp, { rate = "2Mbps", delay = "10ms", queue = { p.queue, limit = "100pkt" } })
net:link(isp, friend, { rate = "1Gbps", delay = "10ms" })

local call = home:voice { to = friend, codec = p.codec, buffer = p.buffer, talk = true }
home:bulk { to = friend, cc = "cubic", start = "2s" }

at_end(function()
  local v = call.voice
  -- Where nothing reached an ear there is no delay.
  local delay_ms = v.delay and v.delay * 1000
  print(("%s, %s: mouth to ear %s, %.1f %% of the frames not played, R %.1f, MOS %.2f")
    :format(p.codec, p.queue, delay_ms and ("%.0f ms"):format(delay_ms) or "never", v.loss_pct, v.r, v.mos))
  record { mos = v.mos, mouth_to_ear_ms = delay_ms, loss_pct = v.loss_pct, late_count = v.late }
end)
