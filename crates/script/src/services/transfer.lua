-- A long transfer with checkpoints: what was confirmed is not sent again when a connection breaks.
local native, need = ...
local http, lines = need "http", need "lines"
local transfer = {}
local now, format, type = now, string.format, type

local Server = { stop = lines.stop }
local server_meta = http.class("transfer server", "transfer servers have", Server, "cut listener stopped")

-- Takes the bytes of one connection and confirms each checkpoint that it passes.
local function take(self, conn, file, name)
  while file.received < file.size do
    local to_mark = file.checkpoint and file.checkpoint - file.received % file.checkpoint or file.size
    local most = math.min(file.size - file.received, to_mark)
    if self.cut then most = math.min(most, self.cut - self.bytes_received) end
    if most <= 0 then
      -- The experiment's accident: once, after exactly so many bytes.
      self.cut = nil
      event("cut", name, file.received)
      return conn:abort()
    end
    local n, why = native.skip(conn, most, self.timeout)
    if not n then return lines.fault(self, why) end
    file.received, self.bytes_received = file.received + n, self.bytes_received + n
    if file.checkpoint and file.received % file.checkpoint == 0 and file.received < file.size then
      file.confirmed = file.received
      if not lines.tell(self, conn, format("POINT %d\n", file.confirmed)) then return end
    end
  end
  file.confirmed, self.complete = file.size, self.complete + 1
  lines.tell(self, conn, "DONE\n")
end

local function converse(self, conn)
  local line, why = native.read_line(conn, 500, self.timeout)
  if not line then return lines.fault(self, why) end
  local size, checkpoint, name = line:match "^SEND (%d+) (%d+) (%S+)$"
  size, checkpoint = math.tointeger(tonumber(size)), math.tointeger(tonumber(checkpoint))
  if not (size and checkpoint) then return lines.fault(self, "bad request") end
  local file = self.files[name]
  if not file or file.size ~= size then
    file = { size = size, confirmed = 0 }
    self.files[name] = file
  elseif file.confirmed > 0 then
    self.resumed = self.resumed + 1
  end
  file.checkpoint, file.received = checkpoint > 0 and checkpoint or nil, file.confirmed
  if lines.tell(self, conn, format("FROM %d\n", file.confirmed)) then take(self, conn, file, name) end
end

function transfer.transfer_server(host, o)
  local self = setmetatable({
    host = host, port = o.port or 7000, timeout = o.timeout or 60, send_timeout = o.timeout, cut = o.cut, files = {}, faults = {}, connections = 0, open = 0, bytes_received = 0,
    complete = 0, resumed = 0,
  }, server_meta)
  self.name = format("%s:%d", host.name, self.port)
  local ok, why = lines.start(self, o.backlog, converse)
  if not ok then return nil, why end
  return self
end

-- One connection: true when all is there; or nil and why not.
local function attempt(host, to, o, name, size, checkpoint, res)
  local patience = o.timeout or 10
  local conn, why = host:connect(to, http.port(to, o.port, 7000), { timeout = patience, nodelay = true })
  if not conn then return nil, why end
  res.connections = res.connections + 1
  conn:send(format("SEND %d %d %s\n", size, checkpoint, name))
  local line, problem = native.read_line(conn, 100, patience)
  local from = line and math.tointeger(tonumber(line:match "^FROM (%d+)$"))
  if not from or from > size then
    conn:abort()
    return nil, line and "bad reply" or problem
  end
  if res.connections > 1 then res.resumed_at[#res.resumed_at + 1] = from end
  local writer = native.spawn(host, "transfer of " .. name, function()
    if from < size then native.send_parts(conn, nil, size - from) end
  end)
  local done
  while not done do
    line, problem = lines.while_acked(conn, function() return native.read_line(conn, 100, patience) end)
    if not line then break end
    local point = math.tointeger(tonumber(line:match "^POINT (%d+)$"))
    if point then
      res.confirmed = point
      if o.progress then o.progress(point) end
    end
    done = line == "DONE"
  end
  writer:kill()
  if done then conn:close() else conn:abort() end
  return done, problem
end

function transfer.transfer(host, to, name, size, o)
  if not name:match "^%S+$" then native.mistake("the name of a transfer has no blanks", "transfer") end
  if o.checkpoint and o.checkpoint < 1 then native.mistake("a checkpoint stands after 1 byte or more", "checkpoint") end
  local checkpoint = o.checkpoint or 0
  local res, begun, why = { name = name, size = size, connections = 0, confirmed = 0, resumed_at = {} }, now(), nil
  for try = 1, o.tries or 10 do
    local done
    done, why = attempt(host, to, o, name, size, checkpoint, res)
    if done then
      res.total = now() - begun
      return res
    end
    if try < (o.tries or 10) then sleep(o.retry or 1) end
  end
  return nil, why, res
end

return transfer
