-- Row 22. Three segments open a connection: SYN, SYN ACK, ACK.
--   tidewire run scripts/tcp/handshake.lua
-- Look at the ladder: each arrow takes 10 ms and the time of 60 or 52 bytes on a 10 Mbit/s wire. connect() returns when the second arrow has
-- arrived: after exactly one round trip. accept() returns half a round trip later.
local client, server = net:host "client", net:host "server"
net:link(client, server, { rate = "10Mbps", delay = "10ms", framing = "ip" })

-- The states of both ends, whenever they change.
local states = { client = {}, server = {} }
local function show(host, state)
  local list = states[host.name]
  if list[#list] == state then return end
  list[#list + 1] = state
  print(("%8.3f ms  %-6s  %s"):format(now() * 1e3, host.name, state))
end
local function state_of_server()
  local best = "LISTEN"
  for _, s in ipairs(server:sockets()) do
    if s.peer then best = s.state end                -- the child of the listening socket, before anybody accepts it
  end
  return best
end

local listener = server:listen(80)
local socket = client:tcp()
show(client, socket.state)
show(server, state_of_server())
every("1us", function() show(client, socket.state) show(server, state_of_server()) end)

local picture = ladder(client, server)
server:spawn(function()
  listener:accept()
  record { accept_ms = now() * 1e3 }
end)

assert(socket:connect(server, 80))
local took, bit_time = now(), 1 / bits_per_s "10Mbps"
local rtt = 2 * seconds "10ms" + 2 * 60 * 8 * bit_time
record { connect_ms = took * 1e3, round_trips = took / rtt }
check(math.abs(took - rtt) < 1e-9, "connect() took one round trip: %.6f ms", rtt * 1e3)
sleep "20ms"
print(picture)
print("client: " .. table.concat(states.client, " -> "))
print("server: " .. table.concat(states.server, " -> "))
print(("connect() returned after %.3f ms; one round trip of 60-byte segments takes %.3f ms"):format(took * 1e3, rtt * 1e3))
