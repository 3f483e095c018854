-- A long transfer and a connection that breaks: what checkpoints save.
--   tidewire sweep scripts/session/checkpoints.lua
-- Look at sent_mb: with a checkpoint every 5 MB the second connection begins at 45 MB, so 48 + 55 = 103 MB are sent in all;
-- without checkpoints it begins again, and 48 + 100 = 148 MB are sent.
local p = experiment {
  name = "checkpoints",
  params = { checkpoint = { "none", "20MB", "5MB", "1MB" } },
  plot = { x = "checkpoint", y = { "sent_mb", "took_s" }, kind = "bar" },
}
local sender, receiver = net:host "sender", net:host "receiver"
net:link(sender, receiver, { rate = "1Gbps", delay = "5ms" })

-- The accident: after exactly 48 MB the connection is gone.
local server = receiver:transfer_server { cut = "48MB" }
local res = assert(sender:transfer(receiver, "backup.tar", "100MB", {
  checkpoint = p.checkpoint ~= "none" and p.checkpoint or nil, retry = "1s",
}))
local sent, from = server.bytes_received / 1e6, res.resumed_at[1] / 1e6
print(("checkpoint %-5s  went on at %2d MB, %3d MB sent in all, %.2f s"):format(p.checkpoint, from, sent, res.total))
check(res.connections == 2 and server.complete == 1, "it arrived with the second connection")
local expected = p.checkpoint == "none" and 0 or 48 - 48 % (bytes(p.checkpoint) / 1e6)
check(from == expected and sent == 48 + 100 - expected, "it goes on at the last checkpoint")
record { sent_mb = sent, resumed_at_mb = from, took_s = res.total }
