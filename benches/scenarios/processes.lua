-- What a process costs that waits: so many of them, each asleep most of the time.
--   tidewire run benches/scenarios/processes.lua -p n=10000 --json
local p = experiment { name = "processes", params = { n = { 10000, 0 } }, duration = "20s" }

for i = 1, p.n do
  spawn(function()
    local woken = 0
    while true do
      sleep(1 + i / 10000)
      woken = woken + 1
    end
  end)
end
