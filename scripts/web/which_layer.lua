-- A page does not come. Is it the name, the certificate, the program, or something below?
--   tidewire run scripts/web/which_layer.lua
-- Look at: diagnose asks from layer 1 upwards; with a URL it goes on to the name server and to the page itself.
local user, ns, www, other = net:host "user", net:host "ns", net:host "www", net:host "other"
net:lan("lan", { user, ns, www, other }, { rate = "100Mbps", delay = "1ms" })
local zone = ns:dns_server { origin = "shop.kr", zone = { ["www.shop.kr"] = www }, ttl = "1s" }
net:resolver(ns)
local server = www:http_server { ["/"] = function() return 200, "hello" end }
www:http_server { pages = { ["/"] = "hello" }, tls = net:authority("Nobody"):certificate { names = { "www.shop.kr" } } }

local function look(port, url)
  local found = diagnose(user, www, { port = port or 80, url = url or "http://www.shop.kr/" })
  print(found)
  return found
end
check(look().ok, "nothing is wrong at first")

local named = 0
local function expect(fault, where, found)
  local right = found.layer == 7 and found.fault == fault and found.where == where
  check(right, fault .. " is named")
  check(not found.ok, "something is wrong")
  if right then named = named + 1 end
end
zone:remove "www.shop.kr"
expect("dns", "ns", look())
zone:set("www.shop.kr", other)
expect("dns", "ns", look())
zone:set("www.shop.kr", www)
server:set("/", function() return 500, "oops" end)
expect("http 500", "www", look())
server:set("/", function() return 404 end)
expect("http 404", "www", look())
server:set("/", function() return 200, "hello" end)
expect("certificate", "www", look(443, "https://www.shop.kr/"))
ns:crash()
expect("dns", "ns", look())
ns:boot()
check(look().ok, "and now all is well")
record { named_count = named }
