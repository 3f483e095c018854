-- A reliable protocol of your own over UDP: Go-Back-N. window = 1 is stop-and-wait.
--   tidewire sweep scripts/go_back_n.lua
-- Look at window 1 without loss: one packet per round trip, 8000 bit / 40.85 ms = 0.196 Mbit/s. A window of 64 fills the link, but
-- each loss throws away everything behind it: compare the efficiency.
local p = experiment {
  name   = "go_back_n",
  params = { window = { 1, 4, 16, 64 }, loss = { "0%", "1%", "5%" } },
  order  = { "window", "loss" },
  reps   = 10,
  expect = { "min(intact) == 1",
             { "mean(goodput_mbps) > 0.195", where = { window = 1, loss = "0%" } },
             { "mean(goodput_mbps) < 0.197", where = { window = 1, loss = "0%" } } },
  plot   = { x = "window", y = "goodput_mbps", color = "loss", log = "x" },
  units  = { efficiency = "1", intact = "1" },
}
local COUNT, SIZE, TIMEOUT = 500, 1000, "120ms"

local tx, rx = net:host "tx", net:host "rx"
net:link(tx, rx, { rate = "10Mbps", delay = "20ms", loss = p.loss, framing = "ip" })

local function packet(seq) return string.pack(">I4", seq) .. ("x"):rep(SIZE - 4) end
local function seq_of(data) return (string.unpack(">I4", data)) end

local received = 0
rx:spawn(function()                                    -- receiver: accept only the next one
  local sock, expected = rx:udp(5000), 0
  while true do
    local data, from = sock:recvfrom()
    if seq_of(data) == expected then expected = expected + 1 end
    sock:sendto(string.pack(">I4", expected), from)    -- cumulative ACK: next one wanted
    received = expected
  end
end)

local sock, base, next_seq, sent = tx:udp(), 0, 0, 0   -- sender
local deadline
while base < COUNT do
  while next_seq < base + p.window and next_seq < COUNT do
    sock:sendto(packet(next_seq), rx, 5000)
    if next_seq == base then deadline = now() + seconds(TIMEOUT) end
    next_seq, sent = next_seq + 1, sent + 1
  end
  local ack, err = sock:recvfrom { timeout = deadline - now() }
  if err == "timeout" then
    next_seq = base                                    -- go back n
  elseif seq_of(ack) > base then
    base     = seq_of(ack)
    deadline = now() + seconds(TIMEOUT)
  end
end

record {
  goodput_mbps = COUNT * SIZE * 8 / now() / 1e6,
  efficiency   = COUNT / sent,
  intact       = received == COUNT and 1 or 0,
}
