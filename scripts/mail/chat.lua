-- A room for talk: each line that somebody says goes out to everybody else.
--   tidewire sweep scripts/mail/chat.lua
-- Look at copies_count: a line costs the server one copy for every other guest, so n guests who all talk cost n x (n - 1).
-- And at latency_ms_p95: the copies leave one after the other through the server's line.
local p = experiment {
  name = "chat",
  params = { guests = { 2, 10, 50 } },
  duration = "30s",
  plot = { x = "guests", y = { "copies_per_line", "latency_ms_p95" } },
}
local server, core = net:host "server", net:router "core"
net:link(server, core, { rate = "2Mbps", delay = "1ms" })
local guests = net:hosts("guest", p.guests)
for i, guest in ipairs(guests) do net:link(guest, core, { rate = "10Mbps", delay = (5 + i % 7) / 1000 }) end
local room = server:chat_server {}

local latency, heard = histogram "latency_ms", 0
for i, guest in ipairs(guests) do
  guest:spawn(function()
    local chat = assert(guest:chat(server, guest.name))
    guest:spawn(function()
      while true do
        local event = chat:hear()
        if not event then return end
        if event.what == "said" then
          heard = heard + 1
          latency:add((now() - tonumber(event.text)) * 1e3)
        end
      end
    end)
    sleep(5 + i / 100)                           -- everybody is there
    for _ = 1, 10 do
      chat:say(("%.6f"):format(now()))
      sleep "2s"
    end
  end)
end
at_end(function()
  local said = 10 * p.guests
  record { copies_per_line = heard / said, heard_count = heard, server_copies_count = room.copies }
  check(heard == said * (p.guests - 1), "everybody heard everything that the others said")
end)
