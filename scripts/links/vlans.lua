-- Two departments on the same two switches, who must not hear each other; a router passes packets between them.
--   tidewire run scripts/links/vlans.lua
-- Look at the addresses (each VLAN is a network of its own), at the table with its VLANs, and at the trunk: there a frame carries a tag
-- of four bytes (open link-s1-s2.pcapng in Wireshark).
local s1, s2 = net:switch "s1", net:switch "s2"
local trunk = net:link(s1, s2, { rate = "1Gbps", vlan = { trunk = {10, 20} } })

local hosts = {}
for _, row in ipairs { {"ann", s1, 10}, {"art", s2, 10}, {"bob", s1, 20}, {"ben", s2, 20} } do
  local name, switch, vlan = table.unpack(row)
  hosts[name] = net:host(name)
  net:link(hosts[name], switch, { rate = "100Mbps", vlan = vlan })
end
local router = net:router "r"              -- one link for each VLAN: it reads no tags
net:link(router, s1, { rate = "100Mbps", vlan = 10 })
net:link(router, s1, { rate = "100Mbps", vlan = 20 })
trunk:pcap()

for _, name in ipairs { "ann", "art", "bob", "ben" } do print(name, hosts[name].ip) end
local inside = hosts.ann:ping(hosts.art)
local across = hosts.ann:ping(hosts.bob)
print(("ann to art, over the trunk: %.1f us; ann to bob, through the router: %.1f us"):format(inside * 1e6, across * 1e6))
print("s1 has the VLANs"); print(s1:vlans())
print("and has learned");  print(s1:mac_table())

-- A broadcast of VLAN 10 reaches nobody of VLAN 20: the first datagram asks for its address with one.
local heard = hosts.bob.stats.rx_packets
local before = trunk.stats.forward.tx_packets
hosts.art:ping(hosts.ann)
check(s1:vlans()[10] and #s1:vlans()[10].access == 2, "ann and the router are in VLAN 10 of s1")
check(hosts.bob.stats.rx_packets == heard, "bob hears nothing of it")
check(next(s1:mac_table { vlan = 20 }) ~= nil, "and has a table of his own")
check(#hosts.ann:traceroute(hosts.art) == 1 and #hosts.ann:traceroute(hosts.bob) == 2, "a router stands between VLANs, a switch inside one")
record { inside_us = inside * 1e6, across_us = across * 1e6 }
