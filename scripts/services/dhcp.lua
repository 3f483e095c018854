-- Hosts without configuration: four messages give each an address, a mask, a gateway and a name server.
--   tidewire run scripts/services/dhcp.lua
-- Look at the lease: at half of it the server is asked for more time, and a host that nobody answers has to stop using its address. The
-- pool here has two addresses, so the third host gets none and says so after a minute; behind a router without a server, a relay helps.
-- DISCOVER and REQUEST go to everybody, from 0.0.0.0, because the host has no address to be answered at (capture a link to see them).
local router, server, far = net:router "router", net:host "server", net:router "far"
local lan, branch = net:switch "lan", net:switch "branch"
local pc = net:hosts("pc", 3, { ip = "dhcp" })
local remote = net:host("remote", { ip = "dhcp" })
local fast = { rate = "1Gbps", delay = "100us" }
for _, node in ipairs { router, server, pc[1], pc[2], pc[3] } do net:link(node, lan, fast) end
net:link(router, far, { rate = "100Mbps", delay = "5ms" })
net:link(far, branch, fast)
net:link(remote, branch, fast)
net:subnet("10.1.0.0/24", { router, lan })
net:subnet("10.2.0.0/24", { far, branch })

server:dhcp_server { pool = 2, lease = "10min", dns = server }
server:dhcp_server { pool = "10.2.0.50-10.2.0.99", lease = "1h" }
far:dhcp_relay { to = server }

check(pc[1].ip == nil, "no address at the start")
local ip = pc[1]:wait_address { timeout = "10s" }
local took = now()
local lease = pc[1]:lease()
print(("%s got %s mask %s gateway %s dns %s for %g s, after %.3f s"):format(pc[1].name, ip, lease.mask,
  lease.gateway, lease.dns[1], lease.lease, now()))
check(lease.gateway == "10.1.0.1" and lease.mask == "255.255.255.0" and lease.dns[1] == server.ip, "all that it needs")
check(pc[1]:ping(far) ~= nil, "it reaches other networks")

-- Through the relay.
check(remote:wait_address() == "10.2.0.50", "the relay's network decides which pool")
local stats = remote.stats
print(("%s sent %d messages and heard %d"):format(remote.name, stats.tx_packets, stats.rx_packets))
check(stats.tx_packets == 2 and stats.rx_packets == 2, "DISCOVER, OFFER, REQUEST, ACK")
check(remote:ping(pc[1]) ~= nil, "and both can talk")

-- The pool is exhausted.
local second, third = pc[2].ip or pc[3].ip, nil
local unlucky = pc[2].ip and pc[3] or pc[2]
local got, why = unlucky:wait_address()
print(("%s: %s, at %.0f s"):format(unlucky.name, why, now()))
check(second ~= nil and got == nil and why == "no answer", "two addresses are enough for two")
print(server:leases())

-- Renewal: at 300 s, and again; the address stays.
sleep "20min"
check(pc[1].ip == ip, "the address is kept as long as the server agrees")
print(("%s renews in %.0f s"):format(pc[1].name, pc[1]:lease().renew_in))

-- One gives its address back; the unlucky one asks again after five minutes of rest.
local lucky = unlucky == pc[3] and pc[2] or pc[3]
lucky:dhcp_release()
check(lucky.ip == nil, "given back")
unlucky:dhcp_renew()
check(unlucky:wait_address { timeout = "10min" } == second, "and given away again")

-- The server falls silent: the lease runs out.
net:find("server-lan"):disable()
sleep "11min"
check(pc[1].ip == nil, "after the lease the address is gone")
check(pc[1]:ping(far) == nil, "and nothing can be reached")
print(server:leases())
record { address_after_s = took }
