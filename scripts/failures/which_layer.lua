-- Row 68. Something between a browser and a web server is broken. Which layer is it? An exercise that checks itself.
--   tidewire run scripts/failures/which_layer.lua -p kind=loop      (or without: one of each by chance)
-- Look at: the question is asked from below: is there a signal, a frame for me, a way, somebody who listens?

local KINDS = { "cable", "crash", "loss", "noise", "mac", "route", "loop", "firewall", "port" }
local LAYER = { cable = 1, crash = 1, loss = 1, noise = 1, mac = 2, route = 3, loop = 3, firewall = 4, port = 4 }

local p = experiment { name = "which_layer", params = { kind = KINDS }, reps = 5 }

local browser, server = net:host "browser", net:host "server"
local switch = net:switch "switch"
local r1, r2, r3 = net:router "r1", net:router "r2", net:router "r3"
local line = { rate = "100Mbps", delay = "1ms" }
net:link(browser, switch, line)
net:link(switch, r1, line)
net:link(r1, r2, line)
net:link(r2, r3, line)
net:link(r3, server, line)
server:serve(80, function(conn) for line in conn:lines() do conn:send(line .. "\n") end end)

local healthy = diagnose(browser, server, { port = 80 })
print("before:    " .. tostring(healthy))
check(healthy.ok, "nothing is wrong at first")

local fault = inject_fault(browser, server, { kind = p.kind, port = 80 })
local found = diagnose(browser, server, { port = 80 })
print("injected:  " .. tostring(fault))
print("diagnosed: " .. tostring(found))
check(not found.ok, "something is wrong now")
check(found.fault == p.kind, p.kind .. " is named")
check(found.layer == LAYER[p.kind], "on its layer")
record { layer = found.layer or 0, named = found.fault == p.kind and 1 or 0 }
