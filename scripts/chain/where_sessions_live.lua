-- Who remembers that a user is logged in: the server that the user sticks to, a store that all servers ask, or the user (a token)?
--   tidewire sweep scripts/chain/where_sessions_live.lua
-- Look at: at 20 s a server dies: half of the users of sticky servers are logged out, of the others nobody; at 40 s the store dies:
-- all its users are out. A stolen session ends when its owner logs out; a stolen token works until its time is over.
-- server_bytes_per_user against request_bytes: what servers need not remember every request has to say.
local p = experiment {
  name   = "where_sessions_live",
  params = { how = { "sticky", "store", "token" } },
}
local USERS, LIFE, RECORD = 40, 60, 2048

local users, thief = net:host "users", net:host "thief"
local lb, keeper = net:host "lb", net:host "keeper"
local servers = net:hosts("s", 2, { cores = 2, memory = "1GiB" })
net:lan("lan", { users, thief, lb, keeper, servers }, { rate = "1Gbps", delay = "1ms" })

local store = keeper:cache_server { memory = "64MB" }
local ids = random.stream "ids"
local function fresh() return ("%08x%08x"):format(ids.int(0, 2 ^ 31), ids.int(0, 2 ^ 31)) end

-- A signature that only the servers can make, because only they know the key; 256 characters as RSA's. It depends on every letter
-- (FNV-1a with the key before and behind the text): a model, which hides nothing from who wants to break it.
local KEY = fresh() .. fresh()
local function sign(text)
  local parts = {}
  for i = 1, 16 do
    local h = 0xcbf29ce484222325 ~ i
    for byte in (KEY .. text .. KEY):gmatch "." do h = (h ~ byte:byte()) * 0x100000001b3 end
    parts[i] = ("%016x"):format(h)
  end
  return table.concat(parts)
end

local styles = {}
function styles.sticky(server)
  local sessions = {}
  server:on_boot(function() sessions = {} end)
  return {
    login = function(name)
      local id = fresh()
      assert(server:allocate(RECORD))
      sessions[id] = { name = name, over = now() + LIFE }
      return "sid=" .. id .. "; Path=/"
    end,
    who = function(req)
      local session = sessions[req.cookies.sid or ""]
      return session and now() < session.over and session.name
    end,
    logout = function(req)
      if sessions[req.cookies.sid or ""] then server:free(RECORD) end
      sessions[req.cookies.sid or ""] = nil
    end,
  }
end
function styles.store(server)
  local client = server:cache_client(keeper, { timeout = "500ms" })
  return {
    login = function(name)
      local id = fresh()
      client:set(id, name .. ("x"):rep(RECORD - #name), { ttl = LIFE })
      return "sid=" .. id .. "; Path=/"
    end,
    who = function(req)
      local value = req.cookies.sid and client:get(req.cookies.sid)
      return value and value:gsub("x+$", "")
    end,
    logout = function(req) client:delete(req.cookies.sid or "") end,
  }
end
function styles.token()
  return {
    login = function(name)
      local claim = ("%s.%d"):format(name, math.floor(now() + LIFE))
      return "token=" .. claim .. "." .. sign(claim) .. "; Path=/"
    end,
    who = function(req)
      local claim, name, over, signature = (req.cookies.token or ""):match "^(([%w]+)%.(%d+))%.(%x+)$"
      return claim and signature == sign(claim) and now() < tonumber(over) and name
    end,
    -- The server forgets nothing: it never knew. The browser throws its copy away.
    logout = function() end,
  }
end

for _, server in ipairs(servers) do
  local style = styles[p.how](server)
  server:http_server {
    port = 8000,
    ["POST /login"] = function(req) return 200, "welcome", { ["Set-Cookie"] = style.login(req.body) } end,
    ["POST /logout"] = function(req) style.logout(req) return 200, "bye" end,
    ["/me"] = function(req)
      local name = style.who(req)
      if name then return 200, name end
      return 401, "who are you?"
    end,
  }
end
lb:http_balancer {
  to = servers, to_port = 8000, sticky = p.how == "sticky" and "server" or nil, upstream_timeout = "2s",
  health = { interval = "1s", failures = 1, timeout = "500ms" },
}

local clients = {}
for i = 1, USERS do
  clients[i] = users:http_client { cookies = true, keepalive = false }
  clients[i]:post("http://lb/login", { body = "user" .. i })
end
local function logged_in()
  local n = 0
  for i, client in ipairs(clients) do
    local res = client:get "http://lb/me"
    if res and res.status == 200 and res.body == "user" .. i then n = n + 1 end
  end
  return n
end

sleep(5 - now())
check(logged_in() == USERS, "everybody is logged in")
local memory = 0
for _, server in ipairs(servers) do memory = memory + server.stats.memory_used end
local before = users.stats.tx_bytes
logged_in()
local request_bytes = (users.stats.tx_bytes - before) / USERS

-- Somebody reads a cookie on the way, and uses it; then its owner logs out.
local jar, parts = clients[1].jar, {}
for _, cookie in ipairs(jar) do parts[#parts + 1] = cookie.name .. "=" .. cookie.value end
local stolen = { Cookie = table.concat(parts, "; ") }
local function theft() return thief:http_get("http://lb/me", { headers = stolen }).status == 200 end
check(theft(), "a stolen cookie works")
clients[1]:post "http://lb/logout"
local after_logout = theft()
check(after_logout == (p.how == "token"), "after the logout it works only where nobody remembers")

-- Whoever changes a letter of a token is found out.
if p.how == "token" then
  local claim, signature = clients[2].jar[1].value:match "^(.+)%.(%x+)$"
  local function try(token) return thief:http_get("http://lb/me", { headers = { Cookie = "token=" .. token } }).status end
  check(try(claim .. "." .. signature) == 200 and try(claim:gsub("user2", "user3") .. "." .. signature) == 401, "a forged token does not work")
end

sleep(20 - now())
servers[1]:crash()
sleep(25 - now())
local survivors = logged_in()
if p.how == "sticky" then
  check(survivors < 0.75 * USERS and survivors > 0.25 * USERS, "whose server died is logged out")
elseif p.how == "store" then
  check(survivors == USERS - 1, "nobody notices that a server died")
else
  check(survivors == USERS, "nobody notices that a server died")
end
sleep(40 - now())
keeper:crash()
sleep(41 - now())
local at_last = logged_in()
check(at_last == (p.how == "store" and 0 or survivors), "with the store all its sessions are gone")
sleep(LIFE + 10 - now())
check(not theft(), "in the end every theft is over")
record { logged_in_after_server_died_pct = 100 * survivors / USERS, logged_in_after_store_died_pct = 100 * at_last / USERS,
         server_bytes_per_user = memory / USERS, store_bytes_per_user = p.how == "store" and store.bytes / USERS or 0, request_bytes = request_bytes,
         stolen_after_logout_count = after_logout and 1 or 0 }
