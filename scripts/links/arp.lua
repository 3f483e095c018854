-- Row 11. From IP address to MAC address: ARP asks everybody, the owner answers, and the answer is remembered for a while.
--   tidewire run scripts/links/arp.lua
-- Look at the first ping, which waits for the answer, at the second, which does not, and at the table after 20 minutes.
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "5ms" })
local talk = ladder(a, b)

local first = a:ping(b)
local second = a:ping(b)
print(talk)
print(("first ping %.3f ms, second %.3f ms"):format(first * 1000, second * 1000))
check(first > second, "the first also asks for the address")
local rows = talk:rows()
check(rows[1].proto == "arp" and rows[1].from == "a" and rows[2].proto == "arp" and rows[2].from == "b", "a asks, b answers")
for ip, mac in pairs(a:arp_table()) do print("a remembers", ip, "is at", mac) end
check(a:arp_table()[b.ip] == b.mac, "the answer is remembered")

sleep "20min"
sleep "1s"
check(next(a:arp_table()) == nil, "and forgotten after its time")
print(("20 minutes later a has to ask again: %.3f ms"):format(a:ping(b) * 1000))
record { first_ms = first * 1000, second_ms = second * 1000 }
