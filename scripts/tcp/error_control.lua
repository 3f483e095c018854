-- Row 27. A link that loses one packet in twenty and damages one in fifty, in both directions, and a file that arrives unharmed.
--   tidewire run scripts/tcp/error_control.lua -p loss=5%
-- Look at how losses were repaired: most by fast retransmit, told by selective acknowledgments (SACK), within a round trip; the last ones of
-- a burst by a tail loss probe; a few only by the retransmission timer (loss = 20%). What is damaged fails its check and counts as lost.
local p = experiment { params = { loss = { "0%", "1%", "5%", "20%" } } }

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

local received, time
receiver:serve(80, function(conn) received, time = conn:recv_exact(#file), now() end)
local conn = assert(sender:connect(receiver, 80))
assert(conn:send(file))
while not received or conn.info.unacked > 0 do sleep "10ms" end
local info = conn.info
conn:close()

print(("sent     %d bytes, checksum %s"):format(#file, checksum(file)))
print(("received %d bytes, checksum %s, after %.2f s"):format(#received, checksum(received), time))
local drops = link:forward().stats.drops
local lost, damaged, timeouts = drops.loss, drops.corrupted, info.total_rto
print(("on the way there %d packets were lost and %d damaged; %d retransmissions, %d timeouts"):format(
  lost, damaged, info.total_retrans, timeouts))
check(received == file, "every byte, once, in order")
check(p.loss == "0%" or info.total_retrans > 0, "and losses were repaired")
record { retransmits_count = info.total_retrans, rtos_count = timeouts, lost_count = lost,
         damaged_count = damaged, time_s = time }
