-- Spans: what each tier did for a request, from its first to its last instant, in whole picoseconds.
--
-- A request's time is cut at every begin and end of a span; each piece belongs to the span that began last of those that are open.
-- So the spans' own times sum to the response time exactly, also where calls run side by side.
local native, need = ...
local http = need "http"
local trace = {}
local now, now_ps, me, format, match, tostring = now, native.now_ps, native.me, string.format, string.match, tostring
local t = {}
local current, by_address, traces = {}, {}, {}
local tracer

local function open(parent, tier, kind, what)
  local all = parent.trace
  if all.over then return nil end
  local spans, id = all.spans, #all.spans + 1
  local process = me()
  local worked, waited = native.cpu()
  local span = {
    trace = all, id = id, parent = parent.id, tier = tier, kind = kind, what = what, from = now_ps(), process = process, before = current[process],
    cpu = -worked, wait = -waited,
  }
  spans[id] = span
  current[process] = span
  return span
end

-- The request begins: the first span of a trace, if this one is looked at.
local function root(tier, kind, what)
  local self = tracer
  if now() < self.warmup or self.stopped then return nil end
  self.seen = self.seen + 1
  if (self.seen - 1) % self.every ~= 0 then return nil end
  self.traces = self.traces + 1
  local all = { id = self.traces, spans = {}, over = false, task = kind == "task" }
  traces[all.id] = all
  return open({ trace = all, id = 0 }, tier, kind, what)
end

-- Each piece of time to the span that began last of the open ones.
local function settle(all)
  local spans, last = all.spans, all.spans[1].to
  local order, ends = {}, {}
  for i, span in ipairs(spans) do
    if not span.to then span.to, span.cut = last, true end
    span.own, order[i], ends[i] = 0, span, span
  end
  table.sort(order, function(a, b)
    if a.from ~= b.from then return a.from < b.from end
    return a.id < b.id
  end)
  for rank, span in ipairs(order) do span.rank = rank end
  table.sort(ends, function(a, b)
    if a.to ~= b.to then return a.to < b.to end
    return a.rank > b.rank
  end)
  local is_open, top, next_begin, at = {}, 0, 1, spans[1].from
  local function advance(time)
    if top > 0 then order[top].own = order[top].own + time - at end
    at = time
  end
  for _, span in ipairs(ends) do
    while order[next_begin] and order[next_begin].from <= span.to do
      advance(order[next_begin].from)
      is_open[next_begin], top = true, next_begin
      next_begin = next_begin + 1
    end
    advance(span.to)
    is_open[span.rank] = nil
    while top > 0 and not is_open[top] do top = top - 1 end
  end
end

local function row(span)
  return {
    trace = span.trace.id, span = span.id, parent = span.parent, tier = span.tier, kind = span.kind, what = span.what or "",
    begin_ps = span.from, end_ps = span.to, own_ps = span.own, cpu_ps = span.cpu, cpu_wait_ps = span.wait,
  }
end

local function add(self, span)
  local key = span.tier .. "\0" .. span.kind
  local sum = self.sums[key]
  if not sum then
    sum = { tier = span.tier, kind = span.kind, spans = 0, own_ps = 0, cpu_ps = 0, cpu_wait_ps = 0 }
    self.sums[key] = sum
  end
  sum.spans, sum.own_ps = sum.spans + 1, sum.own_ps + span.own
  sum.cpu_ps, sum.cpu_wait_ps = sum.cpu_ps + span.cpu, sum.cpu_wait_ps + span.wait
end

local function close(all)
  all.over = true
  traces[all.id] = nil
  settle(all)
  local self = tracer
  if not all.task then
    self.requests = self.requests + 1
    self.total_ps = self.total_ps + all.spans[1].to - all.spans[1].from
  end
  for _, span in ipairs(all.spans) do
    -- A span that was open when the answer came has not told what it computed.
    if span.cut then span.cpu, span.wait = 0, 0 end
    if not all.task then add(self, span) end
    if self.rows < self.most_rows then
      self.rows = self.rows + 1
      record("spans", row(span))
    end
  end
  for _, f in ipairs(all.task and {} or self.handlers) do
    local list = {}
    for i, span in ipairs(all.spans) do list[i] = row(span) end
    f(list, all.spans[1].to - all.spans[1].from)
  end
end

function t.done(span)
  if span.over then return end
  span.over = true
  local process = span.process
  if current[process] == span then current[process] = span.before end
  local all = span.trace
  if all.over then return end
  span.to = now_ps()
  if me() == process then
    local worked, waited = native.cpu()
    span.cpu, span.wait = span.cpu + worked, span.wait + waited
    -- What a span within computed is its own.
    local outer = span.before
    if outer and outer.trace == all and not outer.over then outer.cpu, outer.wait = outer.cpu - span.cpu, outer.wait - span.wait end
  else
    span.cpu, span.wait = 0, 0
  end
  if span.id == 1 then close(all) end
