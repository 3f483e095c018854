-- A game on a server: players send what they do, the server says to everybody what the world is like, so many times a second.
--   tidewire sweep scripts/games/tick.lua
-- Look at reaction_ms_p95, the time from a key to the picture that shows it: half a tick on average at the server, and the way there
-- and back. More ticks make it shorter and cost the server's line more. A lost state is replaced by the next one: nobody asks for
-- it again, which is why games use UDP.
local p = experiment {
  name = "game_tick",
  params = { ticks = { 10, 30, 60 }, loss = { "0%", "5%" } },
  duration = "30s",
  plot = { x = "ticks", y = { "reaction_ms_p95", "server_mbps" }, color = "loss" },
}
local PLAYERS = 8
local server, core = net:host "server", net:router "core"
local line = net:link(server, core, { rate = "100Mbps", delay = "5ms" })
local world, addresses = { tick = 0, done = {} }, {}

server:spawn(function()
  local u = server:udp(27015)
  server:spawn(function()
    while true do
      local data, from = u:recvfrom()
      local player, key = string.unpack(">I2I4", data)
      addresses[player], world.done[player] = from, key      -- the last thing that each has done
    end
  end)
  every(1 / p.ticks, function()
    world.tick = world.tick + 1
    local state = { string.pack(">I4", world.tick) }
    for player = 1, PLAYERS do state[player + 1] = string.pack(">I2I4", player, world.done[player] or 0) .. ("\0"):rep(34) end
    local text = table.concat(state)
    for _, to in sorted(addresses) do u:sendto(text, to) end
  end)
end)

local reaction, states, missing = histogram "reaction_ms", 0, 0
for player = 1, PLAYERS do
  local host, keys = net:host("player" .. player), random.stream("keys of " .. player)
  net:link(host, core, { rate = "20Mbps", delay = (5 + 5 * player) / 1000, loss = p.loss })
  host:spawn(function()
    local u, pressed, seen, last = host:udp(), {}, 0, nil
    host:spawn(function()
      for key = 1, 10000 do
        sleep(keys.exponential "200ms")
        pressed[key] = now()
        u:sendto(string.pack(">I2I4", player, key), server, 27015)
      end
    end)
    while true do
      local data = u:recvfrom()
      local tick = string.unpack(">I4", data)
      states, missing = states + 1, missing + (last and tick - last - 1 or 0)
      last = tick
      local _, key = string.unpack(">I2I4", data, 5 + (player - 1) * 40)
      if key > seen then
        reaction:add((now() - pressed[key]) * 1e3)
        seen = key
      end
    end
  end)
end
at_end(function()
  record { server_mbps = line:forward().stats.tx_bytes * 8 / 30 / 1e6, missing_pct = 100 * missing / (states + missing) }
  check(reaction:count() > 800, "everybody has played")
end)
