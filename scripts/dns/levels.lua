-- Who knows a name already: the browser, the host, the resolver? Each level keeps it for its time, and that there is none, too.
--   tidewire sweep scripts/dns/levels.lua
-- Look at: which level answered, and who had to be asked, for each page. The browser keeps a name for 60 s at most, however long its
-- time is; two browsers on a host share what the host knows; two hosts what the resolver knows. A name that does not
-- exist (name = missing) is remembered just so, for the 20 s that its zone says.
local p = experiment {
  name   = "dns_levels",
  params = { name = { "there", "missing" } },
  duration = "400s",
}
local kim, lee, isp = net:host "kim", net:host "lee", net:host "isp"
local root, ns, www = net:host "root", net:host "ns", net:host "www"
net:lan("lan", { kim, lee, isp, root, ns, www }, { rate = "100Mbps", delay = "2ms" })
local top = root:dns_server { origin = ".", zone = {} }
local zone = ns:dns_server { origin = "example.com", zone = { ["www.example.com"] = www }, ttl = "300s", negative_ttl = "20s", parent = top }
local resolver = isp:dns_resolver { roots = root }
net:resolver(isp)
-- A connection of its own for each page: whoever has one needs no name.
www:http_server { keepalive = false, ["/"] = function() return 200, "1kB" end }

local url = p.name == "there" and "http://www.example.com/" or "http://no.example.com/"
local one, two, other = kim:browser { cache = false }, kim:browser { cache = false }, lee:browser { cache = false }
-- How often each level had the answer.
local counts = { browser = 0, host = 0, resolver = 0, servers = 0 }
local function level(host, browser, note)
  local before = { browser.dns_hits, host:dns_cache().hits, resolver.hits, zone.queries }
  local begun = now()
  local page, why = browser:open(url)
  local which = "servers"
  if browser.dns_hits > before[1] then which = "browser"
  elseif host:dns_cache().hits > before[2] then which = "host"
  elseif resolver.hits > before[3] then which = "resolver" end
  counts[which] = counts[which] + 1
  print(("%5.0f s  %-34s %-9s %6.1f ms  %s"):format(begun, note, which, (now() - begun) * 1e3, page and page.status or why))
  record("levels", { at_s = begun, who = note, answered_by = which, name = p.name, took_ms = (now() - begun) * 1e3 })
  return which
end

check(level(kim, one, "kim, for the first time") == "servers", "nobody knows it: root and zone are asked")
check(level(kim, one, "again") == "browser", "the browser knows it")
check(level(kim, two, "kim's other browser") == "host", "the host knows it")
check(level(lee, other, "lee") == "resolver", "the resolver knows it")
kim:flush_dns()
check(level(kim, one, "kim, whose host has forgotten it") == "browser", "what a browser keeps is its own")
one:restart()
check(level(kim, one, "kim, with a new browser") == "resolver", "and ends with it")
sleep(30)
local later = level(kim, one, "half a minute later")
check(later == (p.name == "there" and "browser" or "servers"), "a denial holds for 20 s, an address for longer")
sleep(61)
local last = level(kim, one, "after another minute")
check(last == (p.name == "there" and "host" or "servers"), "a browser keeps nothing for more than 60 s")
record { browser_hits_count = counts.browser, host_hits_count = counts.host, resolver_hits_count = counts.resolver, ns_queries_count = zone.queries }
