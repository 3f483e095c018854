-- Row 21. The pair of programs that every book on sockets begins with, line by line.
--   tidewire run scripts/sockets/textbook.lua
-- Look at the server: the socket that listens and the socket that talks to the client are two. Python's line stands beside each.
local server_host = net:host "server"
local client_host = net:host "client"
net:link(client_host, server_host, { rate = "100Mbps", delay = "5ms" })

server_host:spawn(function()
  local server = server_host:tcp()                  -- server = socket(AF_INET, SOCK_STREAM)
  assert(server:bind(12000))                        -- server.bind(("", 12000))
  assert(server:listen(1))                          -- server.listen(1)
  print("server: listening", server)
  local connection, address = server:accept()       -- connection, address = server.accept()
  print("server: accepted", connection)
  check(connection ~= server and server.state == "LISTEN", "the listening socket stays what it is")
  local message = connection:recv(1024)             -- message = connection.recv(1024).decode()
  print(message)                                    -- print(message)
  connection:send "Hello, Client"                   -- connection.send("Hello, Client".encode())
  connection:close()                                -- connection.close()
  server:close()                                    -- server.close()
end)

local client = client_host:tcp()                    -- client = socket(AF_INET, SOCK_STREAM)
assert(client:connect(server_host, 12000))          -- client.connect((server_name, 12000))
client:send "Hello, Server"                         -- client.send("Hello, Server".encode())
local message = client:recv(1024)                   -- message = client.recv(1024).decode()
print(message)                                      -- print(message)
client:close()                                      -- client.close()
