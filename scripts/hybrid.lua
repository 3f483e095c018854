-- Hybrid: a rendezvous server introduces peers to each other; then they talk directly.
--   tidewire run scripts/hybrid.lua
-- Look at the two round-trip times of each pair: through the server the question makes a detour up and down; directly both ways are short.
local core = net:router "core"
local meet = net:host "meet"
net:link(meet, core, { rate = "100Mbps", delay = "40ms" })           -- far away

local function home(name, delay)
  local host = net:host(name)
  net:link(host, core, { rate = "20Mbps", delay = delay })
  return host
end
local ann, bea = home("ann", "5ms"), home("bea", "8ms")
local cho, dan = home("cho", "2ms"), home("dan", "30ms")

-- Rendezvous: remembers the address of each name, hands it out, and passes on what is sent through it.
meet:spawn(function()
  local book, sock = {}, meet:udp(3478)
  while true do
    local msg, from = sock:recvfrom()
    local verb, name, rest = msg:match "^(%u+) (%S+) ?(.*)"
    if verb == "JOIN" then
      book[name] = from
      sock:sendto("OK " .. tostring(from), from)
    elseif verb == "FIND" then
      sock:sendto(book[name] and "AT " .. tostring(book[name]) or "NONE", from)
    elseif verb == "RELAY" and book[name] then
      sock:sendto(("%s %s"):format(rest, tostring(from)), book[name])
    end
  end
end)

-- A peer that answers whoever calls: directly, or through the server.
local function listen(me)
  local sock = me:udp(7000)
  sock:sendto("JOIN " .. me.name, meet, 3478)
  while true do
    local msg, from = sock:recvfrom()
    if msg == "PING" then
      sock:sendto("PONG", from)
    elseif msg:match "^PING " then
      sock:sendto("PONG", address(msg:match "^PING (%S+)"))
    end
  end
end

local function call(me, name)
  local sock = me:udp()
  sock:settimeout "2s"
  sleep "1s"                                                          -- let everybody join
  local function round_trip(message, ...)
    local asked = now()
    sock:sendto(message, ...)
    local answer = assert(sock:recvfrom())
    return answer, (now() - asked) * 1e3
  end
  local _, relayed = round_trip(("RELAY %s PING"):format(name), meet, 3478)
  local found      = round_trip("FIND " .. name, meet, 3478)
  local peer       = address(found:match "^AT (%S+)")
  round_trip("PING", peer)                                            -- ARP and the like
  local _, direct  = round_trip("PING", peer)
  print(("%s -> %s at %s: %.1f ms through the server, %.1f ms directly"):format(me.name, name, peer, relayed, direct))
  record("paths", { from = me.name, to = name, relayed_ms = relayed, direct_ms = direct })
  check(direct < relayed, "%s -> %s is faster directly", me.name, name)
end

bea:spawn(listen, bea)
dan:spawn(listen, dan)
wait_all { ann:spawn(call, ann, "bea"), cho:spawn(call, cho, "dan") }
