-- Row 8. Where a frame begins and ends in a stream of bits: flags around it, and nothing inside that looks like one.
--   tidewire run scripts/links/framing.lua
-- Look at the byte 7E in the data, which is the flag itself: after five 1s in a row the sender puts a 0, and the receiver takes it out (HDLC). By
-- bytes (PPP) it becomes 7D 5E. Ethernet has no flags: a preamble and a gap of silence mark its frames.
local function hex(data) return (data:gsub(".", function(c) return ("%02X "):format(c:byte()) end)) end

local data = "A\x7E\xFFz"
local frame = coding.frame(data)
print("data          ", hex(data))
print("bits          ", coding.bits(data))
print("frame of bits ", frame)
print("frame of bytes", hex(coding.frame(data, { by = "byte" })))
check(coding.unframe(frame) == data, "the frame of bits gives the data back")
check(coding.unframe(coding.frame(data, { by = "byte" }), { by = "byte" }) == data, "and so does that of bytes")
check(not coding.stuff(coding.bits(data)):find "111111", "no flag inside")

-- Every byte there is, and then many at random.
local intact, sent, carried = 0, 0, 0
for i = 0, 1255 do
  local payload = i < 256 and string.char(i) or ""
  if i >= 256 then
    for _ = 1, random.int(1, 60) do payload = payload .. string.char(random.int(0, 255)) end
  end
  local framed = coding.frame(payload)
  sent, carried = sent + 8 * #payload, carried + #framed - 16
  if coding.unframe(framed) == payload and coding.unframe(coding.frame(payload, { by = "byte" }), { by = "byte" }) == payload then
    intact = intact + 1
  end
end
print(("1256 payloads, %d intact; stuffing adds %.1f %% to random bits"):format(intact, 100 * (carried / sent - 1)))
check(intact == 1256, "round trips are the identity")
-- A 0 follows five 1s: of random bits one in 62 is followed by a stuffed one.
check(math.abs(carried / sent - 1 - 1 / 62) < 0.002, "1 bit in 62, as chance has it")
