-- Many requests: open (at a rate) or closed (of so many clients).
local native, need = ...
local http = need "http"
local load = {}
local now, sleep = now, sleep

local Load = {}
local load_meta = http.class("http load", "loads have", Load)

function Load.on(self, event, f)
  if event ~= "response" and event ~= "failure" then
    native.mistake(('load:on("%s"): there is "response" and "failure"'):format(tostring(event)), "on")
  end
  local list = self.handlers[event]
  list[#list + 1] = f
  return self
end

function Load.stop(self) self.stopped = true end

function Load.wait(self, opts)
  while not self.over do
    local ok, why = self.ended:wait(opts)
    if not ok and why then return nil, why end
  end
  return true
end

-- What is sent before the end of the warm-up is sent, and counts nowhere.
local function one(self, client)
  local counts = now() >= self.warmup
  if counts then self.sent = self.sent + 1 end
  local res, why
  local o = self.request
  if client then
    res, why = client:request(self.url, o)
  else
    res, why = http.http_get(self.host, self.url, self.once)
  end
  if not counts then return end
  if res and res.status < 500 then
    self.ok = self.ok + 1
  else
    self.failed = self.failed + 1
    local word = res and tostring(res.status) or why
    self.errors[word] = (self.errors[word] or 0) + 1
  end
  if res then
    self.by_status[res.status] = (self.by_status[res.status] or 0) + 1
    for _, f in ipairs(self.handlers.response) do f(res) end
  else
    for _, f in ipairs(self.handlers.failure) do f(why) end
  end
end

local function finish(self)
  self.under_way = self.under_way - 1
  if self.under_way == 0 and self.begun_all then
    self.over = true
    self.ended:fire(true)
  end
end

local function client_of(self)
  if not self.opts.keepalive then return nil end
  return http.http_client(self.host, { keepalive = true, http = self.opts.http, keep = 0, tcp = self.opts.tcp })
end

local function may_begin(self)
  local o = self.opts
  if self.stopped or (o.stop and now() >= o.stop) then return false end
  return not (o.requests and self.begun >= o.requests)
end

local function open_loop(self, random)
  local o = self.opts
  local mean = 1 / o.rate
  local shared = client_of(self)
  while true do
    sleep(o.arrivals == "constant" and mean or random.exponential(mean))
    if not may_begin(self) then break end
    self.begun, self.under_way = self.begun + 1, self.under_way + 1
    native.spawn(self.host, "request of " .. self.name, function()
      one(self, shared)
      finish(self)
    end)
  end
  self.begun_all, self.under_way = true, self.under_way + 1
  finish(self)
end

local function closed_loop(self, random)
  local o = self.opts
  local client = client_of(self)
  local function pause()
    if not o.think or o.think == 0 then return end
    sleep(o.think_like == "constant" and o.think or random.exponential(o.think))
  end
  pause()
  while may_begin(self) do
    self.begun = self.begun + 1
    one(self, client)
    pause()
  end
  if client then client:close() end
  finish(self)
end

local names = {}
function load.http_load(host, o)
  if not o.url then native.mistake("host:http_load needs the option 'url'", "http_load", "url is a URL, or { host, port, path }") end
  if (o.rate == nil) == (o.clients == nil) then
    native.mistake("host:http_load needs one of rate and clients", "http_load", "rate = 50 is 50 requests a second, clients = 50 are 50 that wait for answers")
  end
  if o.rate and o.rate <= 0 then native.mistake("rate must be more than 0 requests a second", "rate") end
  if not (o.requests or o.stop or native.ends()) then
    native.mistake("this load never ends", "http_load", 'give it requests = 1000 or stop = "60s", or the experiment a duration')
  end
  local name = o.name or "load of " .. host.name
  names[name] = (names[name] or 0) + 1
  if names[name] > 1 then name = name .. " #" .. names[name] end
  local request = { method = o.method, headers = o.headers, body = o.body, timeout = o.timeout, pace = o.pace }
  local once = { method = o.method, headers = o.headers, body = o.body, timeout = o.timeout, pace = o.pace, http = o.http, keep = 0, tcp = o.tcp }
  local self = setmetatable({
    host = host, opts = o, url = o.url, request = request, once = once, name = name, sent = 0, ok = 0, failed = 0, by_status = {},
    errors = {}, handlers = { response = {}, failure = {} }, begun = 0, under_way = 0, begun_all = false, over = false, stopped = false,
    warmup = native.warmup(), ended = signal(),
  }, load_meta)
  local function start()
    if o.start and o.start > now() then sleep(o.start - now()) end
    if o.rate then return open_loop(self, random.stream(name)) end
    self.begun_all, self.under_way = true, o.clients
    for i = 1, o.clients do
      native.spawn(host, "client " .. i .. " of " .. name, closed_loop, self, random.stream(name .. " " .. i))
    end
  end
  native.spawn(host, name, start)
  return self
end

return load
