-- Queue servers, their clients, and workers.
local native, need = ...
local http, wire, lines = need "http", need "wire", need "lines"
local tasks = {}
local now, sleep, format, match, type = now, sleep, string.format, string.match, type
local now_ps = native.now_ps

-- The server ------------------------------------------------------------------------------------------------------------------------
local Server = {}
local methods = http.class("queue server", "queue servers have", Server, "sync listener")
local server_meta = {
  __name = methods.__name, __metatable = false, __tostring = methods.__tostring,
  __index = function(self, key)
    local count = type(key) == "string" and rawget(self, "broker"):count(key, now_ps())
    if count then return count end
    return methods.__index(self, key)
  end,
}

-- Sends what there is to say, to whomever it concerns.
local function answer(self)
  while true do
    local id, text = self.broker:reply()
    if not id then break end
    local conn = self.open[id]
    if conn and not lines.tell(self, conn, text) then conn:abort() end
  end
  self.changed:fire(true)
end

-- Waits for the next time that is over: a worker's, or that of a delay.
local function watch(self)
  while true do
    local wait = self.broker:timeout(now_ps())
    if wait and wait > 0 then
      self.changed:wait { timeout = wait }
    elseif not wait then
      self.changed:wait()
    end
    wait = self.broker:timeout(now_ps())
    if wait and wait <= 0 then
      self.broker:advance(now_ps())
      answer(self)
    end
  end
end

local function converse(self, conn, id)
  while true do
    local kind, why, detail = native.broker_serve(conn, self.broker, id)
    if not kind then
      if why == "bad message" then
        self.bad_commands = self.bad_commands + 1
        lines.fault(self, why)
        lines.tell(self, conn, detail)
      end
      break
    end
    local t = native.trace
    local span = t and t.serve(self.host, "queue", conn)
    if self.work then self.host:work(self.work) end
    -- What is not on disk is not acknowledged.
    if kind == "write" and self.sync then
      self.disk:acquire()
      sleep(self.sync)
      self.disk:release()
    end
    if span then t.done(span) end
    answer(self)
  end
  self.open[id] = nil
  conn:close()
  self.broker:disconnect(id, now_ps())
  answer(self)
end

local function start(self)
  local listener, why = self.host:listen(self.port, { backlog = self.backlog, nodelay = true })
  if not listener then return nil, why end
  self.listener, self.open, self.changed, self.disk = listener, {}, signal(), resource(1)
  native.spawn(self.host, self.name .. " clock", watch, self)
  native.spawn(self.host, self.name, function()
    for conn, peer in listener:connections() do
      self.connections = self.connections + 1
      local id = self.connections
      self.open[id] = conn
      native.spawn(self.host, self.name .. " for " .. tostring(peer), converse, self, conn, id)
    end
  end)
  return true
end

function Server.stop(self)
  self.stopped = true
  self.listener:close()
end

function tasks.queue_server(host, o)
  local self = setmetatable({
    host = host, port = o.port or 11300, name = o.name or format("%s:%d", host.name, o.port or 11300), backlog = o.backlog or 1024,
    work = o.work or false, sync = o.sync, durable = o.durable ~= false, broker = native.broker(o.capacity), connections = 0, bad_commands = 0, faults = {},
    send_timeout = o.send_timeout,
    stopped = false,
  }, server_meta)
  local ok, why = start(self)
  if not ok then return nil, why end
  host:on_boot(function()
    self.broker:restart(now_ps(), self.durable)
    if not self.stopped then start(self) end
  end)
  return self
end

-- The client ------------------------------------------------------------------------------------------------------------------------
local Client = {}
local client_meta = http.class("queue client", "queue clients have", Client, "timeout")

function tasks.queue_client(host, to, port, o)
  return setmetatable({
    host = host, name = host.name, timeout = o.timeout, visibility = o.visibility or 60, tries = o.tries or 1,
    pool = wire.pool(host, to, http.port(to, port, 11300), o.connections or 8, o.tcp), put_ok = 0, failed = 0,
  }, client_meta)
