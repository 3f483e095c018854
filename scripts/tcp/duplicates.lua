-- Row 28. Segments that come twice are recognised by their numbers, and read once.
--   tidewire run scripts/tcp/duplicates.lua
-- Look at the ladder: where an acknowledgment is lost (X), the sender cannot know that its segment has arrived, and sends it again. The receiver
-- sees the number, discards the copy, and says so (a SACK block below the acknowledgment: D-SACK). The application notices nothing.
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "5ms", backward = { loss = { "5%", match = "ack" } } })

local COUNT, got = 400, {}
b:serve(80, function(conn)
  for line in conn:lines() do got[#got + 1] = line end
end, { delayed_ack = false })

local picture = ladder(a, b)
local conn = assert(a:connect(b, 80, { nodelay = true }))
for i = 1, COUNT do
  conn:send(("line %d\n"):format(i))
  while conn.info.unacked > 0 do sleep "1ms" end       -- one segment at a time
end
conn:close()
sleep "2s"

local seen, twice, first = {}, 0, nil
local rows = picture:rows()
for i, row in ipairs(rows) do
  if row.from == "a" and row.length > 0 and row.received then
    if seen[row.seq] then
      twice, first = twice + 1, first or i
    end
    seen[row.seq] = true
  end
end
print(("%d segments arrived twice, the first one here:"):format(twice))
for i = first - 3, first + 1 do
  print(("  %9.3f ms  %s: %s%s"):format(rows[i].sent * 1e3, rows[i].from, rows[i].text, rows[i].lost and "   X " .. rows[i].lost or ""))
end

local exact = #got == COUNT
for i, line in ipairs(got) do exact = exact and line == "line " .. i end
check(exact, "each line once, in order")
check(twice >= COUNT * 0.03 and twice <= COUNT * 0.08, "about one segment in twenty came twice: %d", twice)
record { lines_count = #got, duplicates_count = twice }
