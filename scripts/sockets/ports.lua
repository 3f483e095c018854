-- Rows 19 and 20. A port is the address of a program on a host; TCP and UDP have ports of their own.
--   tidewire run scripts/sockets/ports.lua
-- Look at the three conversations with one port of the server that are never mixed up, and at what is refused.
local client, server = net:host "client", net:host "server"
net:link(client, server, { rate = "10Mbps", delay = "5ms" })

server:serve(80, function(conn)
  while true do
    local line = conn:recv_line()
    if not line then break end
    conn:send("re: " .. line .. "\n")
  end
end)

-- Three tabs of a browser: three connections to the same port, told apart by the client's port.
local tabs = {}
for i = 1, 3 do tabs[i] = assert(client:connect(server, 80)) end
for i, tab in ipairs(tabs) do tab:send("tab " .. i .. "\n") end
local mixed = 0
for i, tab in ipairs(tabs) do
  local answer = tab:recv_line()
  print("tab", i, answer)
  if answer ~= "re: tab " .. i then mixed = mixed + 1 end
end
check(mixed == 0, "no conversation is mixed with another")

-- A port can be taken once for each protocol.
local tcp = assert(server:listen(53))
local udp = assert(server:udp(53))
check(tcp ~= nil and udp ~= nil, "tcp:53 and udp:53 at once")
print(server:sockets())
local again, why = server:udp(53)
print("udp:53 once more:", again, why)
check(again == nil and why == "in use", "a port is taken once")

-- 16 bits: 0 to 65535.
local ok, message = pcall(function() return server:listen(65536) end)
print((tostring(message):gsub("\n.*", "")))
check(not ok and tostring(message):find("65536", 1, true) ~= nil, "65536 is no port")
