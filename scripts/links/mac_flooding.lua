-- An address table with room for eight: more hosts than that turn a switch into a hub, and anybody can listen.
--   tidewire run scripts/links/mac_flooding.lua
-- Look at what eve overhears of alice and bob: nothing while the switch knows where bob is, everything once others have filled its
-- table.
local alice, bob, eve = net:host "alice", net:host "bob", net:host "eve"
local crowd  = net:hosts("crowd", 12)
local switch = net:switch("switch", { table_size = 8, ageing = "10s" })
for _, host in ipairs { alice, bob, eve, crowd } do
  for _, one in ipairs(type(host) == "table" and host or { host }) do net:link(one, switch) end
end

local overheard = 0
eve:sniff("udp dst port 7 and host bob", function() overheard = overheard + 1 end)
local letters = alice:udp()
bob:spawn(function() local box = bob:udp(7) while true do box:recvfrom() end end)
local function known()
  local n = 0
  for _ in pairs(switch:mac_table()) do n = n + 1 end
  return n
end
local function write(n)
  local before = overheard
  for i = 1, n do letters:sendto("letter " .. i, bob, 7) sleep "10ms" end
  return overheard - before
end

alice:ping(bob)
local calm = write(10)
print(("with %d addresses in the table, eve overhears %d of 10 letters"):format(known(), calm))

-- The crowd shouts until the table holds nobody else; bob's address ages out and finds no place again.
sleep "8s"
every("1s", function() for _, host in ipairs(crowd) do host:arp_announce() end end)
sleep "15s"
local loud = write(10)
print(("with %d addresses in the table, eve overhears %d of 10 letters"):format(known(), loud))
print("frames sent to all ports:", switch.floods)
check(calm == 0, "a switch that knows bob sends his letters to him alone")
check(loud == 10, "a full table floods")
check(known() == 8, "the table has room for eight")
stop()
