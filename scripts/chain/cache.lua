-- A cache in front of a database: what it knows the database is not asked for. Some keys are asked for much more than others (Zipf).
--   tidewire sweep scripts/chain/cache.lua
-- Look at: hit_ratio by the size of the cache; db_per_s = load x (1 - hit ratio); the waits at the database, as M/M/c has them.
local p = experiment {
  name     = "cache",
  params   = { entries = { 10, 100, 1000 }, skew = { 0.6, 1.1 } },
  reps     = 3,
  duration = "60s",
  warmup   = "15s",
  plot     = { x = "entries", y = "db_per_s", color = "skew", log = "x" },
}
local RATE, KEYS, CORES, MEAN = 150, 1000, 2, 0.01

local users, app = net:host "users", net:host("app", { cores = 8 })
local cache, db = net:host "cache", net:host("db", { cores = CORES })
net:lan("dc", { users, app, cache, db }, { rate = "1Gbps", delay = "50us" })

local store = cache:cache_server { entries = p.entries, work = "20us" }
local base = db:database_server { service = { "exponential", mean = MEAN }, answer = ("x"):rep(500) }
local known, rows = app:cache_client(cache), app:database_client(db, { pool = 20 })
local zipf = random.stream "keys"
app:http_server { ["/items/:id"] = function(req)
  local value = known:get(req.params.id)
  if value then return 200, value end
  local row, why = rows:query("select item where id = " .. req.params.id)
  if not row then return 503, why end
  known:set(req.params.id, row.body, { ttl = "5min" })
  return 200, row.body
end }

local latency = histogram "latency_ms"
local client = users:http_client { connections = 64 }
local sent, failed = 0, 0
spawn(function()
  while true do
    sleep(random.exponential(1 / RATE))
    spawn(function()
      local res = client:get(("http://%s/items/%d"):format(app.ip, zipf.zipf(KEYS, p.skew)))
      if now() < 15 then return end
      sent = sent + 1
      if res and res.status == 200 then latency:add(res.total * 1e3) else failed = failed + 1 end
    end)
  end
end)

local hits0, misses0, asked0, waited0, evicted0
at("15s", function() hits0, misses0, asked0, waited0, evicted0 = store.hits, store.misses, base.queries, base.waited, store.evictions end)
at_end(function()
  local hits, misses, asked = store.hits - hits0, store.misses - misses0, base.queries - asked0
  record { hit_ratio = hits / (hits + misses), asked_count = hits + misses, db_count = asked, db_per_s = asked / measured_seconds(),
           db_wait_ms = 1e3 * (base.waited - waited0) / math.max(asked, 1), failed_count = failed, evictions_count = store.evictions - evicted0 }
end)