end

-- A part of what the running process does for a request; nil when it does nothing for one.
function t.phase(host, kind, what)
  local parent = current[me()]
  return parent and open(parent, host.name, kind, what)
end
t.call = t.phase

function t.root(host, kind, what) return root(host.name, kind, what) end

-- The other end knows a request without a header by the address that it comes from.
function t.sends(conn)
  local span = current[me()]
  if span then by_address[tostring(conn.local_addr)] = span end
end

function t.sent(conn) by_address[tostring(conn.local_addr)] = nil end

function t.serve(host, kind, conn)
  local parent = by_address[tostring(conn.peer)]
  return parent and open(parent, host.name, kind)
end

-- HTTP says it in a header (W3C Trace Context).
function t.serve_http(host, req)
  local text = req.headers.traceparent
  if not text then return nil end
  local number, id = match(text, "^00%-(%x+)%-(%x+)%-01$")
  local all = number and traces[tonumber(number, 16)]
  return all and open({ trace = all, id = tonumber(id, 16) }, host.name, "server", req.method .. " " .. req.path)
end

local function finished(span, ...)
  t.done(span)
  return ...
end

-- A request of an HTTP client: `f(host or client, target, req, ...)`.
function t.request(f, this, target, req, ...)
  if req.untraced then return f(this, target, req, ...) end
  local host = native.is_node(this) and this or this.host
  local what = req.method .. " " .. req.path
  local span
  if current[me()] then span = t.phase(host, "call", what) else span = root(host.name, "call", what) end
  if not span then return f(this, target, req, ...) end
  local copy, h = {}, { Traceparent = format("00-%032x-%016x-01", span.trace.id, span.id) }
  for k, v in pairs(req) do copy[k] = v end
  if req.headers then
    for k, v in pairs(req.headers) do
      if k:lower() ~= "traceparent" then h[k] = v end
    end
  end
  copy.headers = h
  return finished(span, f(this, target, copy, ...))
end

-- The tracer of a run -----------------------------------------------------------------------------------------------------------------
local Tracer = {}
local tracer_meta = http.class("tracer", "tracers have", Tracer)

-- Tiers, and what share of all time was theirs.
function Tracer.tiers(self)
  local list = {}
  for _, sum in sorted(self.sums) do
    list[#list + 1] = {
      tier = sum.tier, kind = sum.kind, spans = sum.spans, mean = sum.own_ps / 1e12 / math.max(self.requests, 1),
      share = self.total_ps > 0 and sum.own_ps / self.total_ps or 0, cpu = sum.cpu_ps / 1e12 / math.max(self.requests, 1),
      cpu_wait = sum.cpu_wait_ps / 1e12 / math.max(self.requests, 1),
    }
  end
  return list
end

function Tracer.on(self, event, f)
  if event ~= "request" then native.mistake(format('tracer:on("%s"): there is "request"', tostring(event)), "on") end
  self.handlers[#self.handlers + 1] = f
  return self
end

-- Runs fn(...) as a part of its own of what is done for a request.
function Tracer.span(self, name, f, ...)
  local parent = current[me()]
  local span
  if parent then span = open(parent, parent.tier, name) else span = root("", name) end
  if not span then return f(...) end
  return finished(span, f(...))
end

-- A part that is over, from one time to another, in seconds. What lies outside of the request is cut off.
function Tracer.add(self, tier, kind, from, to)
  local parent = current[me()]
  if not parent or parent.trace.over then return end
  local spans = parent.trace.spans
  local from_ps = math.max(math.floor(from * 1e12 + 0.5), spans[1].from)
  local to_ps = math.max(math.min(math.floor(to * 1e12 + 0.5), now_ps()), from_ps)
  spans[#spans + 1] = {
    trace = parent.trace, id = #spans + 1, parent = parent.id, tier = tier, kind = kind, from = from_ps, to = to_ps, over = true, cpu = 0, wait = 0,
    process = -1,
  }
end

function Tracer.stop(self) self.stopped = true end

function trace.trace(_, o)
  if tracer then native.mistake("net:trace() was called before: there is one tracer in a run", "trace") end
  tracer = setmetatable({
    every = o.every or 1, most_rows = o.rows or 100000, rows = 0, seen = 0, traces = 0, requests = 0, total_ps = 0, sums = {}, handlers = {}, stopped = false,
    warmup = native.warmup(), name = "",
  }, tracer_meta)
  native.trace = t
  return tracer
end

return trace
