-- Managed names: four name servers, a private zone, a backup that takes over, a change of name servers.
--   tidewire run scripts/dns/managed.lua
-- Look at: with three of four servers dead the name is still found, only later; a private name exists for inner hosts only;
-- when the server dies, clients see the backup after interval x failures + ttl; a change at the registrar is seen when the
-- old referral is forgotten.
experiment { name = "managed_dns", duration = "400s" }
local core = net:router "core"
local function host(name, delay)
  local h = net:host(name)
  net:link(h, core, { rate = "1Gbps", delay = delay or "5ms" })
  return h
end
local inside, outside = host "inside", host "outside"
local root, tld = host "root", host "tld"
local servers = {}
for i = 1, 4 do servers[i] = host("ns" .. i, 10 * i / 1000) end
local spare = host "ns_new"
local www, backup, database = host "www", host "backup", host "database"
local isp = host "isp"
net:subnet("10.7.0.0/24", { inside, core })
www:serve(80, function(conn) conn:recv() end)
backup:serve(80, function(conn) conn:recv() end)

-- The same zone on all four; the private name only for those inside.
local INTERVAL, FAILURES, TTL = 10, 3, 20
local tree = net:dns_tree { root = root, zones = { com = tld }, ns_ttl = "100s" }
for i, ns in ipairs(servers) do
  ns:dns_server {
    origin = "example.com", ttl = TTL,
    zone = { ["www.example.com"] = { A = www, failover = backup, ttl = TTL, health = { port = 80, interval = INTERVAL, failures = FAILURES } } },
    views = { { from = "10.7.0.0/24", zone = { ["www.example.com"] = www, ["db.example.com"] = database } } },
    parent = tree.com,
  }
end
local resolver = isp:dns_resolver { roots = root, timeout = "500ms" }
net:resolver(isp)

-- Split horizon: who asks decides what is answered.
check(inside:resolve("db.example.com", "A", { server = servers[1] }) == database.ip, "inside, the private name is there")
check(outside:resolve("db.example.com", "A", { server = servers[1] }) == nil, "outside it is not")
for _, who in ipairs { inside, outside } do
  print(("%-8s asks for db.example.com: %s"):format(who.name, tostring(who:dig("db.example.com", "A", { server = servers[1] })):match "status: (%u+)"))
end

-- Four name servers.
check(outside:resolve "www.example.com" == www.ip, "all four are up")
print "the zone has four name servers:"
print(outside:dig("example.com", "NS"))
for i = 1, 3 do servers[i]:crash() end
sleep(TTL + 1)
local ip, info = outside:resolve "www.example.com"
check(ip == www.ip, "one of four is enough")
print(("with one of four name servers: found after %.0f ms, %d queries without an answer"):format(info.time * 1e3, resolver.timeouts))
for i = 1, 3 do servers[i]:boot() end

-- Failover.
local died = now()
www:crash()
local seen
while not seen do
  sleep "1s"
  if outside:resolve "www.example.com" == backup.ip then seen = now() - died end
end
print(("the backup is seen %.0f s after the crash; at most %d x %d + %d s"):format(seen, INTERVAL, FAILURES, TTL))
check(seen <= INTERVAL * FAILURES + TTL + 6, "failover within interval x failures + ttl")

-- A referral that is known saves the way through root and com.
resolver:flush()
outside:flush_dns()
outside:resolve "www.example.com"
sleep(TTL + 1)
local before = resolver.upstream
outside:resolve "www.example.com"
check(resolver.upstream == before + 1, "only the zone's server is asked")

-- The registrar: other servers from now on.
resolver:flush()
outside:flush_dns()
outside:resolve "www.example.com"
local moved = now()
spare:dns_server { origin = "example.com", ttl = TTL, zone = { ["www.example.com"] = "10.99.9.9" } }
tree.com:delegate("example.com", spare, "100s")
local changed
while not changed do
  sleep "1s"
  if outside:resolve "www.example.com" == "10.99.9.9" then changed = now() - moved end
end
print(("the change of name servers is seen after %.0f s; the referral holds for 100 s"):format(changed))
check(changed >= 100 and changed <= 100 + TTL + 1, "after the time of the NS record")
record { failover_s = seen, change_s = changed, lookup_ms = info.time * 1e3 }
