-- ARP believes whoever speaks. An attacker tells a victim that the gateway's address is his, and the gateway that the victim's is.
--   tidewire run scripts/links/arp_spoofing.lua
-- Look at: the victim's ARP table before and after, the packets that now pass through the attacker, and static entries as a cure.

local victim, server = net:host "victim", net:host "server"
local gateway = net:router "gateway"
local attacker = net:host("attacker", { forward = true })   -- passes on what he has read, so that nobody notices
net:lan("lan", { victim, attacker, gateway })
net:link(gateway, server)
local door = gateway.ifaces[1]
local door_ip = door.ip:match "[^/]+"

local function exchange(when)
  local before = attacker.stats.forwarded
  assert(victim:ping(server, { timeout = "2s" }))
  local seen = attacker.stats.forwarded - before
  print(("%-16s the gateway %s is at %s; the attacker has seen %d packets"):format(
    when, door_ip, victim:arp_table()[door_ip], seen))
  return seen
end

check(exchange "before:" == 0, "nobody listens")

local function poison()
  attacker:arp_send { ip = door_ip, to = victim }            -- "the gateway is me"
  attacker:arp_send { ip = victim.ip, to = door_ip }         -- "the victim is me"
  sleep "10ms"
end
poison()
check(victim:arp_table()[door_ip] == attacker.mac, "the victim believes it")
check(exchange "poisoned:" == 2, "the request and the answer pass through the attacker")

-- The cure: entries by hand, on both sides.
victim:arp_set(door_ip, door.mac)
gateway:arp_set(victim.ip, victim.mac)
poison()
check(victim:arp_table()[door_ip] == door.mac, "a static entry is not for ARP to change")
check(exchange "static entries:" == 0, "nobody listens any more")
