-- Row 15. IP promises neither delivery nor order. A router sends packets in turn over two ways, one of them longer and lossy.
--   tidewire run scripts/internet/best_effort.lua
-- Look at: the numbers of the datagrams as they arrive, and what TCP makes of the same network.

local a, b = net:host "a", net:host "b"
local left, right = net:router("left", { ecmp = "packet" }), net:router "right"
local north, south = net:router "north", net:router "south"
local quick = { rate = "10Mbps", delay = "5ms" }
net:link(a, left, quick)
net:link(left, north, quick)
net:link(north, right, quick)
net:link(left, south, { rate = "10Mbps", delay = "9ms", loss = "5%" })
net:link(south, right, quick)
net:link(right, b, quick)

-- UDP: a number in each datagram.
local inbox, outbox = b:udp(9), a:udp()
for number = 1, 200 do
  outbox:sendto(tostring(number), b, 9)
  sleep "1ms"
end
local seen, late, highest, first = 0, 0, 0, {}
while true do
  local data = inbox:recvfrom { timeout = "100ms" }
  if not data then break end
  local number = tonumber(data)
  seen = seen + 1
  if number < highest then late = late + 1 end
  highest = math.max(highest, number)
  if #first < 20 then first[#first + 1] = number end
end
print("UDP, the first 20 numbers: " .. table.concat(first, " "))
print(("UDP: %d of 200 arrived, %d of them after a later one"):format(seen, late))
check(seen < 200, "some are lost")
check(late > 10, "some overtake others")

-- TCP: the same numbers, as a stream.
b:serve(80, function(conn)
  local expected = 1
  for line in conn:lines() do
    if tonumber(line) ~= expected then return conn:send "out of order\n" end
    expected = expected + 1
  end
  conn:send((expected - 1) .. " numbers, each at its place\n")
end)
local conn = assert(a:connect(b, 80))
for number = 1, 100000 do conn:send(number .. "\n") end
conn:shutdown "send"
local answer = conn:recv_line()
print("TCP: " .. answer .. ", after " .. conn.info.total_retrans .. " retransmissions")
check(answer == "100000 numbers, each at its place", "TCP repairs both")
record { arrived = seen, late = late, retransmitted = conn.info.total_retrans }
