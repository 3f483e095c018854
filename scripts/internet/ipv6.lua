-- Row 18. IPv6: 128 bits of address, neighbour discovery instead of ARP, a header of 40 bytes. The same program runs over both.
--   tidewire run scripts/internet/ipv6.lua -p version=6
-- Look at: who asks for whom before the first packet, the two addresses of each host, and the bytes that the longer header costs.

local p = experiment {
  name   = "ipv6",
  params = { version = { 4, 6 } },
}

-- Written in many ways, an address is still the same one.
for _, text in ipairs { "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:DB8::1", "2001:db8:0:0::0:1" } do
  check(tostring(address(text, 80)) == "[2001:db8::1]:80", text .. " is 2001:db8::1")
end

net:ipv6 { prefer = p.version == 6 }                 -- names mean IPv6 addresses, or IPv4 ones
local browser, server = net:host "browser", net:host "server"
local router = net:router "router"
local home = { rate = "100Mbps", delay = "1ms" }
local lan = net:lan("lan", { browser, router }, home)
local line = net:link(router, server, { rate = "100Mbps", delay = "5ms" })

print(browser.name, browser.ip, browser.ip6)
print(server.name, server.ip, server.ip6)

-- The program: it knows a name and a port, and nothing of addresses.
server:serve(80, function(conn)
  local request = conn:recv_line()
  conn:send("200 OK " .. request:rep(100))
end)
local conn = assert(browser:connect(server, 80))
conn:send "GET /\n"
local page = conn:recv_all()
print(#page .. " bytes from " .. tostring(conn.peer))

-- One datagram shows the headers: 8 bytes of UDP, and 20 or 40 of IP.
local before = browser.stats.tx_bytes
browser:udp():sendto("hello", server, 9)
local header = browser.stats.tx_bytes - before - 8 - #"hello"
print("IPv" .. p.version .. " header: " .. header .. " bytes")

check(#page == 507, "the page is whole")
check(header == (p.version == 6 and 40 or 20), "20 or 40 bytes of header")
check(conn.peer.ip == (p.version == 6 and server.ip6 or server.ip), "the connection uses the version asked for")

print(browser:neighbor_table())
print(router:fib())
record { header_bytes = header, page_bytes = #page }
