-- Row 5. How long a packet takes: its bits one after the other (size / rate), then the way (delay).
--   tidewire run scripts/links/serialisation.lua            and again with -p framing=ethernet
-- Look at arrival_ms: 1500 bytes at 10 Mbit/s take 1.2 ms, the way 10 ms. Ethernet adds 38 byte times to each packet: header, check
-- sequence, preamble and gap.
local p = experiment { params = { framing = { "ip", "ethernet" } } }

local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "10ms", framing = p.framing })

-- Ethernet first has to learn b's MAC address; afterwards nothing but the datagram is on the wire.
a:ping(b)
sleep "1s"

local inbox = b:udp(9)
local sent
a:spawn(function()
  sent = now()
  a:udp():sendto(("x"):rep(1472), b, 9)      -- 1472 + 8 (UDP) + 20 (IPv4) = 1500 bytes
end)
inbox:recvfrom()
local took = now() - sent
print(("1500 bytes at 10 Mbit/s over 10 ms arrive after %.4f ms"):format(took * 1000))
record { arrival_ms = took * 1000 }

local framing = p.framing == "ethernet" and 38 or 0
check(math.abs(took - ((1500 + framing) * 8 / 10e6 + 0.010)) < 1e-12, "size / rate + delay, to the picosecond")
