-- Four switches in a ring: frames must not go round, and a broken link must not part the network.
--   tidewire run scripts/links/spanning_tree.lua            and then again with -p stp=stp, and with -p stp=false
-- Look at the port that is closed (alternate), at who takes over when the link s1-s2 breaks, and at how long that takes: the rapid
-- protocol needs milliseconds, the old one half a minute. Without either (stp=false) a single broadcast goes round for ever.
local p = experiment { params = { stp = { "rstp", "stp", "false" } }, duration = "3min" }

local stp = p.stp ~= "false" and p.stp
local ring = {}
for i = 1, 4 do ring[i] = net:switch("s" .. i, { stp = stp, priority = i == 1 and 4096 or 32768 }) end
local links = {}
for i = 1, 4 do links[i] = net:link(ring[i], ring[i % 4 + 1], { rate = "100Mbps", delay = "10us" }) end

local a, b = net:host "a", net:host "b"
net:link(a, ring[1], { rate = "100Mbps" })
net:link(b, ring[2], { rate = "100Mbps" })

print(("a asks for b: %.0f us"):format(a:ping(b) * 1e6))
for _, switch in ipairs(ring) do print(switch:stp()) end

sleep "10s"
print "\nthe link between s1 and s2 breaks"
links[1]:disable()
local broken = now()
while not a:ping(b, { timeout = "10ms" }) do sleep "1ms" end
print(("a and b are parted for %.3f s"):format(now() - broken))
print(ring[2]:stp())
record { outage_s = now() - broken }
