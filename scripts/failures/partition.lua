-- A network falls apart into two halves and heals. Inside each half everything works; across, nothing, until it is whole again.
--   tidewire run scripts/failures/partition.lua
-- Look at: who reaches whom before, during and after; the route around the cut that is found again.

local west, east = net:hosts("west", 2), net:hosts("east", 2)
local w, e, north = net:router "w", net:router "e", net:router "north"
for _, host in ipairs(west) do net:link(host, w, { delay = "1ms" }) end
for _, host in ipairs(east) do net:link(host, e, { delay = "1ms" }) end
net:link(w, e, { delay = "10ms" })
net:link(w, north, { delay = "10ms" })
net:link(north, e, { delay = "10ms" })

local function reach(a, b) return a:ping(b, { timeout = "200ms" }) and "yes" or "no " end
local function show(when)
  local row = { reach(west[1], west[2]), reach(west[1], east[1]), reach(east[1], east[2]) }
  print(("%-22s west-west %s  west-east %s  east-east %s"):format(when, table.unpack(row)))
  return table.concat(row, ",")
end

check(show "whole" == "yes,yes,yes", "everybody reaches everybody")
net:partition({ west, w }, { east, e, north })
check(show "apart" == "yes,no ,yes", "each half is whole")
net:heal()
check(show "healed" == "yes,yes,yes", "everybody again")
net:partition({ w }, { e })
check(show "one line cut" == "yes,yes,yes", "the way over north is left")
print("the way is now: " .. tostring(west[1]:traceroute(east[1])))
