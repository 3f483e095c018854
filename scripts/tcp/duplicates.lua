-- Row 28. TCP numbers its bytes: segments that come twice are read once, and segments that overtake each other are put in order.
--   tidewire run scripts/tcp/duplicates.lua -p cause=network
-- cause = network: the network delivers one packet in twenty twice. cause = lost_ack: one acknowledgment in twenty is lost, so that the
-- sender repeats a segment that has arrived. Look at the D-SACK, a selective acknowledgment of what had been acknowledged before: with it
-- the receiver says that it got a copy, and discarded it. cause = order: one packet in twenty overtakes those before it. In all three the
-- application on TCP notices nothing; one on UDP gets every copy, as it comes.
local p = experiment { params = { cause = { "network", "lost_ack", "order" } } }

local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "5ms",
                 forward  = { duplicate = p.cause == "network" and "5%" or 0, reorder = p.cause == "order" and "5%" or 0 },
                 backward = { loss = { p.cause == "lost_ack" and "5%" or 0, match = "ack" } } })

local COUNT, by_tcp, by_udp, accepted = 400, {}, {}, nil
b:serve(80, function(conn)
  accepted = conn
  for line in conn:lines() do by_tcp[#by_tcp + 1] = tonumber(line) end
end, { delayed_ack = false })
b:spawn(function()
  local sock = b:udp(80)
  while true do by_udp[#by_udp + 1] = tonumber((sock:recvfrom())) end
end)

local picture = ladder(a, b)
local conn, sock = assert(a:connect(b, 80, { nodelay = true })), a:udp()
for i = 1, COUNT do
  conn:send(i .. "\n")
  sock:sendto(tostring(i), b, 80)
  repeat sleep "1ms" until p.cause == "order" or conn.info.unacked == 0        -- one segment at a time
end
sleep "1s"
local twice, late = conn.info.dsack_dups, accepted.info.rcv_ooopack
conn:close()
sleep "1s"

-- How many numbers are not greater than all before them.
local function steps_back(list)
  local count, first, highest = 0, nil, 0
  for i, number in ipairs(list) do
    if number <= highest then count, first = count + 1, first or i end
    highest = math.max(highest, number)
  end
  return count, first
end
local wrong, where = steps_back(by_udp)
if where then
  print("UDP: the application read ... " .. table.concat(by_udp, " ", math.max(1, where - 5), where + 2) .. " ...")
end
print(("UDP: %d lines sent, %d read, %d of them twice or late"):format(COUNT, #by_udp, wrong))
print(("TCP: %d lines sent, %d read, %d of them twice or late; %d segments came twice, %d out of order"):format(
  COUNT, #by_tcp, steps_back(by_tcp), twice, late))

local rows, first = picture:rows(), nil
for i, row in ipairs(rows) do
  if not first and row.from == "b" and row.text:find "sack" then first = i end
end
for i = math.max(1, first - 4), first do
  local row = rows[i]
  print(("  %9.3f ms  %s: %s%s"):format(row.sent * 1e3, row.from, row.text, row.lost and "   X " .. row.lost or ""))
end

local exact = #by_tcp == COUNT
for i, number in ipairs(by_tcp) do exact = exact and number == i end
check(exact, "TCP: each line once, in order")
local troubled = p.cause == "order" and late or twice
check(troubled >= COUNT * 0.02 and troubled <= COUNT * 0.4, "one segment in twenty came twice or overtook others: %d", troubled)
check((wrong > 0) == (p.cause ~= "lost_ack"), "UDP passes on what comes: %d", wrong)
record { lines_count = #by_tcp, duplicates_count = twice, out_of_order_count = late, datagrams_count = #by_udp, udp_wrong_count = wrong }
