-- The whole chain, and what each tier has of the response time.
--   tidewire run scripts/chain/chain.lua
-- Look at: spans.csv: for each request what each tier did, in picoseconds; the own times sum to the response time exactly. The
-- table below is the sum of all of them: where a user's wait goes.
experiment { name = "chain", duration = "20s", warmup = "2s" }

local chain = net:web_chain { apps = 2, workers = 4, cache_entries = 200 }
local tracer = net:trace { rows = 5000 }

local users = chain.users:http_client { keepalive = true, connections = 100 }
local exact, requests, sum_ps = true, 0, 0
local answers = {}
tracer:on("request", function(spans, total_ps)
  local sum = 0
  for _, span in ipairs(spans) do sum = sum + span.own_ps end
  requests, sum_ps = requests + 1, sum_ps + total_ps
  if sum ~= total_ps then exact = false end
end)
local latency = histogram "latency_ms"
local target = ("http://%s/"):format(chain.balancer.ip)
every("10ms", function()
  spawn(function()
    local begun = now()
    local res = users:get(target .. (random.chance(0.2) and "logo.png" or ""))
    if begun >= 2 and res then
      latency:add(res.total * 1e3)
      answers[#answers + 1] = res.total
    end
  end)
end)

at_end(function()
  check(exact, "the own times of every request sum to its response time, to the picosecond")
  local all = 0
  for _, total in ipairs(answers) do all = all + total end
  check(#answers <= requests and requests - #answers < 10, "every request was looked at")
  print "tier      kind            ms a request   share"
  local shares = 0
  for _, row in ipairs(tracer:tiers()) do
    print(("%-9s %-12s %12.3f %10.1f %%"):format(row.tier, row.kind, row.mean * 1e3, row.share * 100))
    shares = shares + row.share
  end
  check(math.abs(shares - 1) < 1e-9, "and all shares make one")
  record { requests_count = requests, mean_ms = sum_ps / requests / 1e9, hit_ratio = chain.store.hit_ratio, tasks_count = chain.queue.put }
end)
