-- Connections of a client to one server, kept open and lent one at a time.
local native = ...
local wire = {}
local now, remove = now, table.remove

-- Whoever sets no time waits for a server that says nothing for this long, and no longer.
local SILENCE = 30

local Pool = {}
Pool.__index = Pool

-- Where a client connects to: a host, a name or an address, and a port.
function wire.pool(host, to, port, most, tcp)
  return setmetatable({ host = host, to = to, port = port, most = most, slots = resource(most), idle = {}, tcp = tcp, opened = 0, open = 0, used = 0 }, Pool)
end

local function left(deadline) return deadline and math.max(deadline - now(), 0) or nil end
wire.left = left

function wire.patient(deadline) return deadline or now() + SILENCE end

-- A connection; waits for one while all are in use. Gives it, or nil and why; and how long it waited for its turn.
function Pool.take(self, deadline, greet)
  local begun = now()
  local patience = left(deadline)
  if self.patience then patience = math.min(patience or self.patience, self.patience) end
  if not self.slots:acquire { timeout = patience } then
    return nil, patience == self.patience and "pool exhausted" or "timeout", now() - begun
  end
  local waited = now() - begun
  self.used = self.used + 1
  while #self.idle > 0 do
    local conn = remove(self.idle)
    if native.keep(conn, false) then return conn, nil, waited end
    conn:close()
    self.open = self.open - 1
  end
  local o = { timeout = left(deadline) or SILENCE, nodelay = true }
  if self.tcp then for k, v in pairs(self.tcp) do o[k] = v end end
  local t = native.trace
  local span = t and t.phase(self.host, "connect")
  local conn, why = self.host:connect(self.to, self.port, o)
  if conn and greet then
    local ok, problem = greet(conn, deadline)
    if not ok then
      conn:close()
      conn, why = nil, problem
    end
  end
  if span then t.done(span) end
  if not conn then
    self.used = self.used - 1
    self.slots:release()
    return nil, why, waited
  end
  self.opened, self.open = self.opened + 1, self.open + 1
  return conn, nil, waited
end

-- Gives a connection back; `good` says whether it is still of use.
function Pool.give(self, conn, good)
  self.used = self.used - 1
  if good and not self.closed then
    native.keep(conn, true)
    self.idle[#self.idle + 1] = conn
  else
    conn:close()
    self.open = self.open - 1
  end
  self.slots:release()
end

function Pool.close(self)
  self.closed = true
  for _, conn in ipairs(self.idle) do conn:close() end
  self.open, self.idle = self.open - #self.idle, {}
end

-- One exchange: `ask(conn)` writes and reads and gives a result and why there is none; `again`: whether it may be asked twice,
-- because a kept connection may turn out to be closed.
function Pool.exchange(self, deadline, ask, again, greet)
  local waited = 0
  for attempt = 1, 2 do
    local before = self.opened
    local conn, why, wait = self:take(deadline, greet)
    waited = waited + wait
    if not conn then return nil, why, waited end
    local reused = self.opened == before
    local t = native.trace
    if t then t.sends(conn) end
    local ok, result, extra = ask(conn)
    if t then t.sent(conn) end
    self:give(conn, ok)
    if ok then return result, extra, waited end
    if not (again and reused and attempt == 1 and (result == "closed" or result == "reset")) then return nil, result, waited end
  end
end

return wire
