-- Row 9. A long link that loses frames repairs them by itself: one at a time, all from the lost one on, or only the lost one.
--   tidewire sweep scripts/links/arq.lua
-- Look at how much of the time carries data that arrives, beside the formulas. With a = delay / time of a frame, here 5, a window of W
-- frames and a share p of frames lost:
--   stop-and-wait (1-p)/(1+2a); go-back-N (1-p)/(1+2ap) when W is at least 1+2a, else W(1-p)/((1+2a)(1-p+Wp)); selective repeat 1-p, or
--   W(1-p)/(1+2a) while W is below 1+2a (somewhat less in truth: a window stands still until its oldest frame is there).
local p = experiment {
  params = { kind = { "stop_and_wait", "gbn", "sr" }, window = { 4, 255 }, lost = { "0%", "5%" } },
  skip = function(p) return p.kind == "stop_and_wait" and p.window ~= 4 end,
  duration = "120s", warmup = "2s",
}

local size, rate, delay = 1250, 1e6, 0.04            -- bytes of IP: 10 ms each on the link, less the number of 2 bytes
local frame = (size + 2) * 8 / rate
local a, b = net:host "a", net:host "b"
local link = net:link(a, b, {
  rate = rate, delay = delay, framing = "ip", queue = "50pkt",
  arq = { p.kind, window = p.window, timeout = 2 * delay + 0.0001 },
  forward = { loss = p.lost },
})
a:cbr { to = b, port = 9, rate = 1.5e6, size = size - 28 }      -- more than the link carries: there is always something to send

at_end(function()
  local here, there = link.stats.forward.arq, link.stats.backward.arq
  local utilization = there.delivered * frame / measured_seconds()
  local window = p.kind == "stop_and_wait" and 1 or p.window
  local full = 1 + 2 * delay / frame
  local lost = tonumber((p.lost:gsub("%%", ""))) / 100
  local model = window >= full and 1 - lost or window * (1 - lost) / full
  if p.kind == "gbn" then
    model = window >= full and (1 - lost) / (1 + (full - 1) * lost) or window * (1 - lost) / (full * (1 - lost + window * lost))
  end
  print(("%-13s window %3d loss %s: utilization %.3f, formula %.3f; %d frames sent again, %d timeouts, %d out of order"):format(
    p.kind, window, p.lost, utilization, model, here.retransmissions, here.timeouts, there.out_of_order))
  check(math.abs(utilization / model - 1) < 0.1, "as the formula says, within 10 %%")
  record { utilization = utilization, model = model, resent = here.retransmissions }
end)
