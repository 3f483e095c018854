-- Row 79. A router in Lua: it answers ARP on both sides, asks for its neighbours, counts the time to live down and writes its own MAC addresses.
--   tidewire run scripts/devices/router.lua
-- Look at: how much a router has to do that a switch has not; traceroute names it because it says when the time to live has run out.

local a, b = net:host "a", net:host "b"
local native = net:router "native"
local mine = net:device("mine", { like = "router" })
net:link(a, mine)
net:link(mine, native)
net:link(native, b)

local neighbours, waiting = {}, {}                       -- MAC address by IP address; frames that wait for one

local function transmit(port, next_hop, frame)
  frame.eth = { src = port.mac, dst = neighbours[next_hop] }
  if neighbours[next_hop] then return port:send(frame) end
  waiting[next_hop] = waiting[next_hop] or {}
  table.insert(waiting[next_hop], { port, frame })
  port:send { eth = { src = port.mac, dst = "ff:ff:ff:ff:ff:ff" },
              arp = { op = "request", sender_mac = port.mac, sender_ip = port.ip, target_ip = next_hop } }
end

local function route(dst)                                -- longest prefix: here the two networks, and all else to native
  for _, port in ipairs(mine.ports) do
    if cidr(port.subnet):contains(dst) then return port, dst end
  end
  return mine.ports[2], native.ifaces[1].ip:match "[^/]+"
end

local function handle_arp(port, arp)
  neighbours[arp.sender_ip] = arp.sender_mac
  for _, held in ipairs(waiting[arp.sender_ip] or {}) do transmit(held[1], arp.sender_ip, held[2]) end
  waiting[arp.sender_ip] = nil
  if arp.op == "request" and arp.target_ip == port.ip then
    port:send { eth = { src = port.mac, dst = arp.sender_mac },
                arp = { op = "reply", sender_mac = port.mac, sender_ip = port.ip,
                        target_mac = arp.sender_mac, target_ip = arp.sender_ip } }
  end
end

mine:on_frame(function(port, frame)
  if frame.arp then return handle_arp(port, frame.arp) end
  if frame.eth.dst ~= port.mac or not frame.ip then return end
  if frame.ip.ttl <= 1 then                              -- ICMP time exceeded quotes the header and 8 bytes
    local ip, icmp = frame.ip, frame.icmp
    if not icmp then return end
    local octets = function(text) return string.char(text:match "(%d+).(%d+).(%d+).(%d+)") end
    local quote = string.pack(">BBI2I2I2BBI2", 0x45, 0, frame.size, ip.id, ip.dont_fragment and 0x4000 or 0, ip.ttl, 1, 0)
      .. octets(ip.src) .. octets(ip.dst) .. string.pack(">BBI2I2I2", icmp.type, icmp.code, 0, icmp.id, icmp.seq)
    local out, next_hop = route(ip.src)
    return transmit(out, next_hop, { ip = { src = port.ip, dst = ip.src }, icmp = { type = 11, code = 0 }, payload = quote })
  end
  frame.ip.ttl = frame.ip.ttl - 1
  local out, next_hop = route(frame.ip.dst)
  transmit(out, next_hop, frame)
end)

check(a:ping(b) ~= nil, "through my router and a native one")
local way = a:traceroute(b)
print("the way: " .. tostring(way))
check(#way == 3 and way[1].name == "mine", "my router says when the time to live has run out")
b:sink(80)
local flow = a:bulk { to = b, port = 80, size = "200kB" }
flow:wait()
check(flow.bytes_delivered == 200e3, "TCP through my router")
local hops = journey { from = a, to = b }
check(hops[2].name == "mine" and hops[2].ttl == 63 and hops[2].src_mac == mine.ports[2].mac, "hop by hop as it should be")
