-- Four equally short ways: which one does a packet take?
--   tidewire sweep scripts/routing/ecmp.lua
-- Look at the shares of the four ways, and at what TCP makes of it. By flow, each connection stays on one way, so nothing is out of
-- order, and many flows share evenly, though never exactly. Packet by packet the shares are exact, and one connection gets more than
-- one way carries; but the ways differ by some milliseconds here, so packets overtake each other, and TCP has to learn to wait.
local p = experiment {
  params   = { ecmp = { "flow", "packet", "off" } },
  duration = "1min",
  plot     = { x = "ecmp", y = { "tcp_mbps", "largest_share_pct" } },
}

local a, b = net:host "a", net:host "b"
local ecmp = p.ecmp ~= "off" and p.ecmp
local first, last = net:router("first", { ecmp = ecmp }), net:router("last", { ecmp = ecmp })
net:link(a, first, { rate = "1Gbps" })
net:link(last, b, { rate = "1Gbps" })
local ways = {}
for i = 1, 4 do
  local middle = net:router("way" .. i)
  ways[i] = net:link(first, middle, { rate = "100Mbps", delay = 2 * i .. "ms" })
  net:link(middle, last, { rate = "100Mbps", delay = "1ms" })
end
net:routing "ospf"

-- How many packets each way has carried since the last time.
local before = { 0, 0, 0, 0 }
local function carried()
  local now, total, largest, used = {}, 0, 0, 0
  for i, way in ipairs(ways) do
    local n = way.stats.forward.tx_packets
    now[i], before[i] = n - before[i], n
    total, largest = total + now[i], math.max(largest, now[i])
    -- Hellos are not counted.
    used = used + (now[i] > 20 and 1 or 0)
  end
  return now, 100 * largest / total, used
end
local function show(what, now) print(("%-22s %7d %7d %7d %7d"):format(what, table.unpack(now))) end

print(first:rib())
print("\npackets on each way     way 1   way 2   way 3   way 4")
carried()
local one = a:cbr { to = b, rate = "8Mbps", size = 1000, count = 2000 }
one:wait()
sleep "100ms"
local now, share, used = carried()
show("one flow", now)
check(used == (p.ecmp == "packet" and 4 or 1), "one flow is on " .. (p.ecmp == "packet" and "every way" or "one way"))

local all = {}
for i = 1, 200 do all[i] = a:cbr { to = b, port = 5000 + i, rate = "800kbps", size = 1000, count = 100 } end
for _, flow in ipairs(all) do flow:wait() end
sleep "100ms"
now, share, used = carried()
show("200 flows", now)
if p.ecmp == "off" then
  check(used == 1, "only the first way is used")
elseif p.ecmp == "flow" then
  check(used == 4 and share < 35, "200 flows share four ways, none with more than 35 %")
else
  check(share < 25.5, "packets are spread evenly")
end

local tcp = a:bulk { to = b }
sleep "10s"
tcp:stop()
now = carried()
show("one TCP connection", now)
print(("TCP: %.1f Mbit/s, %d segments sent again"):format(tcp.goodput_mbps, tcp.retransmits))
record { largest_share_pct = share, tcp_mbps = tcp.goodput_mbps, resent = tcp.retransmits }
