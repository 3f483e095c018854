-- Row 27. A link that loses one packet in twenty and damages one in fifty, in both directions, and a file that arrives unharmed.
--   tidewire run scripts/tcp/error_control.lua -p loss=5%
-- Look at how losses were repaired: most by fast retransmit, told by selective acknowledgments, within a round trip; the last ones of a
-- burst by a tail loss probe; a few only by the retransmission timer. What is damaged fails its check and counts as lost.
local p = experiment { params = { loss = { "0%", "1%", "5%" } } }

local sender, receiver = net:host "sender", net:host "receiver"
local link = net:link(sender, receiver, { rate = "10Mbps", delay = "10ms", loss = p.loss,
                                          corrupt = p.loss == "0%" and 0 or "2%" })

local letters = {}
for i = 1, 200000 do letters[i] = string.char(random.int(0, 255)) end
local file = table.concat(letters)

-- A checksum of 64 bits (FNV-1a): any byte that is missing, doubled or out of place changes it.
local function checksum(text)
  local hash = 0xcbf29ce484222325
  for i = 1, #text do hash = (hash ~ text:byte(i)) * 0x100000001b3 end
  return ("%016x"):format(hash)
end

local received
local server = receiver:serve(80, function(conn) received = conn:recv_all() end)
local conn = assert(sender:connect(receiver, 80))
assert(conn:send(file))
local before = conn.info
conn:close()
while not received do sleep "10ms" end

print("sent     ", #file, checksum(file))
print("received ", #received, checksum(received))
local drops = link:forward().stats.drops
local lost, damaged = drops.loss, drops.corrupted
print(("%d packets lost and %d damaged on the way there, %d retransmitted, %d timeouts, in %.2f s"):format(
  lost, damaged, before.total_retrans, before.total_rto, now()))
check(received == file, "every byte, once, in order")
check(p.loss == "0%" or before.total_retrans > 0, "and losses were repaired")
record { retransmits_count = before.total_retrans, rtos_count = before.total_rto, lost_count = lost,
         damaged_count = damaged, time_s = now() }
