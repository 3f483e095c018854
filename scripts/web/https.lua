-- HTTPS: whose certificate, who signed it, how many round trips, and what somebody on the way can read.
--   tidewire run scripts/web/https.lua
-- Look at: TLS 1.2 takes two round trips more than HTTP, 1.3 one, 1.2 with a ticket one, 1.3 with early data none. The sniffer
-- reads the page over HTTP; over HTTPS only the server's name. A certificate of the wrong authority, for the wrong name or too
-- old ends the handshake. The cryptography itself is modelled, not computed.
local RTT = 0.1
local user, isp, shop = net:host "user", net:router "isp", net:host "shop"
net:link(user, isp, { rate = "1Gbps", delay = RTT / 4 })
net:link(isp, shop, { rate = "1Gbps", delay = RTT / 4 })
shop:dns_server { zone = { ["www.shop.kr"] = shop, ["shop.lan"] = shop }, ttl = "1h" }
net:resolver(shop)

local root = net:authority "Root of Trust"
local ca = root:intermediate "Everyday CA"
local cert = ca:certificate { names = { "www.shop.kr" }, valid = "2160h" }
user:trust(root)
local page = { ["/"] = "the secret page", ["/logo.png"] = "50kB" }
shop:http_server { pages = page }
shop:http_server { pages = page, tls = { cert = cert, early = true } }

local seen = {}
isp:sniff("tcp", function(pkt)
  if pkt.payload_len > 0 then seen[#seen + 1] = pkt.payload end
end)
local function overheard(text) return table.concat(seen):find(text, 1, true) ~= nil end

user:resolve "www.shop.kr"                       -- names and ARP are not what this is about
assert(user:http_get "http://www.shop.kr/")
local function measure(what, url, tls)
  seen = {}
  local res = assert(user:http_get(url, { tls = tls }))
  local trips = math.floor(res.total / RTT + 0.01)
  local info = res.tls_info
  print(("%-26s %d round trips  %6.1f ms  %s%s%s"):format(what, trips, res.total_ms, info and "TLS " .. info.version or "",
    info and info.resumed and ", resumed" or "", info and info.early and ", early data" or ""))
  check(res.body == "the secret page", "the page is there: " .. what)
  return trips
end
local http = measure("HTTP", "http://www.shop.kr/")
check(overheard "the secret page", "over HTTP anybody on the way reads the page")
local v12 = measure("HTTPS, TLS 1.2", "https://www.shop.kr/", { version = "1.2", resume = false })
check(not overheard "secret" and not overheard "GET", "over HTTPS nobody does")
check(overheard "www.shop.kr", "but the server's name")
local v12r = measure("HTTPS, TLS 1.2, again", "https://www.shop.kr/", { version = "1.2" })
local v13 = measure("HTTPS, TLS 1.3", "https://www.shop.kr/", { resume = false })
check(not overheard "secret" and not overheard "GET", "over HTTPS nobody does")
local v13r = measure("HTTPS, TLS 1.3, again", "https://www.shop.kr/")
local early = measure("HTTPS, TLS 1.3, 0-RTT", "https://www.shop.kr/", { early = true })
check(v12 - http == 2 and v12r - http == 1 and v13 - http == 1 and v13r - http == 1 and early == http, "+2, +1, +1, +1, 0")
local logo = assert(user:http_get "https://www.shop.kr/logo.png")
check(logo.size == 50000, "large bodies are protected in records of 16 KiB")

-- What can be wrong.
local thief = net:authority "Root of Trust"      -- the same name, another key
local port = 8000
local function refuse(certificate, name, why)
  port = port + 1
  local server = shop:http_server { port = port, pages = page, tls = certificate }
  local res, err = user:http_get(("https://%s:%d/"):format(name, port))
  print(("%-26s %s"):format(why, res and "accepted" or err))
  sleep(RTT)                                     -- the server hears of it
  check(err == "bad certificate: " .. why and server.tls_failures == 1 and server.requests == 0, why)
end
refuse(thief:certificate { names = { "www.shop.kr" } }, "www.shop.kr", "unknown authority")
refuse(cert, "shop.lan", "wrong name")
refuse(ca:certificate { names = { "www.shop.kr" }, valid = "1s" }, "www.shop.kr", "expired")
refuse(ca:certificate { names = { "www.shop.kr" }, from = "1h" }, "www.shop.kr", "not yet valid")

-- Processor time of the handshake counts.
shop:http_server { port = 9443, pages = page, tls = { cert = cert, sign = "2ms" } }
local slow = assert(user:http_get("https://www.shop.kr:9443/", { tls = { check = "1ms", resume = false } }))
print(("with 2 ms for a signature and 1 ms for each of two checks: %.1f ms for the handshake"):format(slow.tls * 1e3))
check(slow.tls >= RTT + 0.004 - 1e-9, "2 ms + 2 x 1 ms")
record { http_trips_count = http, tls12_trips_count = v12, tls13_trips_count = v13, early_trips_count = early }
