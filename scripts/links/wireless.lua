-- Stations that share a radio channel: whoever wants to send waits until it is free, and then for a random number of slots.
--   tidewire sweep scripts/links/wireless.lua
-- Look at what is carried in all as more stations have more to send than fits, beside the model of Bianchi (2000), and at collisions.
local p = experiment { params = { stations = { 1, 5, 10, 20 } }, duration = "10s", warmup = "1s" }

-- The times of Bianchi's paper (table II): 1 Mbit/s, slots of 50 us, W = 32, three doublings.
local ap = net:ap("ap", {
  rate = "1Mbps", basic_rate = "1Mbps", preamble = "128us", slot = "50us", sifs = "28us",
  cw_min = 31, cw_max = 255, attempts = 255, exponent = 2,
})
local sink = net:host "sink"
net:link(sink, ap, { rate = "1Gbps" })                             -- a wire behind the access point
local flows, size = {}, 1023                                       -- bytes of IP
for i = 1, p.stations do
  local station = net:host("s" .. i)
  net:link(station, ap, { distance = "10m", queue = "20pkt" })
  flows[i] = station:cbr { to = sink, port = 9, rate = 1.2e6 / p.stations, size = size - 28, jitter = "5ms" }
end

-- Bianchi's model: a station sends in a slot with probability tau, and meets another with probability q.
local function bianchi(n)
  local W, m = 32, 3
  local function tau(q) return 2 * (1 - 2 * q) / ((1 - 2 * q) * (W + 1) + q * W * (1 - (2 * q) ^ m)) end
  local low, high = 0, 0.999999
  for _ = 1, 100 do
    local q = (low + high) / 2
    if 1 - (1 - tau(q)) ^ (n - 1) > q then low = q else high = q end
  end
  local t = tau(low)
  local some = 1 - (1 - t) ^ n
  local alone = n * t * (1 - t) ^ (n - 1) / some
  local slot, sifs, data, ack = 50, 28, 128 + (size + 36) * 8, 128 + 14 * 8       -- us
  local difs = sifs + 2 * slot
  return some * alone * size * 8 /
    ((1 - some) * slot + some * alone * (data + sifs + ack + difs) + some * (1 - alone) * (data + difs))
end

at_end(function()
  local sum = 0
  for _, flow in ipairs(flows) do sum = sum + flow.goodput * size / (size - 28) end
  local stats = ap.stats
  record {
    carried_mbps = sum / 1e6, model_mbps = bianchi(p.stations),
    collisions_pct = 100 * stats.collisions / stats.attempts,
  }
  check(math.abs(sum / 1e6 / bianchi(p.stations) - 1) < 0.05, "as Bianchi's model says, within 5 %%")
end)
