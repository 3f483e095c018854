-- Two peers behind address translators: a rendezvous server tells each the other's outer address, and both send there.
--   tidewire run scripts/services/hole_punching.lua -p ann=symmetric -p bob=full_cone
--   tidewire sweep scripts/services/hole_punching.lua
-- Look at the sixteen pairs of types: two of them talk directly unless one has a mapping of its own for each destination (symmetric)
-- and the other looks at ports (port_restricted, symmetric): then the port that the server saw is not the one that the peer sends from.
-- Those pairs talk through a relay.
local types = { "full_cone", "restricted", "port_restricted", "symmetric" }
local p = experiment {
  name   = "hole_punching",
  params = { ann = types, bob = types },
  plot   = { x = "ann", y = "direct", color = "bob" },
  units  = { direct = "1" },
}
local core  = net:router "core"
local meet  = net:host "meet"
local relay = net:host "relay"
net:link(meet,  core, { rate = "100Mbps", delay = "5ms" })
net:link(relay, core, { rate = "100Mbps", delay = "30ms" })

local function home(name, nat)
  local host, box = net:host(name), net:nat(name .. "_box", { type = nat })
  net:link(host, box,  { rate = "100Mbps", delay = "1ms" })
  net:link(box,  core, { rate = "20Mbps",  delay = "10ms" })
  return host, box
end
local ann, ann_box = home("ann", p.ann)
local bob, bob_box = home("bob", p.bob)

-- Rendezvous: remember the public address of each name, and hand it to whoever asks.
meet:spawn(function()
  local book, sock = {}, meet:udp(3478)
  while true do
    local msg, from = sock:recvfrom()
    local verb, name = msg:match "^(%u+) (%S+)"
    if verb == "JOIN" then
      book[name] = from
      sock:sendto("OK " .. tostring(from), from)
    elseif verb == "FIND" then
      local peer = book[name]
      sock:sendto(peer and "AT " .. tostring(peer) or "NONE", from)
      if peer then sock:sendto("PUNCH " .. tostring(from), peer) end
    end
  end
end)

-- Relay: forward "from to data" to the last address seen from that name.
relay:spawn(function()
  local seen, sock = {}, relay:udp(3479)
  while true do
    local msg, from = sock:recvfrom()
    local me, to, data = msg:match "^(%S+) (%S+) (.*)"
    seen[me] = from
    if seen[to] then sock:sendto(data, seen[to]) end
  end
end)

local paths = {}
local function talk(me, other)
  local sock = me:udp()
  sock:settimeout "500ms"
  sock:sendto("JOIN " .. me.name, meet, 3478)
  sleep "1s"                                              -- let everybody join
  sock:sendto("FIND " .. other.name, meet, 3478)

  local path, peer = "none", nil
  for _ = 1, 12 do
    local msg, from = sock:recvfrom()
    if msg then
      local addr = msg:match "^AT (%S+)" or msg:match "^PUNCH (%S+)"
      if addr then
        peer = address(addr)
        sock:sendto("PING", peer)
      elseif msg == "PING" or msg == "PONG" then          -- a hole is there; the answer goes where this came from
        if msg == "PING" then sock:sendto("PONG", from) end
        path, peer = "direct", from
        break
      end
    elseif peer then
      sock:sendto("PING", peer)                           -- try the hole again
    end
  end
  local via = address(relay, 3479)
  local function hello() sock:sendto(("%s %s HELLO"):format(me.name, other.name), via) end
  for _ = 1, 5 do
    if path ~= "none" then break end
    hello()
    local msg, from = sock:recvfrom()
    if msg and from == via then
      path = "relay"
      hello()                                             -- the other may have begun later
    end
  end
  paths[me.name] = path
  record("paths", { peer = me.name, path = path, found_after_s = now() - 1 })
end

local a, b = ann:spawn(talk, ann, bob), bob:spawn(talk, bob, ann)
a:join()
b:join()
print(("%s and %s: %s, %s"):format(p.ann, p.bob, paths.ann, paths.bob))
print(ann_box:table())
print(bob_box:table())

local hard = { port_restricted = true, symmetric = true }
local blocked = (p.ann == "symmetric" and hard[p.bob]) or (p.bob == "symmetric" and hard[p.ann])
check((paths.ann == "direct") == not blocked and (paths.bob == "direct") == not blocked, "as the types say")
check(paths.ann ~= "none" and paths.bob ~= "none", "they talk in any case")
record { direct = paths.ann == "direct" and 1 or 0 }
