-- A data centre at work: hosts of a fat tree send to each other, flows as large as those of a search engine's cluster.
--   tidewire sweep scripts/traffic/fat_tree.lua        or one of them: tidewire run scripts/traffic/fat_tree.lua -p load=60% -p cc=dctcp
-- Look at small_p99_ms: most flows are small, most bytes are in large ones. What small flows suffer is the queues that large ones
-- build; DCTCP keeps these short. slowdown is the time over the least possible, handshake included.
local p = experiment {
  params   = { cc = { "cubic", "dctcp" }, load = { "20%", "40%", "60%" }, k = { 4 } },
  order    = { "k", "cc", "load" },
  duration = "250ms",
  warmup   = "20ms",
  reps     = 8,
  plot     = { x = "load", y = { "small_p99_ms", "slowdown" }, color = "cc" },
  units    = { slowdown = "1" },
}

-- A switch of ports with shallow buffers; DCTCP is told of queues above 20 packets, CUBIC only by drops.
local marks = p.cc == "dctcp" and "20pkt" or nil
local tree = net:fat_tree { k = p.k, link = {
  rate = "1Gbps", delay = "5us", queue = { "droptail", limit = "250pkt", ce_threshold = marks },
} }
local traffic = net:traffic { hosts = tree.hosts, size = "web_search", load = p.load, cc = p.cc, stop = "150ms" }

at_end(function()
  local classes = traffic:summary()
  local small = classes[2] or classes[1]
  print(traffic)
  print(classes)
  traffic:save("all")                    -- fct.csv, and every flow in transfers.csv
  record { flows_count = traffic.completed, all_p99_ms = classes[1].p99_ms, small_p99_ms = small.p99_ms, slowdown = classes[1].slowdown_mean }
end)
