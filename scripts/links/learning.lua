-- Row 10. A switch learns who is where: what it does not know it sends everywhere, what it knows to one port.
--   tidewire run scripts/links/learning.lua
-- Look at the table as it fills, and at the count of floods: it stands still once both ends are known.
local a, b, c = net:host "a", net:host "b", net:host "c"
local switch = net:switch("s", { ageing = "30s" })
for _, host in ipairs { a, b, c } do net:link(host, switch, { rate = "100Mbps", delay = "10us" }) end

local function show(what)
  local rows = {}
  for mac, port in pairs(switch:mac_table()) do rows[#rows + 1] = ("%s at port %d"):format(mac, port) end
  table.sort(rows)
  print(("%-28s floods %d, to one port %d, table: %s"):format(what, switch.floods, switch.forwarded, table.concat(rows, "; ")))
end

show "at first"
a:ping(b)                       -- ARP's question is a broadcast; the answer and the echo go to one port each
show "a has asked b"
local floods = switch.floods
a:ping(b)
show "and once more"
check(switch.floods == floods, "known addresses are not flooded")

sleep "31s"                     -- longer than the ageing time: the table forgets
show "31 s later"
check(next(switch:mac_table()) == nil, "entries expire")
b:ping(a)
show "b asks a"
check(switch.floods > floods, "what is forgotten is flooded again")
