-- A page of twenty pictures over HTTPS (HTTP/1.1 on six connections, HTTP/2 on one) and over QUIC, while packets are lost.
--   tidewire sweep scripts/quic/web_page.lua           or one of them: tidewire run scripts/quic/web_page.lua -p over=quic -p loss=2%
-- Look at first_ms without loss: TCP, TLS 1.3 and the question are three round trips of 60 ms, QUIC and the question two. Then at
-- load_ms: losses make windows small. Six connections have six windows, of which a loss shrinks one; HTTP/2 and QUIC have one, and
-- it is the same for both. What QUIC saves is the first round trip, and the waiting of one object for the packets of another. Pictures
-- that take turns are all there at the end; one after the other they are there in half the time on average under loss (object_ms_mean).
local p = experiment {
  params   = { over = { "http1", "http2", "quic", "quic_in_order" }, loss = { "0%", "0.5%", "1%", "2%", "4%" } },
  order    = { "over", "loss" },
  reps     = 20,
  plot     = { x = "loss", y = { "load_ms", "object_ms_mean" }, color = "over" },
  expect   = {
    { "mean(first_ms) > 180", where = { over = "http2", loss = "0%" } },
    { "mean(first_ms) < 200", where = { over = "http2", loss = "0%" } },
    { "mean(first_ms) > 120", where = { over = "quic", loss = "0%" } },
    { "mean(first_ms) < 140", where = { over = "quic", loss = "0%" } },
  },
}

local OBJECTS, SIZE, ANSWER = 20, 20000, 150           -- of a picture, and of what an answer says of it
local user, www = net:host "user", net:host "www"
net:link(user, www, { rate = "20Mbps", delay = "30ms", queue = "200pkt", backward = { loss = p.loss } })
user:ping(www)                           -- ARP is not what this is about

local connect
local get                                -- asks for a picture; gives the bytes that came and when the first did
if p.over:find "quic" then
  www:quic_listen(443, function(conn)
    for stream in conn:streams() do
      spawn(function()
        stream:recv_all()
        stream:send_bytes(ANSWER + SIZE)
        stream:finish()
      end)
    end
  end, { schedule = p.over == "quic" and "turns" or "in_order" })
  local conn
  function get(i)
    local stream = conn:open()
    stream:send(("GET /%d.png"):format(i) .. (" "):rep(40))
    stream:finish()
    local first = #assert(stream:recv())
    local at = now()
    return first + stream:discard() - ANSWER, at
  end
  connect = function() conn = assert(user:quic_connect(www, 443)) end
else
  local http, pages = p.over == "http2" and "2" or "1.1", {}
  for i = 1, OBJECTS do pages["/" .. i .. ".png"] = SIZE end
  local ca = net:authority "Everyday CA"
  www:http_server { http = http, pages = pages, tls = { cert = ca:certificate { names = { "www" } } } }
  user:trust(ca)
  local client = user:http_client { http = http, connections = 6 }
  function get(i)
    local begun = now()
    local res = assert(client:get("https://www/" .. i .. ".png"))
    return res.size, begun + res.ttfb
  end
  connect = function() end
end

local begun, times, first, whole, all = now(), histogram "object_ms", math.huge, 0, {}
connect()
for i = 1, OBJECTS do
  all[i] = spawn(function()
    local size, at = get(i)
    whole = whole + (size == SIZE and 1 or 0)
    times:add((now() - begun) * 1000)
    first = math.min(first, at)
  end)
end
wait_all(all)
local took = now() - begun

check(whole == OBJECTS, "all of them, whole")
print(("%s, loss %s: the first byte after %.0f ms, everything after %.0f ms"):format(p.over, p.loss, (first - begun) * 1000, took * 1000))
record { load_ms = took * 1000, first_ms = (first - begun) * 1000 }