end

local WORDS = {
  OUT_OF_MEMORY = "queue full", JOB_TOO_BIG = "too big", NOT_FOUND = "not found", BAD_FORMAT = "bad command", EXPECTED_CRLF = "bad command",
  UNKNOWN_COMMAND = "bad command", TIMED_OUT = "timeout",
}

-- A line out, a line back: its words.
local function say(conn, deadline, ...)
  local sent, why = native.send_parts(conn, wire.left(deadline), ...)
  if not sent then return nil, why end
  local line, problem = conn:recv_line { timeout = wire.left(deadline) }
  if not line then return nil, problem end
  return line
end

local function command(self, wanted, again, ...)
  local deadline = self.timeout and now() + self.timeout
  local parts = table.pack(...)
  local t = native.trace
  local span = t and t.call(self.host, "queue", match(parts[1], "^%S+"))
  local line, why = self.pool:exchange(deadline, function(conn)
    local line, problem = say(conn, wire.patient(deadline), table.unpack(parts, 1, parts.n))
    if not line then return false, problem end
    -- Who talks nonsense may have more of it to say: nobody listens to that.
    local word = match(line, "^%S+")
    if word ~= wanted and not WORDS[word or ""] then return false, "bad message" end
    return true, line
  end, again)
  if span then t.done(span) end
  if not line then return nil, why end
  local first, rest = match(line, "^(%S+) ?(.*)$")
  if first == wanted then return rest end
  return nil, WORDS[first or ""] or "bad message"
end

