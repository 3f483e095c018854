-- Six routers speak OSPF: from strangers to a common map, then a link breaks.
--   tidewire run scripts/routing/ospf_convergence.lua            and again with -p carrier=no
-- Look at the states of a neighbour (Init, ExStart, Exchange, Loading, Full) and at what takes time: a hello has to be heard and
-- answered, and nobody announces its links twice within 5 s. When the link r1-r2 breaks, r1 and r2 notice at once and everybody has a new way
-- after the wait before the computation (50 ms); with carrier=no only the silence of 40 s tells them.
local p = experiment { params = { carrier = { "yes", "no" } }, duration = "5min" }

local r = {}
for i = 1, 6 do r[i] = net:router("r" .. i) end
local function link(i, j, cost) return net:link(r[i], r[j], { rate = "1Gbps", delay = "2ms", cost = cost }) end
local short = link(1, 2, 1)
link(2, 3, 1) link(3, 4, 1) link(4, 5, 1) link(5, 6, 1) link(6, 1, 1) link(2, 5, 5)
local a, b = net:host "a", net:host "b"
net:link(a, r[1], { rate = "1Gbps" })
net:link(b, r[2], { rate = "1Gbps" })
net:routing("ospf", { converge = false, carrier = p.carrier == "yes" })

-- The state of r2 as r1 sees it, whenever it is another.
spawn(function()
  local before
  while before ~= "Full" do
    local neighbor = r[1]:neighbors()[1]
    local state = neighbor and neighbor.state or "Down"
    if state ~= before then print(("%8.3f s  r1 sees r2: %s"):format(now(), state)) end
    before = state
    sleep "1ms"
  end
end)

local started = net:wait_converged()
print(("\nfrom nothing to the last route: %.3f s"):format(started))
print "r1's routes:"
print(r[1]:rib())
check(started < 30, "some hellos and exchanges are enough")
check(a:ping(b), "a reaches b")

-- A datagram every millisecond shows the outage.
local stream = a:cbr { to = b, rate = "800kbps", size = 100 }
sleep "100ms"
short:disable()
local cut = now()
local healed = net:wait_converged() - cut
stream:stop()
sleep "100ms"
print(("\nthe link r1-r2 breaks: the last route has changed %.3f s later"):format(healed))
print(("of a datagram every millisecond %d were lost"):format(stream.packets_lost))
print(a:traceroute(b))
local messages, runs = 0, 0
for i = 1, 6 do
  messages = messages + r[i]:routing().tx_messages
  runs = runs + r[i]:routing().spf_runs
end
print(("messages %d, computations of shortest paths %d"):format(messages, runs))
check(a:ping(b), "a reaches b again")
if p.carrier == "yes" then check(healed < 1, "noticed at once") else check(healed > 25 and healed < 46, "noticed by silence") end
record { start_s = started, healed_s = healed, lost = stream.packets_lost, messages = messages }
