-- Three hosts share one address: what an address translator does to packets, and what it makes impossible.
--   tidewire run scripts/services/nat.lua
-- Look at the peers that the web server sees: one address, three ports. Nobody outside knows a way to an inner address, and nothing
-- comes in that nobody inside has asked for, unless a port is opened by hand. The table forgets what is silent: the same datagram
-- that comes in after a second is refused after six minutes. With too few ports some hosts wait for others.
local core, web = net:router "core", net:host "web"
net:link(web, core, { rate = "1Gbps", delay = "10ms" })
local box = net:nat("box", { type = "port_restricted", ports = { 40000, 49999 } })
local home = net:switch "home"
net:link(box, home)
net:link(box, core, { rate = "50Mbps", delay = "5ms" })
local pc = net:hosts("pc", 3)
for _, host in ipairs(pc) do net:link(host, home, { rate = "1Gbps" }) end

print("inside ", pc[1].ip, pc[2].ip, pc[3].ip)
print("outside", box.outer)
print("routes of core\n" .. tostring(core:fib()) .. "\n")

local seen = {}
web:serve(80, function(conn, peer)
  seen[#seen + 1] = peer
  conn:send "welcome"
end)
for _, host in ipairs(pc) do
  local s = assert(host:connect(web, 80))
  assert(s:recv_all() == "welcome")
  s:close()
end
for i, peer in ipairs(seen) do
  print("the web server's guest", i, peer)
  check(peer.ip == box.outer, "all come from the outer address")
end
check(pc[1]:ping(web) ~= nil, "pings find their way back")
check(web:ping(pc[1]) == nil, "nothing leads inside")
print(pc[1]:traceroute(web))

-- A datagram out, one back in; the same six minutes later.
local u, v = pc[2]:udp(5000), web:udp(7)
u:sendto("hello", web, 7)
local _, peer = v:recvfrom()
v:sendto("answer", peer)
check(u:recvfrom { timeout = "1s" } == "answer", "the answer comes in")
print("\n" .. tostring(box:table()))
sleep "6min"
v:sendto("late", peer)
check(u:recvfrom { timeout = "1s" } == nil, "but not when the mapping is forgotten")
check(box.stats.refused == 1, "the translator has counted it")

-- A port opened by hand.
box:forward { port = 8080, to = pc[3], to_port = 80, proto = "tcp" }
pc[3]:serve(80, function(conn) conn:send "home page" end)
local s = assert(web:connect(box, 8080))
check(s:recv_all() == "home page", "the world can reach the port that was opened")
s:close()
local t = assert(pc[1]:connect(box, 8080))
check(t:recv_all() == "home page", "and so can the neighbours, by the outer address")
t:close()
print("\n" .. tostring(box:table()))
record { refused = box.stats.refused, hairpinned = box.stats.hairpinned }
