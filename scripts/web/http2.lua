-- A page of fifty objects over HTTP/1.1 with six connections and over HTTP/2 with one, on a line that loses packets.
--   tidewire sweep scripts/web/http2.lua
-- Look at load_ms without loss: HTTP/2 asks for everything at once, and is done in fewer round trips and with one handshake (each object
-- takes longer, because they share the line in turn). With
-- losses it is the other way round: all streams wait for the one lost segment, because TCP delivers in order (head-of-line
-- blocking), and one connection halves its window where one of six would. request_bytes shows what HPACK saves.
local p = experiment {
  name = "http2",
  params = { http = { "1.1", "2" }, loss = { "0%", "1%", "2%", "4%" } },
  order = { "loss", "http" },
  reps = 20,
  plot = { x = "loss", y = { "load_ms", "object_ms_mean" }, color = "http" },
}
local user, www = net:host "user", net:host "www"
local link = net:link(user, www, { rate = "20Mbps", delay = "40ms", queue = "100pkt", backward = { loss = p.loss } })

local OBJECTS, SIZE = 50, "20kB"
local pages = {}
for i = 1, OBJECTS do pages["/" .. i .. ".png"] = SIZE end
local server = www:http_server { http = p.http, pages = pages }
local client = user:http_client { http = p.http, connections = 6 }
assert(user:ping(www))

local asked = 0                                        -- bytes of requests, without those of TCP and below
link:on("packet", function(pkt) if pkt.dport == 80 then asked = asked + pkt.payload_len end end)
local begun, all, times, whole = now(), {}, histogram "object_ms", 0
for i = 1, OBJECTS do
  all[i] = spawn(function()
    local res = assert(client:get("http://www/" .. i .. ".png"))
    whole = whole + (res.status == 200 and res.size == 20000 and 1 or 0)
    times:add(res.total * 1e3)
  end)
end
wait_all(all)
local took = now() - begun
client:close()

check(whole == OBJECTS, "all of them, whole")
print(("HTTP/%-3s  loss %-3s  %d connections  %.0f ms, %d bytes of requests"):format(p.http, p.loss, server.connections, took * 1e3, asked))
record { load_ms = took * 1e3, connections_count = server.connections, request_bytes = asked }
