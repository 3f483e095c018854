-- Two hosts, one link. The script itself is a process: blocking calls work at top level.
--   tidewire run scripts/hello.lua
-- Look at the round-trip time: twice 20 ms of propagation, and the time to put 98 bytes on a 10 Mbit/s wire, twice.
local alice = net:host "alice"
local bob   = net:host "bob"
net:link(alice, bob, { rate = "10Mbps", delay = "20ms" })

local rtt = assert(alice:ping(bob))
print(("ping alice -> bob: %.1f ms"):format(rtt * 1000))

-- The classic pair of programs: bind, listen, accept / connect, send, recv, close.
bob:spawn(function()
  local server = bob:tcp()
  server:bind(9999)
  server:listen()
  local conn, addr = server:accept()
  print("bob accepted", addr, "who says:", conn:recv(100))
  conn:send "Hello, client"
  conn:close()
  server:close()
end)

local sock = alice:tcp()
assert(sock:connect(bob, 9999))
sock:send "Hello, server"
print("alice got:", sock:recv(100))
sock:close()
