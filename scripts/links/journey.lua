-- Rows 1, 2 and 12. One message from a host through a switch and a router to another host: layer upon layer, hop by hop.
--   tidewire run scripts/links/journey.lua
-- Look at: what each layer adds and what it calls the result; the router's MAC address on the first hop, and the IP addresses that never change.

local a = net:host("a", { tcp = { timestamps = false } })
local b = net:host("b", { tcp = { timestamps = false } })
local switch, router = net:switch "switch", net:router "router"
net:link(a, switch)
net:link(switch, router)
net:link(router, b)

local way = journey { from = a, to = b, proto = "tcp", size = 1460 }
print(way)

-- Each device works up to its own layer.
local works = {}
for _, hop in ipairs(way) do works[#works + 1] = hop.name .. " L1-L" .. hop.layer end
check(table.concat(works, ", ") == "a L1-L7, switch L1-L2, router L1-L3, b L1-L7", "hosts, switch and router")

-- Data, segment, packet, frame, and what is on the wire.
local sizes = {}
for _, unit in ipairs(way[1].pdus) do sizes[#sizes + 1] = unit.pdu .. " " .. unit.bytes end
print(table.concat(sizes, " > "))
check(table.concat(sizes, ",") == "data 1460,segment 1480,packet 1500,frame 1518,bits 1538", "sizes layer by layer")

-- Why a writes the router's MAC address and not b's: a frame never leaves its link. The IP addresses are those of the two ends.
local gateway = router.ifaces[1]
print("frame of a:      " .. way[1].src_mac .. " > " .. way[1].dst_mac .. "   packet: " .. way[1].src_ip .. " > " .. way[1].dst_ip)
print("frame of router: " .. way[3].src_mac .. " > " .. way[3].dst_mac .. "   packet: " .. way[3].src_ip .. " > " .. way[3].dst_ip)
check(way[1].dst_mac == gateway.mac, "the first frame is for the router")
check(way[3].dst_mac == b.mac and way[3].src_mac == router.ifaces[2].mac, "the last one is for b, from the router")
for _, hop in ipairs(way) do check(hop.src_ip == a.ip and hop.dst_ip == b.ip, hop.name .. " sees both ends") end
check(way[1].ttl == 64 and way[4].ttl == 63, "the router has counted one hop")
