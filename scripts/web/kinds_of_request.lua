-- Four ways of asking a server: a form that saves itself, a page made on the server, a page made in the browser, an open interface.
--   tidewire run scripts/web/kinds_of_request.lua
-- Look at: one POST for thirty keystrokes; what the first view and each further one cost when the page is made on the server or in
-- the browser; and the answer 429 for a program that asks more often than its key allows.
local user, www = net:host "user", net:host "www"
net:link(user, www, { rate = "10Mbps", delay = "30ms" })
local saved, keys, LIMIT = {}, { ["k-123"] = {} }, 10        -- requests of a key in a second
local function items(n) local list = {} for i = 1, 20 do list[i] = { id = i, name = "item " .. n .. "-" .. i } end return list end
local json = { ["Content-Type"] = "application/json" }
local server = www:http_server {
  pages = { ["/app.js"] = { body = "300kB", max_age = "1h" }, ["/style.css"] = { body = "20kB", max_age = "1h" }, ["/app"] = html { "/style.css", "/app.js" } },
  ["POST /draft"] = function(req) saved[#saved + 1] = req.body return 204 end,
  ["GET /list/:n"] = function(req)                           -- made on the server: everything in one page
    www:work "5ms"
    return 200, html({ "/style.css" }, { title = "list " .. req.params.n, size = "25kB" })
  end,
  ["GET /api/list/:n"] = function(req) www:work "2ms" return 200, (codec.encode(items(req.params.n))), json end,
  ["GET /open/:n"] = function(req)
    local used = keys[req.headers["x-api-key"] or ""]
    if not used then return 401, "no such key" end
    while used[1] and used[1] <= now() - 1 do table.remove(used, 1) end
    if #used >= LIMIT then return 429, "too many requests", { ["Retry-After"] = "1" } end
    used[#used + 1] = now()
    return 200, (codec.encode(items(req.params.n))), json
  end,
}
local browser = user:browser {}
local client = browser.client

-- Autosave: 0.3 s after the last keystroke.
local text, timer, strokes = "", nil, 30
for i = 1, strokes do
  text = text .. string.char(96 + i % 26)
  if timer then timer:cancel() end
  timer = after("300ms", function() client:post("http://www/draft", { body = text }) end)
  sleep(0.1 + i % 3 * 0.05)
end
sleep "1s"
print(("autosave: %d keystrokes, %d request"):format(strokes, #saved))
check(#saved == 1 and saved[1] == text, "one POST for many keystrokes, with all of them")

-- Made on the server, and made in the browser: the first view and nine more.
local function views(kind)
  local b = user:browser {}
  local first, rest, bytes
  for n = 1, 10 do
    local begun = now()
    if kind == "server" then
      assert(b:open("http://www/list/" .. n))
    else
      if n == 1 then assert(b:open "http://www/app") end
      local res = assert(b.client:get("http://www/api/list/" .. n))
      b.bytes = b.bytes + res.size
    end
    if n == 1 then first, rest, bytes = now() - begun, 0, b.bytes else rest = rest + now() - begun end
  end
  b:close()
  return first * 1e3, rest / 9 * 1e3, bytes, (b.bytes - bytes) / 9
end
for _, kind in ipairs { "server", "browser" } do
  local first, further, first_bytes, further_bytes = views(kind)
  print(("made in the %-8s first view %5.0f ms, %6d bytes; each further one %5.0f ms, %5d bytes"):format(kind, first, first_bytes, further, further_bytes // 1))
  record { ["first_" .. kind .. "_ms"] = first, ["further_" .. kind .. "_ms"] = further, ["first_" .. kind .. "_bytes"] = first_bytes, ["further_" .. kind .. "_bytes"] = further_bytes }
  record("kinds", { kind = kind, first_ms = first, further_ms = further, first_bytes = first_bytes, further_bytes = further_bytes })
end

-- An open interface with a key and a limit.
local by_status = {}
for n = 1, 15 do
  local res = assert(client:get("http://www/open/" .. n, { headers = { ["X-Api-Key"] = "k-123" } }))
  by_status[res.status] = (by_status[res.status] or 0) + 1
end
print(("open interface: %d answers, %d times 'too many requests'"):format(by_status[200], by_status[429]))
check(by_status[200] == 10 and by_status[429] == 5, "over the limit: 429")
sleep "1s"
check(client:get("http://www/open/1", { headers = { ["X-Api-Key"] = "k-123" } }).status == 200, "a second later it may ask again")
check(client:get("http://www/open/1").status == 401, "not without a key")
record { posts_count = #saved, too_many_count = by_status[429] }
browser:close()
