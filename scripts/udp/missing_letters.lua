-- Row 31. "Hello" becomes "Helo": what a lost datagram does to a message, and what TCP does about it.
--   tidewire run scripts/udp/missing_letters.lua
-- Look at the two texts. Each datagram carries a piece of the message; the pieces that are lost are missing, and nobody says so.
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "1Mbps", delay = "10ms", forward = { loss = { seq = { 4, 17, 30, 31 }, match = "data" } } })

local message = "Hello, this is a message that goes over the network letter by letter."

local function pieces(text)
  return text:gmatch "."
end

local udp_text, tcp_text = {}, {}
b:spawn(function()
  local sock = b:udp(5000)
  while true do udp_text[#udp_text + 1] = sock:recvfrom() end
end)
b:serve(5000, function(conn)
  for data in conn:chunks() do tcp_text[#tcp_text + 1] = data end
end)

local sock = a:udp()
for piece in pieces(message) do
  sock:sendto(piece, b, 5000)
  sleep "1ms"
end
sleep "1s"
local by_udp = table.concat(udp_text)
print("app: " .. message)
print("UDP: " .. by_udp .. "   (datagrams 4, 17, 30 and 31 were lost)")

local link = net:find "a-b"
link:forward():set { loss = { seq = { 4, 17, 30, 31 }, match = "data" } }
local conn = assert(a:connect(b, 5000, { nodelay = true }))
for piece in pieces(message) do
  conn:send(piece)
  sleep "1ms"
end
conn:close()
sleep "2s"
local by_tcp = table.concat(tcp_text)
print("TCP: " .. by_tcp .. "   (the same packets were lost, and sent again)")

check(by_udp:sub(1, 4) == "Helo" and #by_udp == #message - 4, "UDP delivers what is left")
check(by_tcp == message, "TCP delivers all of it")
record { udp_letters_count = #by_udp, tcp_letters_count = #by_tcp }
