-- A button that adds one to a counter: the whole page again, or only the number.
--   tidewire run scripts/web/partial_update.lua
-- Look at the bytes and at the time of a click: a synchronous request loads the page and all that it names, and nobody can do
-- anything meanwhile; an asynchronous one fetches the number, and the page stays.
local user, www = net:host "user", net:host "www"
net:link(user, www, { rate = "4Mbps", delay = "25ms" })
local likes, objects, pages = 0, { "/style.css", "/app.js" }, { ["/style.css"] = "20kB", ["/app.js"] = "80kB" }
for i = 1, 10 do
  objects[#objects + 1] = "/" .. i .. ".jpg"
  pages["/" .. i .. ".jpg"] = "25kB"
end
www:http_server {
  pages = pages,
  ["GET /"] = function() return 200, html(objects, { title = likes .. " likes", size = "30kB" }) end,
  ["POST /like"] = function()
    likes = likes + 1
    return 303, nil, { Location = "/" }                -- see the page again
  end,
  ["POST /api/like"] = function()
    likes = likes + 1
    return 200, (codec.encode { likes = likes }), { ["Content-Type"] = "application/json" }
  end,
}
local browser = user:browser { cache = false }
assert(browser:open "http://www/")

-- Synchronous: the form is sent, the page comes anew.
local begun, before = now(), browser.bytes
assert(browser.client:post("http://www/like", { redirects = 0 }))
local page = assert(browser:open "http://www/")
local sync_ms, sync_bytes = (now() - begun) * 1e3, browser.bytes - before
-- Asynchronous: a script of the page asks for the number, and the user goes on reading.
begun = now()
local reading = 0
local reader = spawn(function() while true do sleep "10ms" reading = reading + 1 end end)
local res = assert(browser.client:post "http://www/api/like")
local async_ms, async_bytes = (now() - begun) * 1e3, res.size
reader:kill()
print(("the whole page: %7d bytes, %6.1f ms, %d objects"):format(sync_bytes, sync_ms, #page.objects))
print(("only the part:  %7d bytes, %6.1f ms, and meanwhile the page could be used"):format(async_bytes, async_ms))
check(codec.decode(res.body).likes == 2, "both clicks were counted")
check(async_bytes < sync_bytes / 1000 and async_ms < sync_ms / 5, "a part is much less than all")
check(reading > 2, "the user is not held up")
record { sync_ms = sync_ms, async_ms = async_ms, sync_bytes = sync_bytes, async_bytes = async_bytes }
browser:close()