-- Puts a task; its number, once the server has it. Whoever tries again after an error may put it twice.
function Client.put(self, body, o)
  o = o or {}
  body = tostring(body)
  if #body > 65535 then return nil, "too big" end
  local visibility = o.visibility and seconds(o.visibility) or self.visibility
  local delay = o.delay and seconds(o.delay) or 0
  local head = format("put %d %.6f %.6f %d\r\n", math.floor(o.priority or 100), delay, visibility, #body)
  for attempt = 1, self.tries do
    local id, why = command(self, "INSERTED", true, head .. body .. "\r\n")
    if id then
      self.put_ok = self.put_ok + 1
      return tonumber(id)
    end
    if attempt == self.tries then
      self.failed = self.failed + 1
      return nil, why
    end
    sleep(math.min(0.05 * 2 ^ attempt, 5))
  end
end

function Client.close(self) self.pool:close() end

-- A task in the hand of a worker --------------------------------------------------------------------------------------------------------
local Task = {}
local task_meta = http.class("task", "tasks have", Task)

local function finish(self, wanted, text)
  if self.over then return nil, "not found" end
  local line, why = say(self.conn, self.timeout and now() + self.timeout, text)
  if not line then
    self.over, self.broken = true, true
    return nil, why
  end
  if line ~= wanted then return nil, WORDS[line] or "bad message" end
  return true
end

function Task.done(self)
  local ok, why = finish(self, "DELETED", format("delete %d\r\n", self.id))
  self.over = true
  return ok, why
end

function Task.release(self, o)
  local delay = o and o.delay and seconds(o.delay) or 0
  local ok, why = finish(self, "RELEASED", format("release %d %d %.6f\r\n", self.id, math.floor(o and o.priority or 100), delay))
  self.over = true
  return ok, why
end

function Task.bury(self)
  local ok, why = finish(self, "BURIED", format("bury %d 0\r\n", self.id))
  self.over = true
  return ok, why
end

function Task.touch(self) return finish(self, "TOUCHED", format("touch %d\r\n", self.id)) end

-- Workers ----------------------------------------------------------------------------------------------------------------------------------
local Workers = {}
local workers_meta = http.class("queue workers", "queue workers have", Workers, "log")

-- Waits for the next task on a connection of its own: a task, or nil and why.
local function reserve(self, conn, wait)
  local text = wait and format("reserve-with-timeout %.6f\r\n", wait) or "reserve\r\n"
  -- The server may be gone for good: then it does not answer at all.
  local line, why = say(conn, wait and now() + wait + 5, text)
  if not line then return nil, why end
  -- Only the server can say that there is no task: a connection may be out of time too, and that one is of no more use.
  if line == "TIMED_OUT" then return nil, "no task" end
  local id, size = match(line, "^RESERVED (%d+) (%d+)$")
  if not id then return nil, WORDS[line] or "bad message" end
  local body = conn:recv_exact(tonumber(size) + 2, { timeout = 60 })
  if not body then return nil, "closed" end
  return setmetatable({ id = tonumber(id), body = body:sub(1, -3), conn = conn, timeout = self.timeout, over = false, name = "#" .. id }, task_meta)
end

local function handle(self, task)
  self.active = self.active + 1
  local begun, what = now(), "by hand"
  local t = native.trace
  local span = t and t.root(self.host, "task", task.body)
  local result, o = self.handler(task)
  if not task.over then
    local ok
    if result == false then
      self.given_back, what = self.given_back + 1, "given back"
      ok = task:release(type(o) == "table" and o or nil)
    else
      ok = task:done()
      what = ok and "done" or "late"
      if ok then self.done = self.done + 1 else self.late = self.late + 1 end
    end
  end
  if self.log then record("tasks", { workers = self.name, at_s = begun, task = task.id, ended = what, took_ms = (now() - begun) * 1e3 }) end
  if span then t.done(span) end
  self.active = self.active - 1
end

-- How long workers wait at most before they ask a server that is away again, and how long for an answer: less than that.
local LONGEST_PAUSE, PATIENCE = 5, 4

local function work(self)
  local pause, since = 0.1, nil
  while not self.stopped do
    -- Keepalive finds out when the server's host has died.
    local conn = self.host:connect(self.from, self.port, { timeout = PATIENCE, nodelay = true, keepalive = 5, keepalive_interval = 1, keepalive_probes = 3 })
    if conn then
      pause, since = 0.1, nil
      while not self.stopped do
        local task, why = reserve(self, conn, self.poll)
        if task then
          handle(self, task)
          if rawget(task, "broken") then break end
        elseif why ~= "no task" then
          break
        end
      end
      -- What a server that is gone has not acknowledged is not sent again and again.
      if self.stopped then conn:close() else conn:abort() end
    end
    if self.stopped then break end
    -- The server is away; it is asked again, less and less often.
    self.reconnects = self.reconnects + 1
    since = since or now()
    -- In the end all ask at the same instants, and are silent before the next: else those of many hosts would keep the run alive in turn.
    native.pause(pause < LONGEST_PAUSE and pause or LONGEST_PAUSE - now() % LONGEST_PAUSE, since)
    pause = math.min(pause * 2, LONGEST_PAUSE)
  end
end

local function begin(self)
  self.active = 0
  for i = 1, self.workers do
    local lane = native.lane()
    native.spawn(self.host, format("%s %d", self.name, i), function()
      native.enter_lane(lane)
      work(self)
    end)
  end
end

function Workers.stop(self) self.stopped = true end

function tasks.queue_workers(host, o)
  if not o.from or not o.handler then native.mistake("host:queue_workers needs the options from and handler", "queue_workers") end
  if not native.is_node(o.from) and type(o.from) ~= "string" and not native.port_in(o.from) then native.mistake("from is a host, a name or an address", "from") end
  local self = setmetatable({
    host = host, name = o.name or "worker of " .. host.name, from = o.from, port = http.port(o.from, o.port, 11300), workers = o.workers or 1, handler = o.handler, log = o.log,
    timeout = o.timeout or 5, poll = o.poll or false, done = 0, given_back = 0, late = 0, reconnects = 0, active = 0, stopped = false,
  }, workers_meta)
  begin(self)
  host:on_boot(function() if not self.stopped then begin(self) end end)
  return self
end

return tasks
