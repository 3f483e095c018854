-- The same work with three structures: everything through a server, peers among themselves, and a server that only introduces.
--   tidewire sweep scripts/hybrid/three_structures.lua
-- Look at server_mb: a server that serves carries everything, one that introduces next to nothing, and without one there is nothing to
-- carry. Then at done_pct when the server or a peer dies after some seconds: what goes through one place ends with it. The file is
-- received by twelve, the call is among eight; its delay is that of the way, so through a server it is longer than directly.
local p = experiment {
  name   = "three_structures",
  params = { workload = { "file", "call" }, structure = { "server", "hybrid", "peers" }, dies = { "nobody", "server", "peer" } },
  plot   = { { x = "structure", y = "server_mb", color = "workload", where = { dies = "nobody" } },
             { x = "structure", y = "done_pct", color = "dies", where = { workload = "file" } },
             { x = "structure", y = "done_pct", color = "dies", where = { workload = "call" } },
             { x = "structure", y = "finish_s", color = "dies", where = { workload = "file" } },
             { x = "structure", y = "delay_ms", color = "dies", where = { workload = "call" } } },
}
local is_file = p.workload == "file"
local SIZE, FRAME, FRAME_S, CALL_S, DEATH = 4e6, 172, 0.020, 8, is_file and 6 or 2
local N = is_file and 12 or 8
local core, server = net:router "core", net:host "server"
net:link(server, core, { rate = "20Mbps", delay = "30ms" })
local members = net:hosts("member", N)
for i, host in ipairs(members) do
  net:link(host, core, { delay = 0.005 + 0.002 * i, forward = { rate = "5Mbps" }, backward = { rate = "20Mbps" } })
end
local publisher = net:host "publisher"                        -- who has the file when there is no server
net:link(publisher, core, { delay = "10ms", forward = { rate = "5Mbps" }, backward = { rate = "20Mbps" } })
local victim = p.dies == "server" and server or p.dies == "peer" and members[1] or nil
if victim then at(DEATH, function() victim:crash() end) end
local survivors = p.dies == "peer" and N - 1 or N

local function distribute()
  local done, last = 0, 0
  local function finished(host, t)
    if host ~= victim then done, last = done + 1, math.max(last, t) end
  end
  if p.structure == "server" then
    server:serve(80, function(conn)
      conn:send_bytes(SIZE)
      conn:close()
    end)
    local jobs = {}
    for i, host in ipairs(members) do
      jobs[i] = host:spawn(function()
        local conn = host:connect(server, 80)
        if conn and conn:discard(SIZE, { timeout = 40 }) == SIZE then finished(host, now()) end
      end)
    end
    sleep(60)
  else
    local seed = p.structure == "hybrid" and server or publisher
    local swarm = net:swarm { seed = seed, peers = members, size = SIZE, piece = "64KiB", interval = "1s", patience = "3s",
                              gives_up = "30s" }
    swarm:on("complete", finished)
    swarm:wait { timeout = 60 }
  end
  return { done_pct = 100 * done / survivors, finish_s = done > 0 and last or nil }
end

-- A call: frames of speech from each to all others. Who relays passes frames on; when it falls silent the next one does.
local function talk()
  local heard, sent, delay_sum, count = 0, 0, 0, 0
  local by_relay = p.structure ~= "peers"
  local list = p.structure == "server" and { server } or { members[1], members[2], members[3] }
  local function relay(host, sock, msg, from)
    for _, to in ipairs(members) do
      if to ~= host and to.ip ~= from.ip then sock:sendto("F" .. msg:sub(2), to, 5004) end
    end
  end
  server:spawn(function()
    local sock, names = server:udp(5004), {}
    while true do
      local msg, from = sock:recvfrom()
      if msg == "HELLO" then
        names[#names + 1] = from
        if #names == N then
          for _, to in ipairs(names) do sock:sendto(("ROSTER " .. ("."):rep(8 * N)), to) end
        end
      else
        relay(server, sock, msg, from)
      end
    end
  end)
  for me, host in ipairs(members) do
    local sock, at_relay, last = host:udp(5004), 1, now()
    host:spawn(function()
      if by_relay then sock:sendto("HELLO", server, 5004) end
      sleep(0.5)
      last = now()
      for n = 1, CALL_S / FRAME_S do
        local msg = ("F %d %d %.6f "):format(me, n, now())
        msg = msg .. ("."):rep(FRAME - #msg)
        local silent = now() - last > 0.3
        if by_relay and silent then at_relay, last = at_relay % #list + 1, now() end
        if not by_relay or list[at_relay] == host then
          relay(host, sock, msg, { ip = host.ip })
        else
          sock:sendto("U" .. msg:sub(2), list[at_relay], 5004)
        end
        if now() > DEATH and host ~= victim then sent = sent + 1 end
        sleep(FRAME_S)
      end
    end)
    host:spawn(function()
      while true do
        local msg, from = sock:recvfrom()
        local verb, i, at = msg:match "^([FU]) (%d+) %d+ (%S+)"
        if i then
          i, at, last = tonumber(i), tonumber(at), now()
          if at > 0.5 and at < DEATH - 0.2 then delay_sum, count = delay_sum + now() - at, count + 1 end
          if at > DEATH and members[i] ~= victim then heard = heard + 1 end
          if verb == "U" then relay(host, sock, msg, from) end
        end
      end
    end)
  end
  sleep(CALL_S + 1.5)
  local delay = delay_sum / count
  return { done_pct = 100 * heard / (sent * (survivors - 1)), delay_ms = delay * 1e3 }
end

local result = is_file and distribute() or talk()
local server_mb = (server.stats.tx_bytes + server.stats.rx_bytes) / 1e6
local most = 0
for _, host in ipairs(members) do most = math.max(most, host.stats.tx_bytes / 1e6) end
print(("%s, %s, %s dies: server %.3f MB, busiest member sends %.2f MB, done %.1f %%, %s"):format(p.workload,
  p.structure, p.dies, server_mb, most, result.done_pct,
  is_file and ("last at %.1f s"):format(result.finish_s or 0) or ("delay %.1f ms"):format(result.delay_ms)))
if p.dies == "nobody" then check(result.done_pct > 99, "all is done") end
if p.structure == "server" and p.dies == "server" then check(result.done_pct < 10, "without the server nothing goes on") end
if p.structure == "peers" then check(server_mb == 0, "there is no server in it") end
if p.structure ~= "server" then check(result.done_pct > 85, "it goes on") end
record { server_mb = server_mb, member_tx_mb = most, done_pct = result.done_pct, finish_s = result.finish_s, delay_ms = result.delay_ms }
stop()
