-- Files over FTP: one connection for commands, another for each list and file; a server that remembers who is how far.
--   tidewire run scripts/files/ftp.lua
-- Look at: the server's table of sessions while a file is on its way; who opens the data connection, and what an address translator
-- makes of that; a transfer that goes on where it was cut; a command that nobody knows. At the end the same file over HTTP:
-- how many connections and round trips it takes, and how much the server has to remember.
local server, user = net:host "server", net:host "user"
local core = net:router "core"
local box = net:nat("box", { type = "port_restricted" })
local line = net:link(user, box, { rate = "100Mbps", delay = "1ms" })
net:link(box, core, { rate = "100Mbps", delay = "4ms" })
net:link(core, server, { rate = "100Mbps", delay = "5ms" })
local near = net:host "near"                     -- a host without a translator
net:link(near, core, { rate = "100Mbps", delay = "5ms" })
local RTT = 0.02

local ftp = server:ftp_server {
  users = { kim = "secret" },
  files = { ["/pub/film.mp4"] = "10MB", ["/pub/readme.txt"] = "Read me first.\n", ["/motd"] = "hello" },
}

-- Log in, look around.
check(select(2, user:ftp(server, "kim", "wrong")) == "530 wrong user or password", "a wrong password")
local session = assert(user:ftp(server, "kim", "secret"))
print(session:list "/")
session:cwd "/pub"
check(#session:list() == 2 and session:get("readme.txt").body == "Read me first.\n", "a list and a text")

-- What the server remembers meanwhile.
local transfer = spawn(function() return session:get "film.mp4" end)
sleep "300ms"
local table_then = ftp:sessions()
print("\n" .. tostring(table_then) .. "\n")
check(table_then[1].user == "kim" and table_then[1].state == "transfer" and table_then[1].file:match "film", "login and transfer")
local _, film = transfer:join()
check(film.size == 10000000, "the whole film")

-- The other way round: the server opens the connection to the address that the client tells.
local active = assert(near:ftp(server, "kim", "secret", { mode = "active" }))
check(active:get("/motd").body == "hello", "active works between hosts that reach each other")
active:quit()
local behind = assert(user:ftp(server, "kim", "secret", { mode = "active" }))
local none, why = behind:get "/motd"
print("active, behind the translator: ", none, why)
check(none == nil and why:match "^425", "behind a translator nobody can connect to the client")
behind:quit()
check(session:get("/motd").body == "hello", "passive works there, too")

-- Cut and resumed.
local cut = spawn(function() return session:get("film.mp4", { timeout = "2s" }) end)
sleep "500ms"
line:disable()
local _, got, err, came = cut:join()
session:close()
line:enable()
print(("cut: %s after %d bytes"):format(err, came))
local again = assert(user:ftp(server, "kim", "secret"))
local rest = assert(again:get("/pub/film.mp4", { offset = came }))
check(got == nil and came + rest.size == 10000000, "the rest, and nothing twice")

-- A command that nobody knows.
local code, text = again:command "XYZZY now"
print(code, text)
check(code == 500, "unknown commands get 500, and the session goes on")
check(again:put("/up.bin", "2MB").size == 2000000 and again:size "/up.bin" == 2000000, "stored")

-- The same file over both: a table.
server:http_server { pages = { ["/motd"] = "hello" } }
local function over_http()
  local before = now()
  local web = server:http_server { port = 8080, pages = { ["/motd"] = "hello" } }
  assert(near:http_get "http://server:8080/motd")
  return web.connections, now() - before, 0       -- nothing is kept from one request to the next
end
local function over_ftp()
  local connections, before = ftp.connections + ftp.data_connections, now()
  local s = assert(near:ftp(server, "kim", "secret"))
  assert(s:get "/motd")
  local rows, state = ftp:sessions(), 0
  for _, row in ipairs(rows) do state = math.max(state, row.bytes) end
  s:quit()
  return ftp.connections + ftp.data_connections - connections, now() - before, state
end
near:ping(server)
for name, run in sorted { http = over_http, ftp = over_ftp } do
  local connections, took, state = run()
  local trips = math.floor(took / RTT + 0.5)
  print(("%-5s %d connections, %d round trips, %d bytes remembered for the client"):format(name, connections, trips, state))
  record("contrast", { protocol = name, connections_count = connections, round_trips_count = trips, state_bytes = state })
  record { [name .. "_connections_count"] = connections, [name .. "_trips_count"] = trips, [name .. "_state_bytes"] = state }
end
again:quit()
