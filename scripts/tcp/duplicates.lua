-- Row 28. Segments that come twice are recognised by their numbers, and read once.
--   tidewire run scripts/tcp/duplicates.lua -p cause=network
-- Look at the D-SACKs, selective acknowledgments of what had been acknowledged before: with them the receiver says that it got a copy, and
-- discarded it. cause = network: the network itself delivers one packet in twenty twice. cause = lost_ack: one acknowledgment in twenty is
-- lost, so that the sender repeats a segment that has arrived. The application notices nothing; one on UDP gets every copy.
local p = experiment { params = { cause = { "network", "lost_ack" } } }

local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "5ms",
                 forward  = { duplicate = p.cause == "network" and "5%" or 0 },
                 backward = { loss = { p.cause == "lost_ack" and "5%" or 0, match = "ack" } } })

local COUNT, got, datagrams = 400, {}, 0
b:serve(80, function(conn)
  for line in conn:lines() do got[#got + 1] = line end
end, { delayed_ack = false })
b:spawn(function()
  local sock = b:udp(80)
  while sock:recvfrom() do datagrams = datagrams + 1 end
end)

local picture = ladder(a, b)
local conn, sock = assert(a:connect(b, 80, { nodelay = true })), a:udp()
for i = 1, COUNT do
  conn:send(("line %d\n"):format(i))
  sock:sendto("line", b, 80)
  repeat sleep "1ms" until conn.info.unacked == 0        -- one segment at a time
end
local twice = conn.info.dsack_dups
conn:close()
sleep "2s"

local first
local rows = picture:rows()
for i, row in ipairs(rows) do
  if not first and row.from == "b" and row.text:find "sack" then first = i end
end
print(("%d segments came twice, the first one here:"):format(twice))
for i = math.max(1, first - 4), first do
  local row = rows[i]
  print(("  %9.3f ms  %s: %s%s"):format(row.sent * 1e3, row.from, row.text, row.lost and "   X " .. row.lost or ""))
end

local exact = #got == COUNT
for i, line in ipairs(got) do exact = exact and line == "line " .. i end
check(exact, "TCP: each line once, in order")
check(twice >= COUNT * 0.02 and twice <= COUNT * 0.08, "about one segment in twenty came twice: %d", twice)
check((datagrams > COUNT) == (p.cause == "network"), "UDP passes copies on: %d datagrams", datagrams)
record { lines_count = #got, duplicates_count = twice, datagrams_count = datagrams }
