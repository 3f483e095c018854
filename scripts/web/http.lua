-- What happens when somebody asks for a page: connection, request, response; methods, status codes, headers, ranges.
--   tidewire run scripts/web/http.lua
-- Look at: the request and the answer are lines of text; what follows the number 200, 404, 405 or 501; how a second request
-- for the same page costs no body (304); how a part of a page is asked for (206).
local user, www = net:host "user", net:host "www"
net:link(user, www, { rate = "10Mbps", delay = "10ms" })

local server = www:http_server {
  pages = { ["/"] = "<h1>Hello</h1>", ["/logo.png"] = "48kB" },
  ["/hello"] = function(req)
    www:work "5ms"
    return 200, "Hello, " .. (req.query.name or "world"), { ["Content-Type"] = "text/plain" }
  end,
  ["/users/:id"] = {
    GET = function(req) return 200, "user " .. req.params.id end,
    DELETE = function() return 204 end,
  },
}

-- By hand: a TCP connection and lines of text.
local s = assert(user:connect(www, 80))
s:send "GET /hello?name=Lee HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n"
for line in s:lines() do
  if line == "" then break end
  print("header:", line)
end
print("body:  ", s:recv_all())
s:close()

local function show(method, path, opts)
  opts = opts or {}
  opts.method = method
  local res = assert(user:http_get("http://www" .. path, opts))
  print(("%-7s %-16s %d %-22s %5d B  connect %.1f  first byte %.1f  total %.1f ms")
    :format(method, path, res.status, res.reason, res.size, res.connect_ms, res.ttfb_ms, res.total_ms))
  return res
end
check(show("GET", "/").body == "<h1>Hello</h1>", "the page comes as it is")
check(show("GET", "/hello?name=Kim").body == "Hello, Kim", "query strings reach the function")
local logo = show("GET", "/logo.png")
check(logo.size == 48000, "48 kB of picture")
check(show("HEAD", "/logo.png").size == 0, "HEAD has no body")
check(show("GET", "/logo.png", { headers = { ["If-None-Match"] = logo.headers.etag } }).status == 304, "not modified")
local part = show("GET", "/logo.png", { headers = { Range = "bytes=0-999" } })
check(part.status == 206 and part.headers["content-range"] == "bytes 0-999/48000", "a part of it")
check(show("GET", "/users/7").body == "user 7", "parameters in the path")
check(show("DELETE", "/users/7").status == 204, "no content")
check(show("PUT", "/users/7", { body = "x" }).headers.allow == "DELETE, GET", "405 says what is allowed")
check(show("GET", "/missing").status == 404, "not found")
check(show("BREW", "/").status == 501, "an unknown method")
print(("%d requests, %d B sent"):format(server.requests, server.bytes_sent))
