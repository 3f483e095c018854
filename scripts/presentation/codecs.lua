-- One object, several forms: how many bytes go over the wire, how much processor time they cost, and that the object is the same.
--   tidewire sweep scripts/presentation/codecs.lua
-- Look at bytes_on_wire and total_ms: on a slow line compression pays, on a fast one its processor time is most of it. Whoever
-- listens reads "json" and "msgpack"; "encrypt" hides, as a model, and costs 16 bytes. Compressing comes before encrypting: what
-- is hidden has no patterns left.
local p = experiment {
  name = "codecs",
  params = {
    form = { "json", "msgpack", "json+deflate", "msgpack+deflate", "json+encrypt", "json+deflate+encrypt" },
    line = { "1Mbps", "1Gbps" },
  },
  order = { "line", "form" },
  -- Two pictures, each with a scale of its own: a slow line takes twenty times as long.
  plot = {
    { x = "form", y = "bytes_on_wire", where = { line = "1Mbps" }, kind = "bar" },
    { x = "form", y = "total_ms", where = { line = "1Mbps" }, kind = "bar" },
    { x = "form", y = "total_ms", where = { line = "1Gbps" }, kind = "bar" },
  },
}
local sender, receiver = net:host "sender", net:host "receiver"
local link = net:link(sender, receiver, { rate = p.line, delay = "2ms" })
local read = ""
link:on("packet", function(pkt) if (pkt.payload_len or 0) > 0 and #read < 20000 then read = read .. pkt.payload end end)

local object = { title = "measurements", place = { name = "서울", lat = 37.5665, lon = 126.978 }, valid = true, rows = {} }
for i = 1, 500 do object.rows[i] = { id = i, sensor = "sensor-" .. i % 10, value = i * 17 % 1000 / 8, unit = "celsius" } end

local got, info_in
receiver:serve(9000, function(conn)
  local text = conn:recv_all()
  local why
  got, why = codec.decode(text, p.form, { key = "both know it" })
  info_in = assert(got and why, why)
  receiver:work(info_in.cpu)
  conn:send "ok"
end)
local begun = now()
local text, info = codec.encode(object, p.form, { key = "both know it" })
sender:work(info.cpu)
local conn = assert(sender:connect(receiver, 9000))
conn:send(text)
conn:shutdown "send"
assert(conn:recv_all() == "ok")
local took = now() - begun
conn:close()

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do if not same(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end
print(("%-20s %6d bytes, %.2f ms of processor time, %.1f ms in all over %s"):format(
  p.form, info.size, (info.cpu + info_in.cpu) * 1e3, took * 1e3, p.line))
check(same(object, got), "the object that came out is the one that went in")
check((read:find("sensor%-") ~= nil) == (p.form == "json" or p.form == "msgpack"), "who can read it on the way")
check(codec.decode(text:sub(1, -2), p.form, { key = "both know it" }) == nil, "a part of it is no object")
record { bytes_on_wire = info.size, cpu_ms = (info.cpu + info_in.cpu) * 1e3, total_ms = took * 1e3 }
