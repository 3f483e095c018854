-- Time to give one file to N peers: from one server, or piece by piece among themselves.
--   tidewire sweep scripts/p2p.lua
-- Look at the slope: with a server every further peer adds a fixed time, because all copies leave through one uplink. Among peers the
-- time hardly grows: who has a piece passes it on, so each new peer brings an uplink of its own.
local p = experiment {
  name   = "p2p",
  params = { mode = { "server", "peers" }, n = { 2, 4, 8, 16, 32 } },
  reps   = 3,
  expect = { { "max(complete_count) == 16", where = { n = 16 } },
             { "max(last_finish_s) < 15", where = { mode = "peers", n = 32 } } },
  plot   = { x = "n", y = "last_finish_s", color = "mode" },
}
local PIECES, PIECE = 32, 32 * 1024                        -- a file of 1 MiB

local core, origin = net:router "core", net:host "origin"
net:link(origin, core, { rate = "10Mbps", delay = "10ms" })
local peers = net:hosts("peer", p.n)
for _, peer in ipairs(peers) do
  net:link(peer, core, { delay = "15ms", forward = { rate = "4Mbps" }, backward = { rate = "20Mbps" } })
end

-- Everybody answers "GET i" with piece i, and "HAVE" with the list of the pieces it has.
local have = { [origin] = range(1, PIECES) }
local function serve(host)
  host:serve(6881, function(conn)
    for line in conn:lines() do
      if line:match "^GET" then
        conn:send_bytes(PIECE)
      else
        conn:send(table.concat(have[host], " ") .. "\n")
      end
    end
  end)
end
serve(origin)

local finish = histogram "finish_s"
local function download(me)
  local conns, wanted = {}, random.shuffle(range(1, PIECES))  -- shuffled: peers soon have different pieces to offer
  local function ask(host)
    conns[host] = conns[host] or assert(me:connect(host, 6881))
    return conns[host]
  end
  while #wanted > 0 do
    local from, k = origin, #wanted                         -- whom to ask, and for which of the wanted pieces
    local other = random.choice(peers)
    if p.mode == "peers" and other ~= me and random.chance(0.9) then
      ask(other):send "HAVE\n"
      local offered = {}
      for i in assert(ask(other):recv_line()):gmatch "%d+" do offered[tonumber(i)] = true end
      from, k = other, nil
      for j, i in ipairs(wanted) do if offered[i] then k = j end end
    end
    if k then
      ask(from):send(("GET %d\n"):format(wanted[k]))
      assert(ask(from):discard(PIECE) == PIECE)
      table.insert(have[me], table.remove(wanted, k))
    else
      sleep "50ms"                                         -- nothing new there: try again soon
    end
  end
  finish:add(now())
  for _, conn in pairs(conns) do conn:close() end
end

for _, peer in ipairs(peers) do
  have[peer] = {}
  serve(peer)
  peer:spawn(download, peer)
end

at_end(function()
  record { last_finish_s = finish:max(), complete_count = finish:count(),
           origin_sent_mib = origin.stats.tx_bytes / 2 ^ 20 }
end)
