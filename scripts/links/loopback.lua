-- Row 4. What a host sends to itself never reaches the wire.
--   tidewire run scripts/links/loopback.lua
-- Look at the bytes that crossed the link: none, although a ping and a conversation took place.
local a, b = net:host "a", net:host "b"
local link = net:link(a, b, { rate = "10Mbps", delay = "5ms" })

print(("ping 127.0.0.1: %.3f ms"):format(a:ping("127.0.0.1") * 1000))
a:serve(8080, function(conn) conn:send("you said: " .. conn:recv_line() .. "\n") end)
local conn = assert(a:connect("127.0.0.1", 8080))
conn:send "hello, me\n"
print(conn:recv_line())
conn:close()
sleep "1s"
print(("packets on the link between a and b: %d"):format(link:forward().stats.tx_packets + link:backward().stats.tx_packets))
check(link:forward().stats.tx_packets == 0 and link:backward().stats.tx_packets == 0, "nothing reached the wire")
