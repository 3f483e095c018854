-- Row 24. Three ways in which connect() fails, and how they differ; and a lost SYN with which it does not fail.
--   tidewire run scripts/tcp/connect_errors.lua
-- Look at the times. A closed port answers with RST within a round trip: "refused". A router that knows no way says so: "unreachable".
-- A server that is down says nothing: the SYN is sent again until connect() gives up: "timeout". RFC 6298 doubles the pause each time; Linux
-- (since 6.5) sends four more at a second's distance before it begins to double.
local client, router, server = net:host "client", net:router "router", net:host "server"
net:link(client, router, { delay = "5ms" })
local cable = net:link(router, server, { delay = "5ms" })
client:ping(server)                                  -- everybody knows everybody's MAC address

local function try(what, host, port, opts)
  local begin = now()
  local _, why = client:connect(host, port, opts)
  print(("%-14s -> nil, %-13s after %9.3f ms"):format(what, '"' .. why .. '"', (now() - begin) * 1e3))
  return why, now() - begin
end

local why, time = try("port closed", server, 81)
check(why == "refused" and time < 0.021, "RST within a round trip")

why, time = try("no way there", "10.99.0.1", 80)
check(why == "unreachable" and time < 0.011, "ICMP from the router, half as far away")

local picture = ladder(client, server)
cable:set { loss = "100%" }
for _, case in ipairs { { "rfc", 1 + 2 + 4 + 8 }, { "linux", 5 * 1 + 2 + 4 + 8 } } do
  local profile, patience = case[1], case[2]
  local begin, before = now(), #picture:rows()
  why, time = try("server down", server, 80, { profile = profile, syn_retries = 3 })
  check(why == "timeout" and math.abs(time - patience) < 0.1, "%s gives up after %g s", profile, patience)
  local times = {}
  for i, row in ipairs(picture:rows()) do
    if i > before then times[#times + 1] = ("%.0f"):format(row.sent - begin) end
  end
  print("   SYNs at " .. table.concat(times, " ") .. " s (" .. profile .. ")")
  record { [profile .. "_syns_count"] = #times }
end

cable:set { loss = "0%" }
server:listen(80)
cable:forward():drop_next(1)
local begin = now()
check(client:connect(server, 80) and math.abs(now() - begin - 1.02) < 0.001, "a lost SYN costs one second")
print(("first SYN lost -> connected        after %9.3f ms: the second SYN left after 1000 ms"):format((now() - begin) * 1e3))
