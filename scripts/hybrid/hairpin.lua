-- Two players at home and one elsewhere: why the two may not see each other.
--   tidewire sweep scripts/hybrid/hairpin.lua
-- Look at neighbours_ms. The lobby hands out the addresses that it sees. Those of the two at home are the same but for the port, so
-- they reach each other only if their translator turns such packets round (hairpinning, RFC 4787 section 6). Where it does not, the
-- two who sit side by side cannot play, while the one far away reaches both; unless the lobby hands out inner addresses as well.
local p = experiment { name = "hairpin", params = { hairpin = { true, false }, inner = { true, false } } }
local core, lobby = net:router "core", net:host "lobby"
net:link(lobby, core, { rate = "100Mbps", delay = "20ms" })
local box, room = net:nat("box", { type = "full_cone", hairpin = p.hairpin }), net:switch "room"
net:link(box, room)
net:link(box, core, { rate = "50Mbps", delay = "8ms" })
local ann, bob, cho = net:host "ann", net:host "bob", net:host "cho"
for _, host in ipairs { ann, bob } do net:link(host, room, { rate = "1Gbps", delay = "0.1ms" }) end
net:link(cho, core, { rate = "50Mbps", delay = "12ms" })

lobby:spawn(function()
  local sock, all = lobby:udp(6112), {}
  while true do
    local msg, from = sock:recvfrom()
    all[#all + 1] = { name = msg:match "JOIN (%S+)", outer = from, inner = msg:match "JOIN %S+ (%S+)" }
    if #all == 3 then
      for _, to in ipairs(all) do
        for _, one in ipairs(all) do
          local at = p.inner and one ~= to and one.outer.ip == to.outer.ip and one.inner or tostring(one.outer)
          sock:sendto(("PLAYER %s %s"):format(one.name, at), to.outer)
        end
      end
    end
  end
end)

local ways = {}
local function player(host)
  local sock, at, asked = host:udp(6112), {}, {}
  sock:sendto(("JOIN %s %s:6112"):format(host.name, host.ip), lobby, 6112)
  local till = now() + 3
  while now() < till do
    local msg, from = sock:recvfrom { timeout = 0.25 }
    local verb, name, where = (msg or ""):match "^(%S+) (%S+) ?(%S*)"
    if verb == "PLAYER" and name ~= host.name then at[name] = address(where)
    elseif verb == "TURN" then sock:sendto("HEARD " .. host.name, from)
    elseif verb == "HEARD" then ways[host.name .. " " .. name] = (now() - asked[name]) * 1e3
    end
    for other, to in pairs(at) do
      if not ways[host.name .. " " .. other] and (not asked[other] or now() - asked[other] > 0.2) then
        asked[other] = now()
        sock:sendto("TURN " .. host.name, to)
      end
    end
  end
end
wait_all { ann:spawn(player, ann), bob:spawn(player, bob), cho:spawn(player, cho) }

for _, pair in ipairs { "ann bob", "bob ann", "ann cho", "cho bob" } do
  print(pair, ways[pair] and ("%.1f ms there and back"):format(ways[pair]) or "nothing")
end
check((ways["ann bob"] ~= nil) == (p.hairpin or p.inner), "neighbours need a translator that turns packets round, or inner addresses")
check(ways["ann cho"] and ways["cho bob"], "the one elsewhere reaches both")
if p.inner then check(ways["ann bob"] < 1, "the short way stays inside") end
record { neighbours_ms = ways["ann bob"], far_ms = ways["ann cho"], hairpinned = box.stats.hairpinned }
stop()
