-- A swarm that shares a home's uplink: with TCP's usual congestion control, and with LEDBAT, which yields (RFC 6817).
--   tidewire sweep scripts/p2p/ledbat.lua
-- Look at mos, then at upload_mbps. The home has 2 Mbit/s up and a buffer that holds more than half a second. Its seed sends to four peers
-- outside at once and fills that with CUBIC: every frame of a telephone call comes too late to be played, and one upload gets the
-- fifth part that it may expect against four. With LEDBAT the queue stays near the target of 100 ms, the upload gets nearly
-- all, and when nobody else needs the line the swarm has it.
local p = experiment {
  name   = "ledbat",
  params = { cc = { "cubic", "ledbat" }, rival = { "none", "call", "upload" } },
  expect = { { "min(mos) > 3.5", where = { cc = "ledbat", rival = "call" } }, { "max(mos) < 2.5", where = { cc = "cubic", rival = "call" } },
             { "min(upload_mbps) > 1.5", where = { cc = "ledbat", rival = "upload" } } },
  plot   = { { x = "rival", y = "swarm_mbps", color = "cc" }, { x = "cc", y = "mos", where = { rival = "call" } },
             { x = "cc", y = "upload_mbps", where = { rival = "upload" } } },
}
local UP, BEGIN, END = 2, 10, 40                                -- Mbit/s; the rival is there from 10 s to 40 s
local home, core, switch = net:router "home", net:router "core", net:switch "switch"
local uplink = net:link(home, core, { delay = "15ms", forward = { rate = UP .. "Mbps", queue = "100pkt" }, backward = { rate = "20Mbps" } })
net:link(switch, home, { rate = "1Gbps" })
local seed, pc = net:host "seed", net:host "pc"
for _, host in ipairs { seed, pc } do net:link(host, switch, { rate = "1Gbps" }) end
local peers, far = net:hosts("peer", 4), net:host "far"
for _, host in ipairs { peers, { far } } do
  for _, one in ipairs(host) do net:link(one, core, { rate = "20Mbps", delay = "5ms" }) end
end

local swarm = net:swarm { seed = seed, peers = peers, size = "50MB", cc = p.cc, slots = 4, interval = "2s" }
local call, upload
if p.rival == "call" then call = pc:voice { to = far, start = BEGIN, stop = END, codec = "g711_plc", buffer = "100ms" } end
if p.rival == "upload" then upload = pc:bulk { to = far, start = BEGIN, stop = END } end
local before
at(BEGIN, function() before = swarm:peer(seed).uploaded end)
sleep(END)
local swarm_mbps = (swarm:peer(seed).uploaded - before) * 8e-6 / (END - BEGIN)
sleep(1)
local voice = call and call.voice
local row = { swarm_mbps = swarm_mbps, upload_mbps = upload and upload.goodput_mbps, mos = call and call.mos,
              call_ms = voice and voice.played > 0 and voice.delay * 1e3 or nil, lost_pct = voice and voice.loss_pct }
print(("%s, %s: swarm %.2f Mbit/s%s%s"):format(p.cc, p.rival, swarm_mbps,
  upload and (", upload %.2f Mbit/s"):format(row.upload_mbps) or "",
  voice and (", call: %.1f %% not played, MOS %.2f"):format(row.lost_pct, row.mos) or ""))
if p.rival == "none" then check(swarm_mbps > 0.85 * UP, "alone, it has the line") end
record(row)
stop()
