-- One stream for many listeners: packets go only where somebody listens, and over each link once.
--   tidewire run scripts/services/multicast.lua
-- Look at the links: at first the stream floods the whole tree, then the branches without listeners are cut (pruned), and grafted again
-- when somebody joins. The two routers at the bottom are also joined with each other: what comes the wrong way round that loop is
-- dropped, and soon not sent any more.
local source = net:host "source"
local root = net:router "root"
net:link(source, root, { rate = "100Mbps" })
local routers, leaves, links = {}, {}, {}
for i = 1, 3 do
  routers[i], leaves[i] = net:router("r" .. i), net:host("leaf" .. i)
  links[i] = net:link(root, routers[i], { rate = "10Mbps", delay = "2ms" })
  net:link(routers[i], leaves[i], { rate = "10Mbps", delay = "1ms" })
end
local loop = net:link(routers[1], routers[2], { rate = "10Mbps", delay = "1ms", cost = 5 })
net:multicast {}

local GROUP, heard = "239.1.1.1", { 0, 0, 0 }
local socks = {}
for i, leaf in ipairs(leaves) do
  socks[i] = leaf:udp(5000)
  leaf:spawn(function()
    while true do
      if socks[i]:recvfrom() then heard[i] = heard[i] + 1 end
    end
  end)
end

local out = source:udp(4000, { ttl = 16 })
local function stream(n)                                  -- n packets, one each 10 ms: what each link carried of it
  local before = {}
  for i, link in ipairs(links) do before[i] = link.stats.forward.tx_packets end
  local round = loop.stats.forward.tx_packets + loop.stats.backward.tx_packets
  for _ = 1, n do
    out:sendto(("x"):rep(1000), GROUP, 5000)
    sleep "10ms"
  end
  sleep "50ms"
  local carried = {}
  for i, link in ipairs(links) do carried[i] = link.stats.forward.tx_packets - before[i] end
  return carried, loop.stats.forward.tx_packets + loop.stats.backward.tx_packets - round
end
local function show(what, carried, round)
  print(("%-26s links %4d %4d %4d  loop %3d   heard %4d %4d %4d"):format(what, carried[1], carried[2], carried[3], round,
    heard[1], heard[2], heard[3]))
end

sleep "1s"                                                -- routers greet each other
assert(socks[1]:join(GROUP))
sleep "100ms"
local carried, round = stream(100)
show("one listener", carried, round)
check(heard[1] == 100 and heard[2] == 0, "the listener hears all, once")
check(carried[2] <= 5 and carried[3] <= 5, "the other branches are cut")
check(round <= 10, "nothing goes round the loop for long")

socks[3]:join(GROUP)
sleep "100ms"
carried, round = stream(100)
show("a second one", carried, round)
check(heard[1] == 200 and heard[3] == 100, "grafted: both hear all")
check(carried[2] <= 5, "the branch without listeners stays cut")
print(root:multicast_routes())

socks[1]:leave(GROUP)
sleep "5s"
carried, round = stream(100)
show("the first has left", carried, round)
check(heard[1] == 200 and heard[3] == 200 and carried[1] <= 5, "what nobody wants is not sent")
record { heard = heard[1] + heard[2] + heard[3] }
stop()
