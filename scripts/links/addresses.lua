-- Row 17. IPv4 addresses are 32 bits: a network is a prefix of them, and what is left numbers its hosts. Sooner or later they run out.
--   tidewire run scripts/links/addresses.lua
-- Look at /30, the network of a line between two routers: four addresses, of which the first names the network and the last means everybody.
local function row(text)
  local c = cidr(text)
  print(("%-18s mask %-15s  %10d addresses  %10d hosts  %s"):format(
    text, c.mask, c.size, #c.hosts, c.private and "private (RFC 1918)" or ""))
  return c
end
row "0.0.0.0/0" row "10.0.0.0/8" row "172.16.0.0/12" row "192.168.1.0/24" row "203.0.113.0/24"
local line = row "10.0.0.0/30"
row "10.0.0.0/31" row "10.0.0.1/32"
check(#line.hosts == 2, "two hosts in a /30")
check(line.hosts[1] == "10.0.0.1" and line.hosts[2] == "10.0.0.2" and line.hosts[3] == nil, "by name")
check(line.broadcast == "10.0.0.3" and not line:contains "10.0.0.4", "and no more")
check(#cidr("0.0.0.0/0").hosts == 2 ^ 32 - 2, "all there are")

local halves = cidr("192.168.1.0/24"):split(25)
print("halves of 192.168.1.0/24:", halves[1], halves[2])
check(#halves == 2 and halves[2]:contains "192.168.1.200" and cidr("192.168.1.0/24"):contains(halves[1]), "subnets")

-- As many hosts as the network has room for. A third one is refused: "subnet 10.0.0.0/30 has 2 addresses for hosts, but 3 are needed".
local hosts, switch = net:hosts("h", 2), net:switch "s"
for _, host in ipairs(hosts) do net:link(host, switch) end
net:subnet("10.0.0.0/30", hosts)
for i, host in ipairs(hosts) do check(host.ip == line.hosts[i], host.name .. " has the address " .. line.hosts[i]) end
check(hosts[1]:ping(hosts[2]) ~= nil, "and they reach each other")
