-- Row 18. An IPv6 host that nobody configured: it asks for routers, makes an address of what they advertise and of its own MAC
-- address, asks whether anybody has it already, and only then uses it (RFC 4861, RFC 4862).
--   tidewire run scripts/internet/slaac.lua
-- Look at: the solicitation from fe80::, the advertisement with the network, the test from the unspecified address, which nobody
-- answers, and the router's link-local address in the host's table of routes.

experiment { name = "slaac" }

net:ipv6()
local laptop = net:host("laptop", { ip6 = "slaac" })
local router, server = net:router "router", net:host "server"
net:lan("lan", { laptop, router }, { rate = "100Mbps", delay = "1ms" })
net:link(router, server, { rate = "1Gbps", delay = "10ms" })

local seen = {}
laptop:sniff("ip6", function(pkt)
  if pkt.proto == "icmp" then seen[#seen + 1] = ("%7.3f s  %s"):format(now(), tostring(pkt)) end
end)
check(laptop.ip6 == nil, "nobody has configured an address")
local address = assert(laptop:wait_address())
local took = now()
print(("%s makes itself %s of its MAC address %s in %.3f s"):format(laptop.name, address, laptop.mac, took))
print(table.concat(seen, "\n"))

check(took > 1 and took < 3, "up to 1 s before asking, up to 0.5 s for the answer, 1 s of test")
check(assert(laptop:ping(server.ip6)), "and it reaches the world")
print(laptop:fib())
record { seconds = took }
