-- A server behind rules: who may reach it, what may leave, and what was counted.
--   tidewire run scripts/services/firewall.lua
-- Look at the two tables. Rules decide about the first packet of a flow only: the server's answers pass as packets of a known flow,
-- though no rule of the outbound list allows them by name. "deny" is silent, so the stranger waits until it gives up; "reject" tells
-- at once. The router has rules of its own for what it forwards.
local admin, stranger, server = net:host "admin", net:host "stranger", net:host "server"
local office, internet, rack = net:switch "office", net:switch "internet", net:switch "rack"
local router = net:router "router"
for _, pair in ipairs { { admin, office }, { stranger, internet }, { server, rack } } do
  net:link(pair[1], pair[2], { rate = "100Mbps", delay = "1ms" })
  net:link(router, pair[2])
end
net:subnet("10.0.1.0/24", { admin, office })
net:subnet("198.51.100.0/24", { stranger, internet })
net:subnet("10.0.9.0/24", { server, rack })

server:firewall {
  inbound = {
    { allow = "tcp/22", from = "10.0.1.0/24", name = "ssh from the office" },
    { allow = { "tcp/80", "tcp/443" } },
    { reject = "tcp/8080" },
    { deny = "icmp", log = true },
  },
  outbound = { { deny = "tcp/25", name = "no mail from here" } },
  default = { inbound = "deny", outbound = "allow" },
}
router:firewall { forward = { { deny = "any", from = "198.51.100.66" }, { allow = "any" } } }

for _, port in ipairs { 22, 25, 80, 8080 } do
  server:serve(port, function(conn) conn:send("port " .. port) end)
  stranger:serve(port, function(conn) conn:send("port " .. port) end)
end

local function try(from, to, port)
  local s, why = from:connect(to, port, { timeout = "3s" })
  local said = s and s:recv_all() or why
  if s then s:close() end
  print(("%-8s -> %-8s %5d   %s"):format(from.name, to.name, port, said))
  return said
end

check(try(admin, server, 22) == "port 22", "ssh from the office")
check(try(stranger, server, 22) == "timeout", "no ssh from elsewhere, and no word about it")
check(try(stranger, server, 80) == "port 80", "the web from anywhere")
check(try(stranger, server, 8080) == "refused", "a rejected connection fails at once")
check(try(server, stranger, 80) == "port 80", "the server may go out, and hears the answer")
check(try(server, stranger, 25) == "timeout", "but not to port 25")
check(admin:ping(server) == nil, "ping is denied")
check(server:ping(admin) ~= nil, "unless the server asks")

local function packets(node, name)
  for _, row in ipairs(node:firewall_rules()) do
    if row.name == name or row.rule == name then return row.packets end
  end
end
print(server:firewall_rules())
print("\nat the router\n" .. tostring(router:firewall_rules()))
print("\nflows that the server remembers\n" .. tostring(server:firewall_flows()))
check(packets(server, "ssh from the office") == 1, "one connection, one packet counted by the rule")
record { ssh = packets(server, "ssh from the office"), mail = packets(server, "no mail from here"),
         icmp = packets(server, "deny icmp"), denied = packets(server, "deny by default") }
