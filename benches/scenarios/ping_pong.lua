-- What a message costs that Lua sends and Lua receives: two programs and one link.
--   tidewire run benches/scenarios/ping_pong.lua -p over=udp --json
local p = experiment { name = "ping_pong", params = { over = { "udp", "tcp" }, messages = { 200000 } } }

local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "1Gbps", delay = "10us" })

if p.over == "udp" then
  b:spawn(function()
    local sock = b:udp(7)
    while true do
      local data, from = sock:recvfrom()
      sock:sendto(data, from)
    end
  end)
  local sock = a:udp()
  for _ = 1, p.messages // 2 do
    sock:sendto("ping", b, 7)
    sock:recvfrom()
  end
else
  b:serve(7, function(conn)
    for data in conn:chunks() do conn:send(data) end
  end, { nodelay = true })
  local conn = assert(a:connect(b, 7, { nodelay = true }))
  for _ = 1, p.messages // 2 do
    conn:send "ping"
    conn:recv()
  end
  conn:close()
end
record { messages_count = p.messages }
