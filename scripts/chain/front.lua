-- A front server (as nginx), an application server (as gunicorn), both, and CGI: which serves what well, and how many?
--   tidewire sweep scripts/chain/front.lua
-- Look at: the application server alone serves a picture as dearly as a page; with a front server pictures are cheap. With ten
-- thousand clients CGI runs out of memory, and the others out of time: a worker serves one at a time.
local p = experiment {
  name     = "front",
  params   = { setup = { "cgi", "app", "both_on_one", "both_on_two" }, clients = { 100, 10000 } },
  duration = "30s",
  plot     = { x = "clients", y = "static_ms_p95", color = "setup", log = "xy" },
}

local users = net:host "users"
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
local limit
if p.setup == "cgi" then
  -- The front server has the pictures, and starts a program for each page.
  limit = one:http_server { worker = "cgi", spawn = "15ms", memory = "30MB", backlog = MOST, pages = {}, ["/page"] = page(one) }
  two:http_server { pages = { ["/logo.png"] = "20kB" }, work = "20us", backlog = MOST }
elseif p.setup == "app" then
  limit = one:http_server { workers = 16, memory = "30MB", backlog = MOST, ["/page"] = page(one), ["/logo.png"] = picture(one) }
else
  local app = p.setup == "both_on_one" and one or two
  limit = app:http_server { port = 8000, workers = 16, memory = "30MB", backlog = MOST, ["/page"] = page(app) }
  one:http_balancer { to = app, to_port = 8000, pages = { ["/logo.png"] = "20kB" }, work = "20us", backlog = MOST, connection_memory = "16KiB" }
end

-- All come within a second; each asks for a page and a picture.
local counts = { static = { ok = 0, failed = 0 }, dynamic = { ok = 0, failed = 0 } }
local hist = { static = histogram "static_ms", dynamic = histogram "dynamic_ms" }
local function ask(kind, host, path)
  local res = users:http_get { host, 80, path, timeout = "20s", keep = 0 }
  local good = res and res.status == 200
  counts[kind][good and "ok" or "failed"] = counts[kind][good and "ok" or "failed"] + 1
  if good then hist[kind]:add(res.total * 1e3) end
end
for _ = 1, p.clients do
  spawn(function()
    sleep(random.uniform(0, 1))
    ask("dynamic", one, "/page")
    ask("static", p.setup == "cgi" and two or one, "/logo.png")
  end)
end

at_end(function()
  record { dynamic_ok_pct = 100 * counts.dynamic.ok / p.clients, static_ok_pct = 100 * counts.static.ok / p.clients,
           out_of_memory_count = limit.out_of_memory, processes_count = limit.most_processes,
           memory_peak_mib = math.max(one.stats.memory_peak, two.stats.memory_peak) / 2 ^ 20 }
end)
