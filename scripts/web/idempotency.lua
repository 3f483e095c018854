-- An answer is lost, and the client asks again: what is then done twice?
--   tidewire sweep scripts/web/idempotency.lua
-- Look at: GET, PUT and DELETE said twice are as good as once; POST makes a second order, PATCH that adds adds twice. With an
-- Idempotency-Key the server knows that it has done this already.
local p = experiment {
  name = "idempotency",
  params = { what = { "put", "delete", "post", "post_key", "patch_set", "patch_add", "patch_add_key" }, lost = { "0%", "20%" } },
  plot = { x = "what", y = "wrong_count", color = "lost", kind = "bar" },
}
local N = 100
local user, api = net:host "user", net:host "api"
net:link(user, api, { rate = "100Mbps", delay = "5ms" })

local store, orders, done = {}, {}, {}
local lost = p.lost == "20%" and 0.2 or 0
-- The work is done, and then the answer does not come before the client gives up.
local function answer(req, status, body)
  local key = req.headers["idempotency-key"]
  if key then done[key] = { status, body } end
  if random.chance(lost) then sleep "3s" end
  return status, body
end
local function once(f)
  return function(req)
    local known = done[req.headers["idempotency-key"] or ""]
    if known then return known[1], known[2] end
    return f(req)
  end
end
api:http_server {
  ["/users/:id"] = {
    GET = function(req) local u = store[req.params.id] if u then return 200, u end return 404 end,
    PUT = function(req)
      local new = store[req.params.id] == nil
      store[req.params.id] = req.body
      return answer(req, new and 201 or 200, req.body)
    end,
    DELETE = function(req) store[req.params.id] = nil return answer(req, 204) end,
    PATCH = once(function(req)
      local n = tonumber(store[req.params.id]) or 0
      local add = req.body:match "^add (%d+)$"
      store[req.params.id] = tostring(add and n + add or req.body:match "%d+")
      return answer(req, 200, store[req.params.id])
    end),
  },
  ["POST /orders"] = once(function(req)
    orders[#orders + 1] = req.body
    return answer(req, 201, "order " .. #orders)
  end),
}

local tries = 0
local function insist(method, path, body, key)
  local headers = key and { ["Idempotency-Key"] = key, ["X-Unknown"] = "is ignored" } or nil
  while true do
    tries = tries + 1
    local res = user:http_get("http://api" .. path, { method = method, body = body, headers = headers, timeout = "1s" })
    if res then return res end
  end
end

local wrong = 0
for i = 1, N do
  local path = "/users/" .. i
  if p.what == "put" then
    insist("PUT", path, "name " .. i)
    if store[tostring(i)] ~= "name " .. i then wrong = wrong + 1 end
  elseif p.what == "delete" then
    store[tostring(i)] = "x"
    insist("DELETE", path)
    if insist("GET", path).status ~= 404 then wrong = wrong + 1 end
  elseif p.what == "post" or p.what == "post_key" then
    insist("POST", "/orders", "one book", p.what == "post_key" and "key-" .. i)
  else
    store[tostring(i)] = "10"
    insist("PATCH", path, p.what == "patch_set" and "set 15" or "add 5", p.what == "patch_add_key" and "key-" .. i)
    if store[tostring(i)] ~= "15" then wrong = wrong + 1 end
  end
end
if p.what:match "^post" then wrong = #orders - N end
print(("%-14s answers lost %-4s %3d requests for %d operations, %d done wrongly"):format(p.what, p.lost, tries, N, wrong))
record { wrong_count = wrong, tries_count = tries }
