-- Rows 6 and 7. Noise on a link: damaged frames are noticed by their check sequence and dropped; TCP sends them again, UDP does not.
--   tidewire run scripts/links/noise.lua
-- Look at the counters: of ten frames two were damaged; the link layer threw these two away and nobody above ever saw them. Then at
-- the share of frames that random bit errors take: 1 - (1 - error ratio)^bits.
experiment { duration = "200s" }

local a, b, c = net:host "a", net:host "b", net:host "c"
local clean = { rate = "10Mbps", delay = "1ms" }
local listed = net:link(a, b, { rate = "10Mbps", delay = "1ms", framing = "ppp", forward = { corrupt = { 3, 7 } } })
local noisy = net:link(a, c, { rate = "100Mbps", delay = "1ms", forward = { corrupt = { ber = 1e-6 } } })

-- Ten datagrams, the third and the seventh damaged on the way.
local inbox, got = b:udp(9), {}
b:spawn(function()
  while true do got[#got + 1] = inbox:recvfrom() end
end)
local out = a:udp()
for i = 1, 10 do out:sendto("frame " .. i, b, 9) sleep "10ms" end
sleep "100ms"
print(("10 frames sent, %d damaged and dropped by the link layer"):format(listed:forward().stats.drops.corrupted))
print(("the application got %d: %s"):format(#got, table.concat(got, ", ")))
check(listed:forward().stats.drops.corrupted == 2, "the link layer discards two")
check(#got == 8, "UDP delivers eight")

-- Ten messages of TCP over a link that damages its third and seventh packet again.
listed:forward():set { corrupt = { 3, 7 } }
local received = 0
b:serve(80, function(conn)
  while true do
    local line = conn:recv_line()
    if not line then break end
    received = received + 1
  end
end)
local conn = assert(a:connect(b, 80))
for i = 1, 10 do conn:send("message " .. i .. "\n") sleep "50ms" end
conn:close()
sleep "5s"
print(("TCP delivered %d of 10 messages, %d damaged packets notwithstanding"):format(received, 2))
check(received == 10, "TCP delivers all ten")

-- Random bit errors: frames of 1518 bytes are 12,144 bits; at 1e-6 about 1.207 % of them are hit.
local flow = a:cbr { to = c, rate = "10Mbps", size = 1472, start = now(), count = 100000 }
flow:wait()
sleep "1s"
local share = 100 * noisy:forward().stats.drops.corrupted / 100000
local expected = 100 * (1 - (1 - 1e-6) ^ 12144)
print(("bit errors took %.3f %% of the frames; 1 - (1 - 1e-6)^12144 = %.3f %%"):format(share, expected))
record { damaged_pct = share, expected_pct = expected }
check(math.abs(share - expected) < 4 * 0.0344, "within four standard errors")
