-- A game in lock-step, as StarCraft plays it: nobody goes on to the next turn before the commands of all are there.
--   tidewire sweep scripts/hybrid/starcraft.lua
-- Look at turn_ms and server_bytes. Among all players the turn takes the longest way between two of them; through one of the players,
-- or through a server, the longest way there and back. The lobby server only introduces; a server that relays carries N commands in
-- and N (N - 1) out each turn. Then the first player leaves without a word, who in "host" is the one that all go through: the others
-- miss him for a second, drop him, and play on. A relaying server that goes ends the game.
local p = experiment {
  name   = "starcraft",
  params = { structure = { "mesh", "host", "server" }, players = { 2, 3, 4, 8 } },
  plot   = { { x = "players", y = "turn_ms", color = "structure" }, { x = "players", y = "server_bytes", color = "structure" } },
}
local PORT, COMMAND, LEAVE_TURN, TURNS, MISSED_S, RESEND_S = 6112, 60, 100, 250, 1.0, 0.3
local HEADERS = 20 + 8 + 18                                   -- IP, UDP, Ethernet
local N = p.players
local core = net:router "core"
local lobby = net:host "lobby"
net:link(lobby, core, { rate = "100Mbps", delay = "25ms", framing = "ethernet" })
local delays, hosts = {}, net:hosts("player", N)
for i, host in ipairs(hosts) do
  delays[i] = 0.005 + 0.005 * ((i * 5) % 8)                   -- 5 to 40 ms
  net:link(host, core, { rate = "100Mbps", delay = delays[i], framing = "ethernet" })
end

