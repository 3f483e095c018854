-- From the root to the address of a name: who is asked, and what is remembered.
--   tidewire run scripts/dns/hierarchy.lua
-- Look at: nobody knows all names; each server refers to one that knows more. The resolver asks three servers for the first
-- name, one for the second of the same zone, and none for a name that it was asked for before.
local user, isp = net:host "user", net:host "isp"
local root, tld, ns = net:host "root", net:host "tld", net:host "ns"
local www = net:host "www"
local core = net:router "core"
net:link(user, core, { rate = "100Mbps", delay = "5ms" })
net:link(isp, core, { rate = "1Gbps", delay = "1ms" })
net:link(root, core, { rate = "1Gbps", delay = "20ms" })
net:link(tld, core, { rate = "1Gbps", delay = "30ms" })
net:link(ns, core, { rate = "1Gbps", delay = "40ms" })
net:link(www, core, { rate = "1Gbps", delay = "10ms" })

local tree = net:dns_tree {
  root = root, reverse = ns,
  zones = { com = tld, ["example.com"] = ns },
  names = {
    ["www.example.com"] = www,
    ["shop.example.com"] = { CNAME = "www.example.com" },
    ["example.com"] = { ALIAS = "www.example.com", MX = "10 mail.example.com", TXT = "v=spf1 -all" },
    ["mail.example.com"] = { A = "10.99.0.1", AAAA = "2001:db8::25" },
    ["big.example.com"] = { TXT = { ("a"):rep(250), ("b"):rep(250), ("c"):rep(250) } },
  },
  ttl = "60s",
}
local resolver = isp:dns_resolver { roots = root }
net:resolver(isp)

print(assert(user:dig("www.example.com", "A", { trace = true })))
print()

local function ask(name, kind)
  local before, begun = resolver.upstream, now()
  local value, info = user:resolve(name, kind)
  local asked = resolver.upstream - before
  print(("%-18s %-5s %-22s %5.1f ms, the resolver asked %d"):format(name, kind or "A", value or info,
    (now() - begun) * 1e3, asked))
  return value, asked
end
local ip, first = ask "www.example.com"
check(ip == www.ip and first == 3, "root, com, example.com")
local _, again = ask "www.example.com"
check(again == 0 and resolver.queries == 1, "the host itself remembers")
user:flush_dns()
local _, cached = ask "www.example.com"
check(cached == 0 and resolver.queries == 2, "the resolver remembers: one message")
check(select(2, ask "shop.example.com") == 1, "the zone's server is known, the name is not")
check(ask "example.com" == www.ip, "an alias at the top of a zone")
check(ask("example.com", "MX") == "mail.example.com", "who takes mail")
check(ask("mail.example.com", "AAAA") == "2001:db8::25", "an IPv6 address")
ask("example.com", "NS")
check(ask(www.ip, "PTR") == "www.example.com", "the name of an address")
check(ask "no.example.com" == nil and ask "no.example.com" == nil, "there is no such name, and that is remembered too")
local before = tree["example.com"].tcp_queries
check(#user:resolve("big.example.com", "TXT") == 250 and tree["example.com"].tcp_queries == before + 1, "too long for a datagram: TCP")
print(user:dig("shop.example.com"))
print("what the resolver keeps:")
print(resolver:cache_list())
-- Names stand wherever a host can: in ping, in connect, in a URL.
www:http_server { pages = { ["/"] = "hello" } }
check(user:ping "www.example.com" ~= nil, "ping by name")
local res = assert(user:http_get "http://shop.example.com/")
check(res.body == "hello", "a page by name")
record { first_queries_count = first }
