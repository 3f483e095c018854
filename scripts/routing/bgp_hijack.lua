-- Five ASes speak BGP; one announces a network that is not its own.
--   tidewire run scripts/routing/bgp_hijack.lua                      and again with -p how=specific, -p how=filtered
-- Look at the paths before and after. With the same prefix (how=same) those who are nearer to the thief follow it, the others do not:
-- the shorter path wins. With a longer prefix (how=specific) everybody follows the thief, for the longest match decides, not the path.
-- A provider that takes only its customer's own networks (how=filtered) ends it at the first hop.
--
--      big1 ----- big2          providers, peers of each other
--      /    \     /   \
--   bank    shop      thief     customers: they carry nobody else's packets
local p = experiment { params = { how = { "same", "specific", "filtered" } }, duration = "20min" }

local as = { big1 = 100, big2 = 200, bank = 10, shop = 20, thief = 66 }
local r, host, n = {}, {}, 0
for _, name in ipairs { "big1", "big2", "bank", "shop", "thief" } do
  r[name], host[name] = net:router(name), net:host("host_" .. name)
  net:link(host[name], r[name], { rate = "1Gbps" })
  n = n + 1
  net:subnet("10." .. n .. ".0.0/16", { host[name], r[name] })
  net:routing("bgp", { routers = { r[name] }, as = as[name], mrai = "5s" })
end
local function link(a, b) net:link(r[a], r[b], { rate = "1Gbps", delay = "10ms" }) end
link("big1", "big2") link("big1", "bank") link("big1", "shop") link("big2", "shop") link("big2", "thief")
r.big1:bgp_policy(r.big2, { relation = "peer" })
r.big1:bgp_policy(r.bank, { relation = "customer" })
r.big1:bgp_policy(r.shop, { relation = "customer" })
r.big2:bgp_policy(r.shop, { relation = "customer" })
r.big2:bgp_policy(r.thief, { relation = "customer", deny = p.how == "filtered" and { "10.3.0.0/16" } or {} })

-- The ASes that packets from each router to the bank would pass.
local function paths()
  local followers = 0
  for _, name in ipairs { "big1", "big2", "shop", "thief" } do
    local best
    for _, route in ipairs(r[name]:rib()) do
      if route.used and route.path and route.prefix:match "^10%.3%." then
        if not best or tonumber(route.prefix:match "/(%d+)") > tonumber(best.prefix:match "/(%d+)") then best = route end
      end
    end
    print(("  %-6s %-14s %s"):format(name, best and best.prefix or "-", best and table.concat(best.path, " ") or ""))
    if best and best.path[#best.path] == as.thief then followers = followers + 1 end
  end
  return followers
end

local up = net:wait_converged()
print(("sessions and tables are there after %.1f s; paths to the bank's 10.3.0.0/16:"):format(up))
check(paths() == 0, "everybody finds the bank")
print(r.shop:neighbors())
check(host.shop:ping(host.bank), "the shop's host reaches the bank's")
check(#host.shop:traceroute(host.thief) == 4, "the shop reaches the thief through one provider")

print "\nthe thief announces it"
local began = now()
r.thief:announce(p.how == "specific" and "10.3.0.0/17" or "10.3.0.0/16")
local spread = net:wait_converged() - began
local followers = paths()
local reached = host.shop:ping(host.bank, { timeout = "2s" })
print(("%d of 4 follow the thief; the shop's ping: %s"):format(followers, reached and "answered" or "lost"))
if p.how == "same" then
  check(followers == 1 and reached, "big2 prefers its customer; of the shop's two equal paths the one through big1 is used")
elseif p.how == "specific" then
  check(followers == 3 and not reached, "everybody but the thief itself is caught")
else
  check(followers == 0 and reached, "nobody hears of it")
end

r.thief:withdraw(p.how == "specific" and "10.3.0.0/17" or "10.3.0.0/16")
net:wait_converged()
print "\nit is withdrawn"
check(paths() == 0 and host.shop:ping(host.bank), "all is as before")
record { start_s = up, spread_s = spread, followers = followers }
