-- Row 30. UDP does nothing but carry: no connection, no repair, no order, no slowing down. TCP pays one round trip before the first byte.
--   tidewire sweep scripts/udp/plain.lua
-- Look at first_byte_rtts: half a round trip for UDP, one and a half for TCP. Then at goodput: UDP gets rate x (1 - loss) whatever the loss;
-- TCP slows down. One packet in a hundred overtakes those before it: UDP passes them on as they come (late_pct), TCP puts them in order.
local p = experiment {
  name     = "plain",
  params   = { proto = { "udp", "tcp" }, loss = { "0%", "1%", "5%", "10%" } },
  order    = { "proto", "loss" },
  reps     = 5,
  duration = "20s",
  warmup   = "1s",
  plot     = { x = "loss", y = "goodput_mbps", color = "proto" },
  units    = { first_byte_rtts = "round trips" },
}
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "20ms", framing = "ip",
                 forward = { loss = { p.loss, match = "data" }, reorder = "1%" } })

-- Numbers, one every 2 ms, to see whether they overtake each other; and each with its time of sending.
local late, counted, highest = 0, 0, 0
local delay = histogram("delay_ms")
local function arrived(message)
  local number, sent = string.unpack(">I4d", message)
  counted = counted + 1
  if number < highest then late = late + 1 end
  highest = math.max(highest, number)
  delay:add((now() - sent) * 1e3)
end
b:spawn(function()
  if p.proto == "udp" then
    local sock = b:udp(9)
    while true do arrived((sock:recvfrom())) end
  else
    local conn = b:listen(9):accept()
    while true do arrived(conn:recv_exact(12)) end
  end
end)
after("0.5s", function()
  local sock = p.proto == "udp" and a:udp() or assert(a:connect(b, 9, { nodelay = true }))
  if p.proto == "udp" then sock:connect(b, 9) end
  for n = 1, math.maxinteger do
    sock:send(string.pack(">I4d", n, now()))
    sleep "2ms"
  end
end)

-- The first byte, on a connection (or none) of its own.
b:spawn(function()
  if p.proto == "udp" then
    b:udp(7):recvfrom()
  else
    b:listen(7):accept():recv()
  end
  record { first_byte_ms = now() * 1e3, first_byte_rtts = now() / 40e-3 }
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
