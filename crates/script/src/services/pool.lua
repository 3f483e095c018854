-- How a server's processes share its connections: one each, threads, a loop, or a process for each request. And slow clients.
local native, need = ...
local pool = {}
local now, sleep, format = now, sleep, string.format

-- Connections one after the other; `lane`: only one of those that share it computes at a time.
local function serve(self, name, listener, connection, lane)
  native.spawn(self.host, name, function()
    if lane then native.enter_lane(lane) end
    for conn, peer in listener:connections() do connection(self, conn, peer) end
  end)
end

-- One loop: many connections, one of which computes.
local function loop(self, name, listener, connection, lane)
  local host, room = self.host, resource(self.room or 1000)
  native.spawn(host, name, function()
    while true do
      room:acquire()
      local conn, peer = listener:accept()
      if not conn then return end
      native.spawn(host, name .. " for " .. tostring(peer), function()
        native.enter_lane(lane)
        connection(self, conn, peer)
        room:release()
      end)
    end
  end)
end

-- Begins the processes of a server; nil and why when the host has no memory for them.
function pool.start(self, listener, connection)
  local host, kind, n = self.host, self.worker or "sync", self.workers
  if kind == "cgi" then
    local room = n and resource(n)
    native.spawn(host, self.name, function()
      while true do
        -- Whoever finds all processes at work is not accepted yet.
        if room then room:acquire() end
        local conn, peer = listener:accept()
        if not conn then return end
        native.spawn(host, self.name .. " for " .. tostring(peer), function()
          connection(self, conn, peer)
          if room then room:release() end
        end)
      end
    end)
    return true
  end
  n = n or 1
  if self.memory > 0 and not host:allocate(n * self.memory) then return nil, "out of memory" end
  for i = 1, n do
    local name = format("%s worker %d", self.name, i)
    if kind == "sync" then
      serve(self, name, listener, connection)
    elseif kind == "async" then
      loop(self, name, listener, connection, native.lane())
    else
      local lane = self.gil ~= false and native.lane() or nil
      for j = 1, self.threads or 8 do serve(self, format("%s.%d", name, j), listener, connection, lane) end
    end
  end
  return true
end

function pool.stop(self)
  if self.worker ~= "cgi" and self.memory > 0 and self.host.up then self.host:free((self.workers or 1) * self.memory) end
end

-- Memory for one more connection.
function pool.room(self)
  if self.host:allocate(self.connection_memory) then return true end
  self.out_of_memory = self.out_of_memory + 1
end

-- Answers one request in a process of its own (RFC 3875): it is started, has its memory, and ends.
function pool.process(self, req, answer)
  if self.memory > 0 and not self.host:allocate(self.memory) then
    self.out_of_memory = self.out_of_memory + 1
    return 503, "out of memory\n"
  end
  self.processes = self.processes + 1
  if self.processes > self.most_processes then self.most_processes = self.processes end
  if self.spawn then self.host:work(self.spawn) end
  local status, body, headers = answer(self, req)
  self.processes = self.processes - 1
  if self.memory > 0 then self.host:free(self.memory) end
  return status, body, headers
end

-- Functions around the one that answers.
function pool.wrapped(middleware, answer)
  local list = {}
  for key, f in sorted(middleware) do
    local name = key
    if type(f) == "table" then name, f = f[1], f[2] end
    if type(f) ~= "function" then native.mistake(format("middleware must be functions; %s is none", tostring(name)), "middleware") end
    list[#list + 1] = { name = tostring(name), f = f }
  end
  return function(self, req)
    local function at(i)
      local layer = list[i]
      local t = native.trace
      if not layer then
        local span = t and t.phase(self.host, "handler")
        local status, body, headers = answer(self, req)
        if span then t.done(span) end
        return status, body, headers
      end
      local span = t and t.phase(self.host, "middleware", layer.name)
      local status, body, headers = layer.f(req, function(changed)
        req = changed or req
        return at(i + 1)
      end)
      if span then t.done(span) end
      return status, body, headers
    end
    return at(1)
  end
end

-- Writes a request as slowly as `pace` bit/s.
function pool.slowly(conn, pace, head, payload, deadline)
  local parts = { head, payload }
  local piece = math.max(1, math.floor(pace / 80))
  local begun, sent = now(), 0
  for i = 1, 2 do
    local part = parts[i]
    local length = type(part) == "string" and #part or part
    local at = 0
    while at < length do
      local n = math.min(piece, length - at)
      local wait = begun + (sent + n) * 8 / pace - now()
      if deadline and now() + wait > deadline then
        sleep(math.max(0, deadline - now()))
        return nil, "timeout"
      end
      if wait > 0 then sleep(wait) end
      local ok, why = need("http").send(conn, deadline, type(part) == "string" and part:sub(at + 1, at + n) or n)
      if not ok then return nil, why end
      at, sent = at + n, sent + n
    end
  end
  return sent
end

return pool
