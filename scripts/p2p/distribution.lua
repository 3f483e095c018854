-- How long until N peers have a file: from a server, or from each other; against what the textbook says is the least.
--   tidewire sweep scripts/p2p/distribution.lua
-- Look at finish_s by n. A server sends every copy itself: max(N F / us, F / d), a straight line. Among peers everybody's uplink helps:
-- max(F / us, F / d, N F / (us + N u)), a curve that bends (Kurose and Ross, section 2.5), and with M pieces that must arrive before they
-- are passed on about 1 + floor(log2 N) / M times that (Mundinger, Weber, Weiss 2008). Rates are those of payload. wasted_pct is what
-- came twice in the end game; seed_copies is how often the seed has sent the file. With u = d = 20 Mbit/s the bound is what a downlink takes:
-- what the beginning costs, when nobody has anything to give yet, cannot be made up for. ratio_acked counts what TCP's acknowledgments
-- take of the uplinks: one of 90 bytes on the wire for two segments of 1538. Peers leave a part of their lines free for those (upload): else
-- they wait behind blocks, and who sends to such a peer slows down. A larger swarm: -p mode=swarm -p n=1000 -p u=7.
local p = experiment {
  name   = "distribution",
  params = { mode = { "server", "swarm" }, u = { 3, 7, 20 }, n = { 1, 3, 10, 30, 100 } },
  units  = { ratio = "1", ratio_acked = "1", seed_copies = "1" },
  expect = { { "max(ratio) < 1.05", where = { mode = "server" } }, { "max(ratio) < 1.2", where = { mode = "swarm", u = 3 } },
             { "max(ratio) < 1.2", where = { mode = "swarm", u = 7 } }, { "max(ratio) < 1.3", where = { mode = "swarm", u = 20 } } },
  plot   = { { x = "n", y = "finish_s", color = "mode", facet = "u" }, { x = "n", y = "ratio", color = "u", where = { mode = "swarm" }, log = "x" } },
}
local F, US, D = 20e6, 30, 20                                 -- bytes, Mbit/s, Mbit/s
local PIECE = (p.u < 20 and 80 or 32) * 1024                  -- on fast lines a piece must soon be there to be passed on
local function wire(payload_mbps) return ("%.4fMbps"):format(payload_mbps * 1538 / 1448) end   -- headers take the rest

local core, origin = net:router "core", net:host "origin"
net:link(origin, core, { rate = wire(US), delay = "5ms", queue = "200pkt" })
local peers = net:hosts("peer", p.n)
for _, peer in ipairs(peers) do
  net:link(peer, core, { delay = "5ms", forward = { rate = wire(p.u), queue = "60pkt" }, backward = { rate = wire(D), queue = "200pkt" } })
end

local N, M, mbit = p.n, math.ceil(F / PIECE), F * 8 / 1e6
local ACKS = 90 / 2 / 1538
local bound, acked, last, wasted, copies
if p.mode == "server" then
  bound = math.max(N * mbit / US, mbit / D)
  acked = bound
  origin:serve(80, function(conn)
    conn:send_bytes(F)
    conn:close()
  end)
  local jobs = {}
  for i, peer in ipairs(peers) do
    jobs[i] = peer:spawn(function()
      local conn = assert(peer:connect(origin, 80))
      assert(conn:discard() == F)
      last = now()
    end)
  end
  wait_all(jobs)
  wasted, copies = 0, N
else
  local chunks = 1 + math.floor(math.log(N, 2)) / M
  bound = math.max(mbit / US, mbit / D, N * mbit / (US + N * p.u)) * chunks
  acked = math.max(mbit / US, mbit / D, N * mbit * (1 + ACKS) / (US + N * p.u)) * chunks
  local swarm = net:swarm { seed = origin, peers = peers, size = F, piece = PIECE, interval = "1s", choking = "balanced", slots = p.u < 20 and 4 or 8,
                              seed_slots = 30, seed_neighbours = 100, upload = "93%", seed_upload = "98%", log = true }
  swarm:wait()
  last, wasted = swarm.last_finish, 0
  for _, one in ipairs(swarm:list()) do
    wasted = wasted + one.wasted
    if not one.seed then check(one.ok, "%s has the right file", one.name) end
  end
  copies = swarm:peer(origin).uploaded / F
end
local ratio = last / bound
print(("%s, N = %d, u = %g: %.2f s, bound %.2f s, ratio %.3f, copies from the origin %.2f"):format(p.mode, N, p.u, last, bound, ratio, copies))
check(last >= bound * 0.999, "nobody is faster than the bound")
record { finish_s = last, bound_s = bound, ratio = ratio, ratio_acked = last / acked, seed_copies = copies, wasted_pct = 100 * wasted / (N * F),
         origin_sent_mib = origin.stats.tx_bytes / 2 ^ 20 }
stop()
