-- What happens when packets are lost, segment by segment. docs/what-happens-on-loss.md tells the story of its pictures.
--   tidewire run scripts/tcp/loss.lua -p lost=one
-- Look at who notices the loss, and when. one: the packets behind the lost one are acknowledged selectively (sack), and after three of
-- them the lost one is sent again (fast retransmit). tail: nothing comes behind the last packets, so that the sender has to probe.
-- window: nothing arrives for a while, the probe included: only the retransmission timer is left, and the window starts again from one.
local p = experiment {
  name   = "loss",
  params = { lost = { "one", "tail", "window" } },
  plot   = { series = "cwnd_packets", color = "lost", kind = "step" },
}

local which = { one = { 18 }, tail = { 59, 60 }, window = {} }
for i = 11, 32 do which.window[#which.window + 1] = i end

local sender, receiver = net:host "sender", net:host "receiver"
local link = net:link(sender, receiver, { rate = "10Mbps", delay = "20ms", framing = "ip",
                                          forward = { loss = { seq = which[p.lost], match = "data" } } })
receiver:serve(80, function(conn) conn:discard() end)
local conn = assert(sender:connect(receiver, 80))
local begin = now()
local picture = ladder(sender, receiver)

every("1ms", function() series("cwnd_packets", "sender"):add(conn.info.snd_cwnd) end)
conn:send_bytes(60 * 1448)
repeat sleep "1ms" until conn.info.unacked == 0 and conn.info.notsent_bytes == 0

-- The rows of the sequence diagram: segments where they leave the sender, acknowledgments where they reach it.
local done, first_loss, first_again, again = {}, nil, nil, 0
for _, row in ipairs(picture:rows()) do
  local kind, at, seq = nil, row.sent, row.seq
  if row.from == "receiver" then
    kind, at, seq = "acknowledged", row.received, row.ack
  elseif row.length > 0 then
    kind = row.lost and "lost" or done[seq] and "sent again" or "sent"
    if done[seq] then
      first_again = first_again or row.sent
      if not row.lost then again = again + 1 end
    end
    done[seq] = true
  end
  if kind and at then
    record("segments", { time_ms = (at - begin) * 1e3, sequence_kb = seq / 1000, kind = kind })
  end
  if row.lost and not first_loss then first_loss = row.sent end
end
print(picture)

local info = conn.info
record { time_ms = (now() - begin) * 1e3, noticed_ms = (first_again - first_loss) * 1e3, again_count = again,
         rtos_count = info.total_rto, cwnd_end_packets = info.snd_cwnd }
check(info.bytes_acked >= 60 * 1448, "everything arrived")
check((info.total_rto > 0) == (p.lost == "window"), "only a lost window needs the timer")
