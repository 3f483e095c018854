-- Row 37. From a phone to a server across the ocean: every part of the way adds its delay, and traceroute shows where.
--   tidewire run scripts/internet/long_way.lua
-- Look at: which hop costs most, and that it is distance, not equipment.

local phone  = net:host "phone"
local server = net:host "server"
local way = {
  { "wifi-router",     "2ms",   "100Mbps" },             -- the air at home
  { "access",          "4ms",   "1Gbps" },               -- the line to the exchange
  { "seoul-core",      "1ms",   "100Gbps" },
  { "busan-landing",   "2ms",   "100Gbps" },             -- 325 km of fibre
  { "los-angeles",     "48ms",  "100Gbps" },             -- 9,600 km under the sea
  { "dallas-core",     "10ms",  "100Gbps" },             -- 2,000 km over land
  { "data-centre",     "1ms",   "10Gbps" },
}

local from = phone
for _, hop in ipairs(way) do
  local router = net:router(hop[1])
  net:link(from, router, { rate = hop[3], delay = hop[2] })
  from = router
end
net:link(from, server, { rate = "10Gbps", delay = "0.1ms" })

assert(phone:ping(server))                              -- everybody on the way learns his neighbours' addresses
local trace, last = phone:traceroute(server), 0
print "hop                 round trip    of that on this part of the way"
for i, hop in ipairs(trace) do
  print(("%d  %-16s %8.2f ms  %8.2f ms"):format(i, hop.name, hop.rtt * 1e3, (hop.rtt - last) * 1e3))
  check(hop.rtt > last, "each hop is farther away than the one before")
  last = hop.rtt
end

local delays = seconds "0.1ms"
for _, hop in ipairs(way) do delays = delays + seconds(hop[2]) end
check(#trace == #way + 1 and trace[#trace].name == "server", "traceroute names every router and the server")
check(math.abs(last - 2 * delays) < seconds "1ms", "the whole is the sum of its parts")
record { rtt_ms = last * 1e3 }
