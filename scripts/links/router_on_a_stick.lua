-- Row 10. A router on a stick: one link to the switch carries both VLANs, told apart by tags, and what goes from one to the other
-- passes it twice.
--   tidewire run scripts/links/router_on_a_stick.lua
-- Look at: the router's interfaces, one for each VLAN, the two tags of one echo request on the trunk, and the rate that is left when
-- both directions share it.

local switch, router = net:switch "switch", net:router "router"
local ann, bob = net:host "ann", net:host "bob"
net:link(ann, switch, { rate = "100Mbps", vlan = 10 })
net:link(bob, switch, { rate = "100Mbps", vlan = 20 })
local stick = net:link(router, switch, { rate = "100Mbps", vlan = { trunk = {10, 20} } })

for _, iface in ipairs(router.ifaces) do print("router", iface.ip) end
local before = stick.stats.backward.tx_packets
check(ann:ping(bob) ~= nil, "the router knows both networks")
local first = stick.stats.backward.tx_packets - before
before = stick.stats.backward.tx_packets
local rtt = ann:ping(bob)
print(("a ping takes %.1f us; up to the router went %d frames at first (two of them ARP), then %d"):format(
  rtt * 1e6, first, stick.stats.backward.tx_packets - before))
check(stick.stats.backward.tx_packets - before == 2, "request and reply pass the stick upwards, and downwards again")
check(#ann:traceroute(bob) == 2, "one router stands between")

-- 100 Mbit/s each way are enough for one direction between the VLANs ...
bob:sink(80)
ann:sink(80)
local one = ann:bulk { to = bob, port = 80, size = "10MB" }
one:wait()
-- ... and for two at the same time no more than half of each.
local there, back = ann:bulk { to = bob, port = 80, size = "10MB" }, bob:bulk { to = ann, port = 80, size = "10MB" }
there:wait()
back:wait()
local alone, shared = one.goodput / 1e6, (there.goodput + back.goodput) / 1e6
print(("ann to bob alone: %.1f Mbit/s; both directions together: %.1f Mbit/s"):format(alone, shared))
check(shared < 1.1 * alone, "the stick is the bottleneck of both directions together")
record { rtt_us = rtt * 1e6, alone_mbps = alone, shared_mbps = shared }
