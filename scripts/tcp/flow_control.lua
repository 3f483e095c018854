-- Row 26. A slow reader slows the sender down: flow control. Nothing is lost for it.
--   tidewire run scripts/tcp/flow_control.lua
-- Look at the rate: the line could carry 10 Mbit/s, the reader takes 1 Mbit/s, and 1 Mbit/s is what the sender gets. At t = 10 s the reader
-- pauses for three seconds: its window shrinks to zero, and the sender probes, less and less often, until it opens again.
local sender, reader = net:host "sender", net:host "reader"
local link = net:link(sender, reader, { rate = "10Mbps", delay = "10ms" })
local listener = reader:listen(80, { rcvbuf = "64KiB" })

local PIECE, EVERY = 12500, 0.1                      -- 125 kB/s = 1 Mbit/s
local taken, from, till, measured = 0, 2, 10, nil
reader:spawn(function()
  local conn = listener:accept()
  while true do
    sleep(EVERY)
    local n = assert(conn:discard(PIECE))
    if now() > from and now() <= till then taken = taken + n end
    if now() > till and not measured then
      measured = taken * 8 / (till - from) / 1e6
      sleep "3s"
    end
  end
end)

local conn = assert(sender:connect(reader, 80))
sender:spawn(function() conn:send_bytes "100MB" end)

sleep "9.9s"
local picture = ladder(sender, reader)
sleep "5.1s"

local closed, probes, shut, opened = 0, 0, nil, nil
for _, row in ipairs(picture:rows()) do
  if row.from == "reader" and row.window == 0 then
    closed = closed + 1
    if row.sent > 10 and not shut then
      shut = row.sent
      print(("%.3f s  the reader pauses, its buffer is full: window 0"):format(shut))
    end
  elseif closed > 0 and row.from == "sender" and row.length <= 1 then
    probes = probes + 1
    print(("%.3f s  window probe %d: an old byte's number, no data, to make the reader tell its window again"):format(row.sent, probes))
  elseif probes > 0 and opened == nil and row.from == "reader" and row.window > 0 then
    opened = row.sent
    print(("%.3f s  the window opens again"):format(opened))
  end
end
local info = conn.info
record { goodput_mbps = measured, zero_windows_count = closed, probes_count = probes, retransmits_count = info.total_retrans,
         drops_count = link:forward().stats.drops.queue, rwnd_limited_pct = 100 * info.rwnd_limited / info.busy_time }
check(math.abs(measured - 1) < 0.02, "the sender is as fast as the reader: %.3f Mbit/s", measured)
check(info.total_retrans == 0, "nothing was lost")
check(closed > 0 and probes >= 3, "the window closed, and was probed")
print(("the line carries 10 Mbit/s, the reader takes 1 Mbit/s: the sender got %.2f Mbit/s, and %d packets were lost"):format(
  measured, link:forward().stats.drops.queue))
stop()
