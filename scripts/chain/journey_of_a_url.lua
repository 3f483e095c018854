-- https://www.shop.kr/ is typed on a computer that was just switched on: DHCP, ARP, DNS, TCP, TLS, HTTP, a load balancer, an application
-- server, a cache, a database, and back.
--   tidewire run scripts/chain/journey_of_a_url.lua
-- Look at: each row is a part of the wait, and all rows together are the time until the page is there, to the picosecond. The second
-- time there is an address, a name, a ticket and a page in the cache: most rows are gone.
experiment { name = "journey_of_a_url" }

-- At home: no address, nothing known.
local user, home = net:host("user", { ip = "dhcp" }), net:router "home"
net:link(user, home, { rate = "100Mbps", delay = "200us" })
net:subnet("10.1.0.0/24", { user, home })
-- The provider, and the name servers of the world.
local isp, core = net:host "isp", net:router "core"
local root, kr, ns = net:host "root", net:host "kr", net:host "ns"
net:link(home, core, { rate = "100Mbps", delay = "6ms" })
net:link(isp, core, { rate = "10Gbps", delay = "1ms" })
net:link(root, core, { rate = "10Gbps", delay = "15ms" })
net:link(kr, core, { rate = "10Gbps", delay = "4ms" })
net:link(ns, core, { rate = "10Gbps", delay = "3ms" })
-- The shop.
local lb, app = net:host("lb", { cores = 4 }), net:host("app", { cores = 4 })
local cache, db = net:host "cache", net:host("db", { cores = 2 })
local edge = net:router "edge"
net:link(core, edge, { rate = "10Gbps", delay = "3ms" })
net:lan("dc", { edge, lb, app, cache, db }, { rate = "10Gbps", delay = "50us" })

home:dhcp_server { pool = "10.1.0.100-10.1.0.199", lease = "1h", dns = isp }
net:dns_tree { root = root, zones = { kr = kr, ["shop.kr"] = ns }, names = { ["www.shop.kr"] = lb }, ttl = "5min" }
isp:dns_resolver { roots = root }
local ca = net:authority "Root of Trust"
user:trust(ca)

cache:cache_server { work = "20us" }
db:database_server { service = "8ms", answer = ("r"):rep(3000) }
local known, rows = app:cache_client(cache), app:database_client(db)
app:http_server { port = 8000, workers = 4, middleware = { session = function(req, next) app:work "200us" return next(req) end },
  ["/"] = function()
    app:work "3ms"
    local page = known:get "front page"
    if not page then
      page = rows:query("select * from offers").body
      known:set("front page", page, { ttl = "1min" })
    end
    return 200, "40kB"
  end }
lb:http_balancer { port = 443, tls = ca:certificate { names = { "www.shop.kr" } }, to = app, to_port = 8000, work = "50us" }

local tracer = net:trace {}
local arps, asked = {}, {}
user:sniff("arp", function(pkt)
  -- A question, and its answer.
  if pkt.src == user.ip then asked[pkt.dst] = now() end
  if asked[pkt.src] then
    arps[#arps + 1] = { asked[pkt.src], now() }
    asked[pkt.src] = nil
  end
end)

local parts
tracer:on("request", function(spans) parts = spans end)

local function visit(name)
  local begun, res = now(), nil
  arps = {}
  tracer:span("page", function()
    if not user.ip then tracer:span("dhcp", function() assert(user:wait_address()) end) end
    res = assert(user:http_get "https://www.shop.kr/")
    for _, arp in ipairs(arps) do tracer:add("user", "arp", arp[1], arp[2]) end
  end)
  local total = now() - begun
  print(("%s: %.3f ms"):format(name, total * 1e3))
  table.sort(parts, function(a, b) return a.begin_ps < b.begin_ps end)
  local sum, rows = 0, {}
  for _, span in ipairs(parts) do
    sum = sum + span.own_ps
    rows[span.kind] = (rows[span.kind] or 0) + span.own_ps / 1e9
    print(("  %9.3f ms  %-6s %-11s %9.3f ms  %s"):format((span.begin_ps / 1e12 - begun) * 1e3, span.tier, span.kind, span.own_ps / 1e9, span.what))
    record("timeline", { visit = name, begin_ms = (span.begin_ps / 1e12 - begun) * 1e3, tier = span.tier, kind = span.kind, what = span.what,
                         own_ms = span.own_ps / 1e9, own_ps = span.own_ps })
  end
  check(sum == math.floor(total * 1e12 + 0.5), name .. ": the rows sum to the time until the page is there, exactly")
  check(res.status == 200 and res.size == 40000, name .. ": the page is there")
  return rows, total
end

local cold, cold_s = visit "cold"
sleep "10s"
local warm, warm_s = visit "warm"
for _, kind in ipairs { "dhcp", "arp", "dns", "connect", "tls", "server", "cache", "database" } do
  check(cold[kind], "cold: " .. kind)
end
for _, kind in ipairs { "dhcp", "arp", "database" } do check(not warm[kind], "warm: no " .. kind) end
check(warm.dns == nil or warm.dns == 0, "warm: the name is known")
check(warm.tls <= cold.tls, "warm: the ticket makes TLS no dearer")
record { cold_ms = cold_s * 1e3, warm_ms = warm_s * 1e3, dhcp_ms = cold.dhcp, dns_ms = cold.dns, database_ms = cold.database }
