-- Row 16. A switch dies for two seconds: what is sent meanwhile is lost. UDP does not care, TCP waits longer and longer and goes on.
--   tidewire run scripts/failures/switch_dies.lua
-- Look at: datagrams lost = rate x outage (and the few that were under way), and how long TCP needs after the switch is back.

local a, b, c, d = net:host "a", net:host "b", net:host "c", net:host "d"
local switch = net:switch "switch"
for _, host in ipairs { a, b, c, d } do net:link(host, switch, { rate = "100Mbps", delay = "1ms" }) end

local DIES, BACK = 5, 7.3
at(DIES, function() switch:crash() end)
at(BACK, function() switch:boot() end)

-- 1000 datagrams a second for ten seconds.
local voice = a:cbr { to = b, port = 9000, rate = "1.6Mbps", size = 200, stop = "10s", name = "voice" }

-- A file over TCP between two others, started a second before; d notes when bytes arrive.
local longest, last, resumed = 0, nil, nil
d:serve(80, function(conn)
  for data in conn:chunks() do
    if last and now() - last > longest then longest, resumed = now() - last, now() end
    last = now()
  end
end)
sleep(DIES - 1)
local conn = assert(c:connect(d, 80))
conn:send_bytes "40MB"
conn:close()
voice:wait()
sleep "1s"

local lost, expected = voice.packets_lost, 1000 * (BACK - DIES)
print(("UDP: %d datagrams lost, rate x outage = %.0f"):format(lost, expected))
print(("TCP: silent for %.2f s; the switch was back after %.2f s, TCP tried again %.2f s later"):format(
  longest, BACK - DIES, resumed - BACK))
check(lost >= expected and lost <= expected + 10, "rate x outage, and what was under way")
check(longest > BACK - DIES and resumed - BACK < 2, "TCP goes on when its timer, doubled each time, goes off")
record { lost = lost, silence_s = longest }
