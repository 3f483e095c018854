-- What happens when is a table in a file: a link gets slow, long, lossy, and goes down; a server crashes and boots.
--   tidewire run scripts/failures/timetable.lua
-- Look at scripts/failures/timetable.csv, and at the goodput between its lines: the download meets each of them.
experiment { duration = "60s" }

local client, server = net:host "client", net:host "server"
local west, east     = net:router "west", net:router "east"
local access         = { rate = "100Mbps", delay = "1ms" }
net:link(client, west, access)
net:link(east, server, access)
net:link(west, east, { rate = "10Mbps", delay = "20ms", queue = "50pkt" })
net:schedule "timetable.csv"

-- The server sends as long as it lives; a client that is cut off connects again.
local function serve()
  server:serve(80, function(conn) while conn:send_bytes "64KiB" do end end)
end
serve()
server:on_boot(serve)

local bytes, connections = 0, 0
client:spawn(function()
  while true do
    local conn = client:connect(server, 80, { timeout = "1s" })
    if conn then
      connections = connections + 1
      while true do
        local n = conn:discard(65536, { timeout = "3s" })
        if not n then break end
        bytes = bytes + n
      end
      conn:abort()
    end
    sleep "500ms"
  end
end)

print "   from      to   goodput"
local phases = { 0, 10, 20, 30, 40, 45, 50, 55, 60 }
local rates = {}
for i = 2, #phases do
  local before = bytes
  sleep(phases[i] - now() - (phases[i] == 60 and 0.001 or 0))
  rates[i - 1] = (bytes - before) * 8 / 1e6 / (phases[i] - phases[i - 1])
  print(("%5d s %5d s   %5.2f Mbit/s"):format(phases[i - 1], phases[i], rates[i - 1]))
end
record { slow_mbps = rates[2], lossy_mbps = rates[4], connections_count = connections }
check(rates[1] > 8 and rates[2] < 2 and rates[2] > 1.5, "2 Mbit/s from 10 s on")
check(rates[3] > 5, "10 Mbit/s again, though further away")
check(rates[4] < 4, "one in twenty is lost")
check(rates[5] < 0.1, "nothing while the link is down")
check(rates[7] < 0.5 and rates[8] > 1, "only what was under way from a crashed server; it boots and serves again")
