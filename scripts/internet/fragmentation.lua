-- A datagram larger than a link's MTU: cut by a router, cut by its sender, or sent back with the size that would fit.
--   tidewire run scripts/internet/fragmentation.lua
-- Look at: who cuts, how the sender learns what fits, and that one lost fragment loses the whole datagram.

local a, b = net:host "a", net:host "b"
local r = net:router "r"
net:link(a, r, { rate = "100Mbps", delay = "1ms" })
local narrow = net:link(r, b, { rate = "100Mbps", delay = "5ms", mtu = 576 })

local inbox = b:udp(9)
local function send(how, size)
  local cut_before, cut_there = a.stats.fragments_made, r.stats.fragments_made
  local sent, why = a:udp(0, how):sendto(("x"):rep(size), b, 9)
  local got = inbox:recvfrom { timeout = "100ms" }
  print(("%4d bytes, dont_fragment = %-5s  cut by a into %d, by r into %d: %s"):format(size,
    tostring(how.dont_fragment), a.stats.fragments_made - cut_before, r.stats.fragments_made - cut_there,
    got and "arrived" or why or "did not arrive"))
  return got and #got, a.stats.fragments_made - cut_before, r.stats.fragments_made - cut_there
end

-- The router may cut: 1008 bytes behind the IP header go as 552 and 456.
local got, by_a, by_r = send({ dont_fragment = false }, 1000)
check(got == 1000 and by_a == 0 and by_r == 2, "the router cuts, the receiver puts together")

-- It must not: the first datagram is sent back with what fits (RFC 1191) ...
got = send({}, 1000)
check(not got, "the first one is lost")
check(a:path_mtus()[b.ip] == 576, "the sender has learnt the MTU of the way")

-- ... and the next ones are cut by their sender.
got, by_a, by_r = send({}, 1000)
check(got == 1000 and by_a == 2 and by_r == 0, "now the sender cuts")

-- TCP learns it, too, and cuts its stream into smaller segments: nothing is fragmented.
local made = a.stats.fragments_made + r.stats.fragments_made
b:sink(80)
local flow = a:bulk { to = b, port = 80, size = "100kB" }
flow:wait()
check(a.stats.fragments_made + r.stats.fragments_made == made, "TCP never needs fragments")

-- With 10 % of the packets lost, a datagram in 3 fragments arrives with a probability of 0.9^3.
narrow:forward():set { loss = "10%" }
local whole, tries = 0, 1000
for _ = 1, tries do
  a:udp():sendto(("x"):rep(1500), b, 9)
  if inbox:recvfrom { timeout = "20ms" } then whole = whole + 1 end
end
print(("%d of %d datagrams of three fragments arrived whole, %.0f expected"):format(whole, tries, tries * 0.9 ^ 3))
check(math.abs(whole / tries - 0.9 ^ 3) < 0.042, "0.9^3 of them, within three standard deviations")

sleep "31s"                                            -- fragments wait 30 s for the others
print("given up by b: " .. b.stats.reassembly_failures)
record { whole_pct = 100 * whole / tries }
