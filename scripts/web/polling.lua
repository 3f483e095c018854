-- News from a server: ask every ten seconds, or ask once and wait for the answer.
--   tidewire sweep scripts/web/polling.lua
-- Look at age_s, how old news are when they arrive, and at requests_count: polling brings news after five seconds on average and asks
-- in vain most of the time; a request that the server holds until there is something (long polling) brings them at once, for a
-- connection and a process that wait.
local p = experiment {
  name = "polling",
  params = { how = { "poll_10s", "poll_1s", "long_poll" }, news_every = { "7s", "60s" } },
  duration = "600s",
  plot = { x = "how", y = { "age_s", "requests_count", "empty_pct" }, color = "news_every", kind = "bar" },
}
local user, www = net:host "user", net:host "www"
net:link(user, www, { rate = "10Mbps", delay = "20ms" })
local news, fresh = {}, signal()
local function since(n) return 200, (codec.encode { n = #news, at = news[#news] and #news > n and news[#news] or codec.null }) end
local server = www:http_server {
  keepalive = "5min", timeout = "5min",
  ["/news"] = function(req) return since(tonumber(req.query.since)) end,
  ["/wait"] = function(req)
    local n = tonumber(req.query.since)
    if #news <= n then fresh:wait { timeout = "50s" } end     -- holds the request until there is something
    return since(n)
  end,
}
www:spawn(function()
  local gaps = random.stream "news"
  while true do
    sleep(gaps.exponential(p.news_every))
    news[#news + 1] = now()
    fresh:fire()
  end
end)

local client, seen, empty, age, told = user:http_client {}, 0, 0, histogram "age_of_news_s", 0
user:spawn(function()
  while true do
    local begun = now()
    local res = assert(client:get("http://www/" .. (p.how == "long_poll" and "wait" or "news"), { query = { since = seen } }))
    local answer = codec.decode(res.body)
    if answer.at then
      age:add(now() - answer.at)
      told = told + 1
    else
      empty = empty + 1
    end
    seen = answer.n
    local every = p.how == "poll_10s" and 10 or p.how == "poll_1s" and 1 or 0
    if every > 0 then sleep(begun + every - now()) end
  end
end)
at_end(function()
  record { age_s = age:mean() or 0, requests_count = server.requests, empty_pct = 100 * empty / server.requests, told_count = told }
  local late = 0
  for _, at in ipairs(news) do if at > 589 then late = late + 1 end end
  check(#news - seen <= late, "nothing was missed")
end)
