-- A browser loads a page: a text that names styles, scripts and pictures, which it fetches over several connections and keeps.
--   tidewire run scripts/web/browser.lua
-- Look at the waterfall: the page comes first, because nobody knows the rest before; then six at a time from each server. A second
-- visit takes what is fresh from the cache and asks for the rest whether it still holds (304). waterfall.csv has every part of
-- every object, drawings/ the picture.
local user, core = net:host "user", net:router "core"
local www, images, ns = net:host "www", net:host "images", net:host "ns"
net:link(user, core, { rate = "20Mbps", delay = "10ms" })
for _, host in ipairs { www, images, ns } do net:link(host, core, { rate = "1Gbps", delay = "10ms" }) end
ns:dns_server { zone = { ["www.shop.com"] = www, ["img.shop.com"] = images } }
net:resolver(ns)

local objects, pictures = { "/style.css", "/app.js" }, {}
for i = 1, 12 do
  objects[#objects + 1] = "http://img.shop.com/" .. i .. ".jpg"
  pictures["/" .. i .. ".jpg"] = { body = "30kB", max_age = i <= 6 and "1h" or nil }
end
local server = www:http_server { pages = {
  ["/"] = html(objects, { title = "Shop", size = "20kB" }),
  ["/style.css"] = { body = "body { background: url(/back.png) }" .. (" "):rep(5000), max_age = "1h" },
  ["/app.js"] = { body = "60kB", max_age = "1h" },
  ["/back.png"] = "8kB",
} }
local image_server = images:http_server { pages = pictures }

local browser = user:browser {}
local first = assert(browser:open "http://www.shop.com/")
print(first:waterfall() .. "\n")
check(#first.objects == 16 and first.failed == 0, "the page, what it names, and what its style names")
check(first.objects[1].url == "http://www.shop.com/" and first.objects[1].dns > 0, "a name first")
check(image_server.connections == 6, "six connections to a server, not more")
check(first.first_paint < first.load, "the first picture is there before the last object")

-- Again, at once: what is fresh is not asked for, the rest is asked whether it has changed.
local second = assert(browser:open "http://www.shop.com/")
print(second:waterfall() .. "\n")
local from = { cache = 0, revalidated = 0, network = 0 }
for _, row in ipairs(second.objects) do from[row.from] = from[row.from] + 1 end
print(("again: %d from the cache, %d still hold, %d anew"):format(from.cache, from.revalidated, from.network))
check(from.cache == 8 and from.revalidated == 8 and second.bytes == 0, "no body comes twice")
check(second.load < first.load / 2, "and so it is sooner there")

-- A page that has changed.
server:set("/", html(objects, { title = "Shop!", size = "21kB" }))
local third = assert(browser:open "http://www.shop.com/")
check(third.objects[1].from == "network" and third.bytes == 21000, "only what has changed comes")

for _, page in ipairs { first, second } do page:record() end
first:draw "first.svg"
second:draw "second.svg"
record { first_ms = first.load * 1e3, second_ms = second.load * 1e3, first_bytes = first.bytes, first_paint_ms = first.first_paint * 1e3 }
browser:close()
