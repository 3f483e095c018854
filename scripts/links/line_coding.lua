-- Row 76. Bits as voltages: six line codes, drawn, and what they give a receiver to set its clock by.
--   tidewire run scripts/links/line_coding.lua
-- Look at a row of equal bits: NRZ stands still and the receiver loses count; Manchester changes in the middle of every bit, at the price of twice
-- the changes, and so of twice the bandwidth.
local bits = "0100001110"
local codes = { "nrz", "nrzi", "manchester", "differential_manchester", "ami", "mlt3" }
for _, code in ipairs(codes) do
  print(code)
  print(coding.draw(bits, code) .. "\n")
end

local message = coding.bits "Tidewire"
local zeros, ones = ("0"):rep(64), ("1"):rep(64)
print("changes of level in 64 bits:  zeros   ones   text")
local intact = 0
for _, code in ipairs(codes) do
  local function edges(b) return coding.edges(coding.encode(b, code)) end
  print(("%-26s %8d %6d %6d"):format(code, edges(zeros), edges(ones), edges(message)))
  if coding.bytes(coding.decode(coding.encode(message, code), code)) == "Tidewire" then intact = intact + 1 end
  record { [code .. "_zeros_count"] = edges(zeros), [code .. "_ones_count"] = edges(ones) }
end
check(intact == #codes, "decoding undoes encoding")
check(coding.edges(coding.encode(zeros, "nrz")) == 0, "zeros in NRZ have no edge at all")
check(coding.edges(coding.encode(zeros, "manchester")) == 127, "in Manchester one in the middle of every bit, and between equal bits")
print("a level that nobody sent:", coding.decode("+-++", "manchester"))
