-- Three routers in a line speak RIP; the network at one end goes down. Who believes whom?
--   tidewire run scripts/routing/rip_count_to_infinity.lua                       and again with -p horizon=simple, -p horizon=poison
-- Look at the metrics that climb by one with each update. Without split horizon r2 tells r1 that it knows a way to the lost network - the one through r1. Each believes the other and adds
-- one, update by update, until 16 means out of reach. With split horizon a router does not tell a neighbour what it has from it, and
-- the bad news arrive with the next update. Changes are not triggered here, so that every step can be seen.
local p = experiment { params = { horizon = { "off", "simple", "poison" } }, duration = "20min" }

local a, b = net:host "a", net:host "b"
local r = { net:router "r1", net:router "r2", net:router "r3" }
local lost = net:link(a, r[1], { rate = "100Mbps" })
net:link(r[1], r[2], { rate = "100Mbps", delay = "1ms" })
net:link(r[2], r[3], { rate = "100Mbps", delay = "1ms" })
net:link(r[3], b, { rate = "100Mbps" })
net:subnet("10.9.0.0/24", { a, r[1] })
net:routing("rip", { split_horizon = p.horizon ~= "off" and p.horizon, triggered = false })

local function metrics()
  local all = {}
  for i, router in ipairs(r) do
    all[i] = "-"
    for _, route in ipairs(router:rib()) do
      if route.prefix == "10.9.0.0/24" and route.used then all[i] = tostring(route.metric) end
    end
  end
  return table.concat(all, "  ")
end

print "r1's table before:"
print(r[1]:rib())
local rtt = a:ping(b)
check(rtt, "a reaches b")

-- The worst moment: r1 has just told that all is well, and the next to speak is r2.
sleep "100s"
local heard = r[1]:routing().tx_messages
while r[1]:routing().tx_messages == heard do sleep "10ms" end
lost:disable()
local broken = now()
print("\nthe link of a goes down; metric of its network at r1, r2, r3 (- is out of reach):")

local steps, before, over = 0, "", nil
while now() < broken + 600 do
  local seen = metrics()
  if seen ~= before then
    print(("%6.1f s   %s"):format(now() - broken, seen))
    steps, before = steps + 1, seen
  end
  if seen == "-  -  -" then over = now() - broken break end
  sleep "100ms"
end
check(over, "every router knows that the network is gone")
if p.horizon == "off" then
  check(steps > 10 and over > 120, "they count to infinity: " .. steps .. " steps")
else
  check(over < 100, "the bad news travel one router per update")
end
record { seconds = over, steps = steps }
