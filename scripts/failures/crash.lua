-- A server crashes and boots: its connections, caches and programs are gone, and its clients learn it late.
--   tidewire run scripts/failures/crash.lua
-- Look at: the client hears nothing while the server is down; the server that is back knows nothing of the connection and resets it.

local client, server = net:host "client", net:host "server"
net:lan("lan", { client, server }, { rate = "100Mbps", delay = "1ms" })

local function service(host)                             -- runs at the start, and again after each boot
  host:serve(80, function(conn)
    for line in conn:lines() do conn:send("echo " .. line .. "\n") end
  end)
  print(("%.1f s  the service runs"):format(now()))
end
server:on_boot(service)
service(server)

local conn = assert(client:connect(server, 80))
conn:send "one\n"
print(("%.1f s  %s"):format(now(), conn:recv_line()))

at("1s", function() server:crash() end)
at("4s", function() server:boot() end)

sleep "1.5s"
check(not server.up, "the server is down")
check(#server:sockets() == 0, "and has no sockets")
conn:send "two\n"
local answer, why = conn:recv_line { timeout = "1s" }
print(("%.1f s  %s"):format(now(), tostring(answer or why)))
check(why == "timeout", "nobody tells the client")

answer, why = conn:recv_line()
print(("%.1f s  %s: the server that is back does not know this connection"):format(now(), tostring(answer or why)))
check(why == "reset", "the retransmission meets a server without the connection")

conn = assert(client:connect(server, 80))
conn:send "three\n"
answer = conn:recv_line()
print(("%.1f s  %s"):format(now(), answer))
check(answer == "echo three", "the service is back")
