-- Row 79. A learning switch in fifteen lines of Lua, between hosts and a switch that is not written in Lua.
--   tidewire run scripts/devices/switch.lua
-- Look at: the table that grows with each frame, and what is flooded before it has grown.

local hosts = net:hosts("h", 3)
local native = net:switch "native"
local mine = net:device "mine"
net:link(hosts[1], mine)
net:link(hosts[2], mine)
net:link(mine, native)
net:link(native, hosts[3])

local port_of, floods = {}, 0                            -- by MAC address: the port behind which it is
mine:on_frame(function(port, frame)
  port_of[frame.eth.src] = port                          -- learn
  local out = port_of[frame.eth.dst]
  if out then
    if out ~= port then out:send(frame) end              -- known: one port
  else
    floods = floods + 1
    for _, other in ipairs(mine.ports) do                -- unknown, or for everybody: all others
      if other ~= port then other:send(frame) end
    end
  end
end)

check(hosts[1]:ping(hosts[3]) ~= nil, "through both switches")
check(hosts[2]:ping(hosts[1]) ~= nil, "through mine alone")
local before = floods
check(hosts[3]:ping(hosts[2]) ~= nil and hosts[1]:ping(hosts[2]) ~= nil, "everybody reaches everybody")
print("floods: " .. before .. " at first, " .. floods .. " in all")
for mac, port in pairs(port_of) do print(mac, "behind " .. tostring(port)) end

-- TCP does not notice: a file from one to the other.
hosts[3]:sink(80)
local flow = hosts[1]:bulk { to = hosts[3], port = 80, size = "1MB" }
flow:wait()
check(flow.bytes_delivered == 1e6, "a file arrives")
check(native:mac_table()[hosts[1].mac] ~= nil, "the native switch has learned whom mine leads to")
