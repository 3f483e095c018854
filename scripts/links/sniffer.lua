-- A program in the middle: it reads what passes, loses what it likes, and holds back the rest.
--   tidewire run scripts/links/sniffer.lua
-- Look at the password, which anybody on the way can read; at the one datagram that a function chose to lose; and at what the link
-- says of the packets that end on it.
local alice, bob = net:host "alice", net:host "bob"
local isp        = net:router "isp"
net:link(alice, isp, { rate = "10Mbps", delay = "5ms" })
local line = net:link(isp, bob, { rate = "10Mbps", delay = "5ms", queue = "3pkt" })

-- 1. The router listens to what goes to port 23.
local overheard = {}
local tap = isp:sniff("tcp dst port 23 and src host alice", function(pkt)
  if pkt.payload_len > 0 and pkt.link == "alice-isp>" then
    overheard[#overheard + 1] = pkt.payload
    print(("overheard on %s, %d bytes with %s: %s"):format(pkt.link, pkt.size, table.concat(pkt.headers, ", "), pkt.payload:match "[^\n]*"))
  end
end)
bob:serve(23, function(conn)
  conn:send "password: "
  conn:send(conn:recv_line() == "hunter2" and "welcome\n" or "no\n")
end)
local telnet = assert(alice:connect(bob, 23))
telnet:recv_until ": "
telnet:send "hunter2\n"
print("bob says:", telnet:recv_line())
tap:stop()
check(overheard[1] == "hunter2\n", "the password was read on the way")

-- 2. A loss model counts the packets that a function chooses: the second one to port 7 is lost.
line:forward():set { loss = { seq = { 2 }, match = function(pkt) return pkt.dport == 7 end } }
local heard = {}
bob:spawn(function()
  local sock = bob:udp(7)
  while true do heard[#heard + 1] = sock:recvfrom() end
end)
local sock = alice:udp()
for i = 1, 4 do sock:sendto("word" .. i, bob, 7) sleep "10ms" end
sleep "100ms"
print("bob heard:", table.concat(heard, " "))
check(table.concat(heard, " ") == "word1 word3 word4", "the chosen one was lost")

-- 3. A filter decides on every packet: echo requests wait for 100 ms.
line:forward():filter(function(pkt)
  if pkt.proto == "icmp" then return "100ms" end
end)
local slow = alice:ping(bob)
line:forward():filter()
local fast = alice:ping(bob)
print(("ping through the filter %.1f ms, without %.1f ms"):format(slow * 1e3, fast * 1e3))
check(math.abs(slow - fast - 0.1) < 1e-9, "held back for exactly 100 ms")

-- 4. Who is dropped, and why: three wait, one is being sent, the other six find the queue full.
local causes = {}
line:on("drop", function(pkt) causes[pkt.cause] = (causes[pkt.cause] or 0) + 1 end)
local burst = isp:udp()
for _ = 1, 10 do burst:sendto(("x"):rep(1400), bob, 7) end
sleep "100ms"
for cause, count in pairs(causes) do print(count .. " packets ended on the line: " .. cause) end
check(causes.queue_full == 6, "six find the queue full")
