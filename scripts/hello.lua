-- Two hosts, one link. The script itself is a process: blocking calls work at top level.
--   tidewire run scripts/hello.lua
-- Look at the two pings: the first one also has to ask for bob's MAC address (ARP), which takes a round trip of its own.
local alice = net:host "alice"
local bob   = net:host "bob"
net:link(alice, bob, { rate = "10Mbps", delay = "20ms" })

for i = 1, 2 do
  local rtt = assert(alice:ping(bob))
  print(("ping %d alice -> bob: %.1f ms"):format(i, rtt * 1000))
end

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
