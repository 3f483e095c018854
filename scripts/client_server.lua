-- One server, many clients: request and response over TCP, with a server that needs time to think.
--   tidewire sweep scripts/client_server.lua
-- Look at the response time as clients are added: flat while the server's two cores are idle enough, then it grows with every
-- client, because requests wait in line. The network is the same all the time.
local p = experiment {
  name   = "client_server",
  params = { clients = { 1, 2, 4, 8, 16, 32 } },
  reps   = 5,
  duration = "20s",
  warmup   = "2s",
  expect = { { "mean(response_ms_mean) < 40", where = { clients = 1 } } },
  plot   = { { x = "clients", y = { "response_ms_p50", "response_ms_p95" }, log = "x" },
             { x = "clients", y = "served_per_s", log = "x" } },
}

local server  = net:host("server", { cores = 2 })
local clients = net:hosts("client", p.clients)
net:lan("office", { server, clients }, { rate = "100Mbps", delay = "1ms" })

-- The server: one process for each connection, one line for each request.
server:serve(8080, function(conn)
  for request in conn:lines() do
    server:work(random.exponential "10ms")               -- occupies one of the two cores
    conn:send("answer to " .. request .. "\n")
  end
end)

local response, served = histogram "response_ms", 0
for i, client in ipairs(clients) do
  client:spawn(function()
    local conn = assert(client:connect(server, 8080))
    for n = 1, math.huge do
      local asked = now()
      conn:send(("request %d of client %d\n"):format(n, i))
      assert(conn:recv_line())
      response:add((now() - asked) * 1e3)
      if asked >= 2 then served = served + 1 end
      sleep(random.exponential "50ms")                   -- the user reads the answer
    end
  end)
end

at_end(function()
  record { served_per_s = served / measured_seconds(),
           cpu_pct = 100 * server.stats.cpu_utilization }
end)
