-- What happens when you type www.example.com? DNS lookup, TCP handshake, request, response.
--   tidewire run scripts/web/url.lua
-- Look at: the first page pays for the name; the second finds it in the host's cache.
local user = net:host "user"
local ns   = net:host "ns"
local www  = net:host "www"
local isp  = net:router "isp"
net:link(user, isp, { rate = "50Mbps", delay = "8ms" })
net:link(ns,   isp, { rate = "1Gbps",  delay = "2ms" })
net:link(www,  isp, { rate = "1Gbps",  delay = "25ms" })

ns:dns_server { zone = { ["www.example.com"] = www, ["ftp.example.com"] = www }, ttl = "60s" }
net:resolver(ns)                                   -- every host asks ns

www:http_server {
  port  = 80,
  pages = { ["/"] = "14KiB", ["/logo.png"] = "48KiB" },
  ["/hello"] = function(req)                       -- dynamic page, in Lua
    sleep "5ms"
    return 200, "Hello, " .. (req.query.name or "world")
  end,
}

for i, url in ipairs { "http://www.example.com/", "http://www.example.com/logo.png",
                       "http://www.example.com/hello?name=Kim" } do
  local res = assert(user:http_get(url))
  print(("%d  %-38s dns %5.1f  connect %5.1f  first byte %5.1f  total %5.1f ms")
    :format(res.status, url, res.dns * 1e3, res.connect * 1e3, res.ttfb * 1e3, res.total * 1e3))
  record("pages", { url = url, dns_ms = res.dns * 1e3, total_ms = res.total * 1e3 })
  check(res.dns_cached == (i > 1), "only the first has to ask for the name")
end

-- The same request written by hand, over a plain socket.
local ip = assert(user:resolve "www.example.com")
local s  = user:tcp()
assert(s:connect(ip, 80))
s:send "GET /hello?name=Lee HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n"
for line in s:lines() do
  if line == "" then break end
  print("header:", line)
end
print("body:  ", s:recv_all())
s:close()
