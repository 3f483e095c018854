-- How long until the first answer? TCP with TLS 1.3 needs two round trips before it may ask; QUIC one; QUIC with a ticket none.
--   tidewire run scripts/quic/handshakes.lua
-- Look at the milliseconds: with 50 ms each way the answer to the first question comes after 300, 200 and 100 ms. The last lines
-- show a client that changes its address in the middle of a download: the connection goes on, TCP's would be dead.
local client, server = net:host "client", net:host "server"
net:link(client, server, { rate = "20Mbps", delay = "50ms", queue = "200pkt" })

server:quic_listen(443, function(conn)
  for stream in conn:streams() do
    spawn(function()
      local size = tonumber(stream:recv_all())
      stream:send_bytes(size)
      stream:finish()
    end)
  end
end)
local ca = net:authority "Everyday CA"
server:http_server { tls = { cert = ca:certificate { names = { "server" } } }, pages = { ["/"] = 1000 } }
client:trust(ca)

local function ask(conn, size)
  local stream = conn:open()
  stream:send(tostring(size))
  stream:finish()
  return stream:discard()
end

client:ping(server)                      -- ARP is not what this is about
local ms = {}
local start = now()
assert(client:http_get("https://server/"))
ms.tls = (now() - start) * 1000

start = now()
local first = assert(client:quic_connect(server, 443))
assert(ask(first, 1000) == 1000)
ms.quic = (now() - start) * 1000
first:close()
sleep "1s"

start = now()
local again = assert(client:quic_connect(server, 443))
assert(ask(again, 1000) == 1000)
ms.early = (now() - start) * 1000
print(("HTTPS over TCP %.0f ms, QUIC %.0f ms, QUIC with a ticket %.0f ms"):format(ms.tls, ms.quic, ms.early))

-- In the middle of 5 MB the client's address changes.
after("1s", function() again:migrate() end)
start = now()
local got = ask(again, 5000000)
local took = now() - start
print(("%d bytes in %.1f s, through a change of address after 1 s"):format(got, took))
record { https_ms = ms.tls, quic_ms = ms.quic, early_ms = ms.early, migrated_bytes = got, migrated_s = took }
