-- Datagrams through a chain of routers: what forwarding costs.
--   tidewire run benches/scenarios/chain.lua -p routers=8 --until 2s --json
local p = experiment {
  name     = "chain",
  params   = { routers = { 8, 2, 32 } },
  duration = "10s",
}

local link = { rate = "1Gbps", delay = "10us" }
local src, dst = net:host "src", net:host "dst"
local last = src
for i = 1, p.routers do
  local router = net:router("r" .. i)
  net:link(last, router, link)
  last = router
end
net:link(last, dst, link)

src:cbr { to = dst, rate = "100Mbps", size = 1000 }
