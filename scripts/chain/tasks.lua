-- Slow work after the answer: the web server puts a task into a queue, and workers do it. Against doing it at once.
--   tidewire sweep scripts/chain/tasks.lua
-- Look at: latency_ms_p95 with and without the queue; length: tasks that wait, beside formula: as many as Erlang says for M/M/c
-- (without a queue there is neither). Workers and queue servers that die: redelivery.lua.
local p = experiment {
  name     = "tasks",
  params   = { how = { "at_once", "queue" }, rate = { 10, 20, 25 } },
  reps     = 5,
  duration = "200s",
  warmup   = "20s",
  plot     = { x = "rate", y = "latency_ms_p95", color = "how", log = "y" },
}
local WORKERS, MEAN = 3, 0.1

local users, web = net:host "users", net:host("web", { cores = 4 })
local broker = net:host "broker"
local hands = net:host("hands", { cores = WORKERS })
net:lan("dc", { users, web, broker, hands }, { rate = "1Gbps", delay = "20us" })

local server = broker:queue_server { durable = true }
local jobs = web:queue_client(broker)
local work = random.stream "work"
web:http_server { ["/*"] = function(req)
  web:work "1ms"
  if p.how == "at_once" then
    web:work(work.exponential(MEAN))
  else
    local id, why = jobs:put("mail for " .. req.path)
    if not id then return 503, why end
  end
  return 202, "thanks"
end }
local done = 0
hands:queue_workers { from = broker, workers = WORKERS, handler = function()
  hands:work(work.exponential(MEAN))
  done = done + 1
end }

local latency = histogram "latency_ms"
local load = users:http_load { url = { web, 80, "/order" }, rate = p.rate, timeout = "20s" }
load:on("response", function(res) latency:add(res.total * 1e3) end)

-- Mean number of tasks that wait: Erlang's formula for c servers.
local function erlang_c(a, c)
  local term, sum = 1, 1
  for k = 1, c - 1 do
    term = term * a / k
    sum = sum + term
  end
  term = term * a / c * c / (c - a)
  return term / (sum + term)
end
local a = p.rate * MEAN
at_end(function()
  record { ok_pct = 100 * load.ok / load.sent, done_count = done }
  if p.how == "queue" then record { length = server.mean_waiting, formula = erlang_c(a, WORKERS) * a / (WORKERS - a) } end
end)
