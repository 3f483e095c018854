-- A swarm of a thousand peers: 20 MB in pieces of 256 KiB, against the bound of Mundinger, Weber and Weiss.
--   tidewire run benches/scenarios/swarm.lua --json
-- Most of its time is waiting for memory, that of connections: with the usual 30 neighbours (-p neighbours=30) it takes half as long again.
-- For a look: -p size=5e5 -p piece=16384 -p slower=10, as the test of a thousand peers has it.
local p = experiment { name = "swarm", params = { n = { 1000 }, size = { 20e6 }, piece = { 262144 }, slower = { 1 }, neighbours = { 8 } }, units = { ratio = "1" } }
local US, U, D = 30 / p.slower, 7 / p.slower, 20 / p.slower   -- Mbit/s of payload
local function wire(payload_mbps) return ("%.4fMbps"):format(payload_mbps * 1538 / 1448) end
local core, origin, peers = net:router "core", net:host "origin", net:hosts("peer", p.n)
net:link(origin, core, { rate = wire(US), delay = "5ms", queue = "200pkt" })
for _, peer in ipairs(peers) do
  net:link(peer, core, { delay = "5ms", forward = { rate = wire(U), queue = "60pkt" }, backward = { rate = wire(D), queue = "200pkt" } })
end
local swarm = net:swarm { seed = origin, peers = peers, size = p.size, piece = p.piece, interval = "1s", choking = "balanced",
                          neighbours = p.neighbours, seed_slots = 10, seed_neighbours = 100, upload = "93%", seed_upload = "98%" }
swarm:wait()
for _, one in ipairs(swarm:list()) do
  if not one.seed then check(one.ok, "%s has the right file", one.name) end
end
local mbit, pieces = p.size * 8 / 1e6, math.ceil(p.size / p.piece)
local bound = math.max(mbit / US, mbit / D, p.n * mbit / (US + p.n * U)) * (1 + math.floor(math.log(p.n, 2)) / pieces)
record { finish_s = swarm.last_finish, bound_s = bound, ratio = swarm.last_finish / bound }
stop()
