-- HTTP forgets; cookies, sessions and tokens remember.
--   tidewire run scripts/web/sessions.lua
-- Look at: which cookies are sent where and for how long; a session that the server keeps, and that ends by itself or by hand;
-- a stolen session works as well as its owner's; tokens of devices, of which there may be two; what a closed browser forgets.
local user, thief, www = net:host "user", net:host "thief", net:host "www"
net:lan("lan", { user, thief, www }, { rate = "100Mbps", delay = "2ms" })

local sessions, tokens, limit = {}, {}, "30s"
local random_id = random.stream "ids"
local function fresh() return ("%08x"):format(random_id.int(0, 2 ^ 31)) end
local function who(req)
  local session = sessions[req.cookies.sid or ""]
  if not session or now() > session.until_s then return nil end
  session.until_s = now() + seconds(limit)
  return session.name
end
local server = www:http_server {
  ["/set"] = function()
    return 200, "set", { ["Set-Cookie"] = { "theme=dark; Max-Age=60", "cart=3; Path=/shop", "tab=1" } }
  end,
  ["/echo"] = function(req) return 200, req.headers.cookie or "none" end,
  ["/shop/echo"] = function(req) return 200, req.headers.cookie or "none" end,
  ["POST /login"] = function(req)
    if req.body ~= "kim:secret" then return 401, "who?" end
    local id = fresh()
    sessions[id] = { name = "kim", until_s = now() + seconds(limit) }
    return 200, "welcome", { ["Set-Cookie"] = "sid=" .. id .. "; Path=/; HttpOnly" }
  end,
  ["/me"] = function(req)
    local name = who(req)
    if not name then return 401, "please log in", { ["WWW-Authenticate"] = "Cookie" } end
    return 200, "hello " .. name
  end,
  ["POST /logout"] = function(req) sessions[req.cookies.sid or ""] = nil return 204 end,
  -- A token for each device, two devices at most.
  ["POST /devices/:name"] = function(req)
    local n = 0
    for _ in pairs(tokens) do n = n + 1 end
    if n >= 2 then return 403, "two devices at most" end
    local token = fresh()
    tokens[token] = req.params.name
    return 201, token
  end,
  ["/api"] = function(req)
    local token = (req.headers.authorization or ""):match "^Bearer (%x+)$"
    if not tokens[token or ""] then return 401, "no token" end
    return 200, tokens[token]
  end,
}

-- Each step with what the server said to it; a step that must be so is checked.
local function step(what, got, wanted)
  print(("%6.1f s  %-52s %s"):format(now(), what, tostring(got)))
  record("steps", { at_s = now(), step = what, answer = tostring(got) })
  check(got == wanted, what)
end

-- Cookies: name, value, path, expiry.
local browser = user:http_client { cookies = true }
browser:get "http://www/set"
step("a cookie of /shop is not sent elsewhere", browser:get("http://www/echo").body, "theme=dark; tab=1")
step("there it is", browser:get("http://www/shop/echo").body, "cart=3; theme=dark; tab=1")
browser:restart()
step("a closed browser keeps what has a time", browser:get("http://www/echo").body, "theme=dark")
sleep "61s"
step("until that time", browser:get("http://www/echo").body, "none")

-- Sessions.
step("nobody is logged in", browser:get("http://www/me").status, 401)
step("wrong password", browser:post("http://www/login", { body = "kim:wrong" }).status, 401)
browser:post("http://www/login", { body = "kim:secret" })
step("the session is known by its cookie", browser:get("http://www/me").body, "hello kim")
local stolen = browser.jar[1].value
local theft = thief:http_get("http://www/me", { headers = { Cookie = "sid=" .. stolen } })
step("a stolen session works: this is the risk", theft.body, "hello kim")
sleep "31s"
step("a session ends when nobody uses it", browser:get("http://www/me").status, 401)
browser:post("http://www/login", { body = "kim:secret" })
browser:post "http://www/logout"
step("or by logging out", browser:get("http://www/me").status, 401)
browser:post("http://www/login", { body = "kim:secret" })
browser:restart()
step("or with the browser: a session cookie is gone", browser:get("http://www/me").status, 401)

-- Tokens.
local phone = user:http_get("http://www/devices/phone", { method = "POST" }).body
local laptop = user:http_get("http://www/devices/laptop", { method = "POST" }).body
step("the third device is rejected", user:http_get("http://www/devices/watch", { method = "POST" }).status, 403)
for name, token in sorted { phone = phone, laptop = laptop } do
  step(name, user:http_get("http://www/api", { headers = { Authorization = "Bearer " .. token } }).body, name)
end
step("without a token: no", user:http_get("http://www/api").status, 401)
print(("%d requests, of which %d were refused"):format(server.requests, server.by_status[401] + server.by_status[403]))
browser:close()
