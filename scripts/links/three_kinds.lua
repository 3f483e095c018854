-- Row 3. One program, three kinds of links below it: a bare point-to-point line, a switch, a hub. The program cannot tell.
--   tidewire sweep scripts/links/three_kinds.lua
-- Look at the answers (the same bytes each time) and at the time they took: layers below the transport differ, what they offer does not.
local p = experiment { params = { below = { "line", "switch", "hub" } } }

local client, server = net:host "client", net:host "server"
local options = { rate = "10Mbps", delay = "5us" }
if p.below == "line" then
  net:link(client, server, { rate = "10Mbps", delay = "10us", framing = "ip" })
else
  local middle = p.below == "switch" and net:switch "middle" or net:hub "middle"
  net:link(client, middle, options)
  net:link(server, middle, options)
end

-- The program: from here on nothing knows what the links are.
server:serve(80, function(conn)
  local size = tonumber(conn:recv_line())
  for i = 1, size // 10 do conn:send(("%09d\n"):format(i)) end
  conn:close()
end)

local started = now()
local s = client:connect(server, 80)
s:send "100000\n"
local answer = s:recv_all()
local sum = 0
for i = 1, #answer do sum = (sum * 31 + answer:byte(i)) % 1000003 end
print(("%-7s %d bytes with the sum %d in %.1f ms"):format(p.below, #answer, sum, (now() - started) * 1e3))
check(#answer == 100000 and sum == 927409, "every byte is there, in order")
record { sum_count = sum, ms = (now() - started) * 1e3 }