-- The lobby: who comes gets a number; when all are there, all get the list. It may relay the game too.
local games = { names = {}, at = {} }
lobby:spawn(function()
  local sock = lobby:udp(PORT)
  while true do
    local msg, from = sock:recvfrom()
    if msg == "JOIN" then
      games.at[#games.at + 1] = from
      if #games.at == N then
        local list = {}
        for i, at in ipairs(games.at) do list[i] = tostring(at) end
        for i, at in ipairs(games.at) do sock:sendto(("GAME %d %s"):format(i, table.concat(list, " ")), at) end
        games.before = lobby.stats.rx_bytes + lobby.stats.tx_bytes
      end
    elseif p.structure == "server" then
      for _, at in ipairs(games.at) do
        if at ~= from then sock:sendto(msg, at) end
      end
    end
  end
end)

local turns_at, states = {}, {}                             -- when each turn began, by player; how it ended
local function play(me, host)
  local sock = host:udp(PORT)
  sleep(me * 0.1)                                             -- so that numbers are as the players'
  sock:sendto("JOIN", lobby, PORT)
  local game = sock:recvfrom()
  local at, gone, turn, got, heard = {}, {}, 1, {}, {}
  for peer in game:gmatch "%S+:%d+" do at[#at + 1] = address(peer) end
  local state = {}
  states[me] = state
  local function leader()                                     -- the first who is still there
    for i = 1, N do
      if not gone[i] then return i end
    end
  end
  local function text(i, t, fresh) return ("C %d %d %s"):format(i, t, fresh and "new" or "old") end
  local function pad(msg) return msg .. (" "):rep(COMMAND - #msg) end
  local function say(t)
    local msg = pad(text(me, t, true))
    if p.structure == "server" then
      sock:sendto(msg, lobby, PORT)
    elseif p.structure == "host" and leader() ~= me then
      sock:sendto(msg, at[leader()])
    else
      for i = 1, N do
        if i ~= me and not gone[i] then sock:sendto(msg, at[i]) end
      end
    end
  end
  local function complete()
    for i = 1, N do
      if i ~= me and not gone[i] and not (got[turn] or {})[i] then return false end
    end
    return true
  end
  for i = 1, N do heard[i] = now() end
  turns_at[me] = { now() }
  say(1)
  local resend = now() + RESEND_S
  while turn < TURNS do
    if me == 1 and turn == LEAVE_TURN and p.structure ~= "server" then
      host:crash()                                            -- he pulls the plug
      return
    end
    if p.structure == "server" and me == 1 and turn == LEAVE_TURN then lobby:crash() end
    local msg = sock:recvfrom { timeout = 0.05 }
    local i, t = (msg or ""):match "^C (%d+) (%d+)"
    if i then
      i, t = tonumber(i), tonumber(t)
      if not got[t] then got[t] = {} end
      local first = not got[t][i]
      got[t][i], heard[i] = true, now()
      -- Who hosts the game passes commands on.
      if p.structure == "host" and leader() == me and i ~= me and (first or t >= turn - 1) then
        for j = 1, N do
          if j ~= me and j ~= i and not gone[j] then sock:sendto(msg, at[j]) end
        end
      end
    end
    while turn < TURNS and complete() do
      got[turn - 3], turn = nil, turn + 1
      turns_at[me][turn] = now()
      say(turn)
      resend = now() + RESEND_S
    end
    if now() > resend then                                    -- somebody is missing: perhaps what was sent is
      say(turn)
      if turn > 1 then say(turn - 1) end
      resend = now() + RESEND_S
      local silent = {}
      for i = 1, N do
        if i ~= me and not gone[i] and now() - heard[i] > MISSED_S then silent[#silent + 1] = i end
      end
      -- Of those who hear each other only through the host, the host is the first to be missed.
      if #silent > 0 then
        gone[p.structure == "host" and math.min(table.unpack(silent)) or silent[1]] = true
        for i = 1, N do heard[i] = now() end
        if p.structure == "server" then break end             -- all are silent: the server is gone
      end
    end
  end
  state.turn, state.done = turn, turn >= TURNS
end

local jobs = {}
for i, host in ipairs(hosts) do jobs[i] = host:spawn(play, i, host) end
for i = (p.structure == "server" and 1 or 2), N do jobs[i]:join { timeout = 120 } end

-- Turn time before he leaves, and the formula: max-plus algebra; the turn is the longest mean of a cycle of messages.
local watcher = turns_at[N]
local upto = LEAVE_TURN - 5
local turn_ms = (watcher[upto] - watcher[20]) / (upto - 20) * 1e3
local wire = (COMMAND + HEADERS + 20) * 8 / 100e6              -- on each link, with preamble and gap
local expected = 0
for i = 1, N do
  for j = 1, N do
    local way = 0
    if p.structure == "mesh" and i ~= j then way = delays[i] + delays[j] + 2 * wire end
    local hub = p.structure == "server" and 0.025 or delays[1]
    if p.structure == "server" and i ~= j then way = delays[i] + delays[j] + 2 * hub + 4 * wire end
    if p.structure == "host" and i ~= j then
      way = (i == 1 or j == 1) and delays[i] + delays[j] + 2 * wire or delays[i] + delays[j] + 2 * hub + 4 * wire
    end
    expected = math.max(expected, way)
  end
end
expected = expected * 1e3
local went_on, pause = true, 0
for i = 2, N do
  went_on = went_on and states[i].done == true
  for t = LEAVE_TURN - 5, #turns_at[i] do pause = math.max(pause, turns_at[i][t] - turns_at[i][t - 1]) end
end
local server_bytes = lobby.stats.rx_bytes + lobby.stats.tx_bytes
local per_turn = (server_bytes - (games.before or 0)) / LEAVE_TURN
local formula = N * N * (COMMAND + 28)
print(("%s, %d players: a turn takes %.1f ms, expected %.1f; server %d bytes, %.0f each turn (N^2 commands: %d)"):format(
  p.structure, N, turn_ms, expected, server_bytes, per_turn, formula))
check(math.abs(turn_ms / expected - 1) < 0.03, "turn time as the formula says")
if p.structure == "server" then
  check(math.abs(per_turn / formula - 1) < 0.05, "the server carries N commands in and N (N - 1) out each turn")
  check(not went_on, "without the server there is no game")
else
  check(server_bytes < 2000 * N, "the lobby carries no game")
  check(went_on, "the others play on")
end
record { turn_ms = turn_ms, expected_ms = expected, server_bytes = server_bytes, server_bytes_per_turn = per_turn, formula = formula,
         went_on = went_on and 1 or 0,
         pause_s = pause }
stop()
