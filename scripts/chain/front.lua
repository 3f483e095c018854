-- A front server (as nginx), an application server (as gunicorn), both, and CGI: which serves what well, and how many?
--   tidewire sweep scripts/chain/front.lua
-- Look at: the front server alone has the pictures and no pages (404); the application server alone serves a picture as dearly as a
-- page; with a front server pictures are cheap. Ten thousand clients within a second: application servers answer all of them, the
-- last after nine seconds (4 cores at 4 ms are a thousand pages a second), and pictures wait with the pages unless a front server
-- has them; CGI has no memory for most of its processes, and at last none for connections, so that pictures are lost too.
-- failed_by_* says why: out of time, refused for want of memory, or not there.
local p = experiment {
  name     = "front",
  params   = { setup = { "front", "cgi", "app", "both_on_one", "both_on_two" }, clients = { 100, 10000 } },
  duration = "60s",
  plot     = { x = "clients", y = "static_ms_p95", color = "setup", log = "xy" },
}

-- A host has 16384 ports of its own for connections, and keeps each for a minute: so there are several.
local users = net:hosts("users", 8)
local one = net:host("one", { cores = 4, memory = "4GiB" })
local two = net:host("two", { cores = 4, memory = "4GiB" })
net:lan("net", { users, one, two }, { rate = "10Gbps", delay = "1ms" })

-- An interpreter takes 30 MB; as CGI also 15 ms to start. A picture from a file takes 20 us, through the interpreter 400 us.
local function page(host)
  return function()
    host:work(random.exponential "4ms")
    return 200, "10kB"
  end
end
local function picture(host)
  return function()
    host:work "400us"
    return 200, "20kB"
  end
end
local MOST = 16384
local PICTURES = { ["/logo.png"] = "20kB" }
local limit
if p.setup == "front" then
  one:http_server { pages = PICTURES, work = "20us", backlog = MOST, connection_memory = "16KiB" }
elseif p.setup == "app" then
  limit = one:http_server { workers = 16, memory = "30MB", backlog = MOST, ["/page"] = page(one), ["/logo.png"] = picture(one) }
else
  -- Behind the front server: a program that is started for each page, or workers that are there already.
  local app = p.setup == "both_on_two" and two or one
  local worker = p.setup == "cgi" and { worker = "cgi", spawn = "15ms" } or { workers = 16 }
  worker.port, worker.memory, worker.backlog, worker["/page"] = 8000, "30MB", MOST, page(app)
  limit = app:http_server(worker)
  one:http_balancer {
    to = app, to_port = 8000, pages = PICTURES, work = "20us", backlog = MOST, connection_memory = "16KiB", upstream_timeout = "20s",
  }
end

-- All come within a second; each asks for a page and a picture.
local counts = { static = { ok = 0 }, dynamic = { ok = 0 } }
local causes = { time = 0, memory = 0, absent = 0, other = 0 }
local hist = { static = histogram "static_ms", dynamic = histogram "dynamic_ms" }
local function cause(res, why)
  if why == "timeout" or res and res.status == 504 then return "time" end
  if why == "reset" or res and res.status == 503 then return "memory" end
  return res and res.status == 404 and "absent" or "other"
end
local function ask(user, kind, path)
  local res, why = user:http_get { one, 80, path, timeout = "20s", keep = 0 }
  if res and res.status == 200 then
    counts[kind].ok = counts[kind].ok + 1
    hist[kind]:add(res.total * 1e3)
  else
    local which = cause(res, why)
    causes[which] = causes[which] + 1
  end
end
for i = 1, p.clients do
  spawn(function()
    local user = users[i % #users + 1]
    sleep(random.uniform(0, 1))
    ask(user, "dynamic", "/page")
    ask(user, "static", "/logo.png")
  end)
end

at_end(function()
  record {
    dynamic_ok_pct = 100 * counts.dynamic.ok / p.clients, static_ok_pct = 100 * counts.static.ok / p.clients,
    failed_by_time_count = causes.time, failed_by_memory_count = causes.memory, failed_absent_count = causes.absent, failed_otherwise_count = causes.other,
    out_of_memory_count = limit and limit.out_of_memory or 0, processes_count = limit and limit.most_processes or 0,
    memory_peak_mib = math.max(one.stats.memory_peak, two.stats.memory_peak) / 2 ^ 20,
  }
end)
