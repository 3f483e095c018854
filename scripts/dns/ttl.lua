-- A server moves. Who sees the old address, and for how long?
--   tidewire sweep scripts/dns/ttl.lua
-- Look at: the record changes at 30 s; whoever heard it before goes on with the old address until its time is over. With
-- a short time the change is seen soon, and the name server is asked more often. Names that were not there are remembered too.
local p = experiment {
  name = "ttl",
  params = { ttl = { "0s", "10s", "60s" } },
  duration = "120s",
  plot = { x = "ttl", y = { "stale_s", "ns_queries_count" } },
}
local user, isp, ns = net:host "user", net:host "isp", net:host "ns"
local old, new = net:host "old", net:host "new"
net:lan("lan", { user, isp, ns, old, new }, { rate = "1Gbps", delay = "1ms" })
local zone = ns:dns_server { origin = "example.com", zone = { ["www.example.com"] = old }, ttl = p.ttl, negative_ttl = "20s" }
local resolver = isp:dns_resolver { forward = ns }
net:resolver(isp)

local moved = 30.5
at(moved, function() zone:set("www.example.com", new) end)
-- The new name appears at the same time; who asked for it before has to wait.
at(moved, function() zone:set("new.example.com", new) end)
at(moved - 5, function() check(user:resolve "new.example.com" == nil, "not there yet") end)
at(moved + 5, function() check(user:resolve "new.example.com" == nil, "the denial is remembered") end)
at(moved + 16, function() check(user:resolve "new.example.com" == new.ip, "and forgotten after 20 s") end)

local stale = 0
for second = 1, 119 do
  sleep(second - now())
  local ip = assert(user:resolve "www.example.com")
  if second > moved and ip == old.ip then stale = second - moved end
end
record { stale_s = stale, ns_queries_count = zone.queries, resolver_hits_count = resolver.hits }
