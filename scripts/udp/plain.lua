-- Row 30. UDP does nothing but carry: no connection, no repair, no slowing down. TCP pays one round trip before the first byte.
--   tidewire sweep scripts/udp/plain.lua
-- Look at first_byte_ms: half a round trip for UDP, one and a half for TCP. Then at goodput: UDP gets rate x (1 - loss) whatever the loss.
-- One packet in a hundred overtakes the ten before it: UDP passes them on as they come (late_pct), TCP puts them in order.
local p = experiment {
  name     = "plain",
  params   = { proto = { "udp", "tcp" }, loss = { "0%", "1%", "5%", "10%" } },
  order    = { "proto", "loss" },
  reps     = 5,
  duration = "20s",
  warmup   = "1s",
  plot     = { x = "loss", y = "goodput_mbps", color = "proto" },
}
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "20ms", framing = "ip",
                 forward = { loss = { p.loss, match = "data" }, reorder = "1%" } })

-- Numbered datagrams, to see whether they overtake each other.
local late, counted, highest = 0, 0, 0
b:spawn(function()
  local sock = b:udp(9)
  while true do
    local number = string.unpack(">I4", (sock:recvfrom()))
    counted = counted + 1
    if number < highest then late = late + 1 end
    highest = math.max(highest, number)
  end
end)
local numbers, n = a:udp(), 0
every("2ms", function()
  n = n + 1
  numbers:sendto(string.pack(">I4", n), b, 9)
end)

-- The first byte, on a connection (or none) of its own.
b:spawn(function()
  if p.proto == "udp" then
    b:udp(7):recvfrom()
  else
    b:listen(7):accept():recv()
  end
  record { first_byte_ms = now() * 1e3 }
end)
a:spawn(function()
  if p.proto == "udp" then a:udp():sendto("x", b, 7) else assert(a:connect(b, 7)):send "x" end
end)

local flow
if p.proto == "udp" then
  flow = a:cbr { to = b, rate = "8Mbps", size = 1000, start = "0.5s" }
else
  flow = a:bulk { to = b, start = "0.5s" }
end
at_end(function()
  record { goodput_mbps = flow.goodput_mbps, lost_pct = 100 * (1 - flow.bytes_delivered / flow.bytes_offered),
           late_pct = 100 * late / counted }
end)
