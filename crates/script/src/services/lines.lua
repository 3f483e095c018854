-- What services with lines share: replies with codes, deadlines, files by path, servers that start and start again.
local native, need = ...
local lines = {}
local now, type, format = now, type, string.format

-- How long nothing may be taken, where a server does not say otherwise: as HTTP servers have it.
lines.SEND_TIMEOUT = 60

function lines.left(deadline)
  if deadline then return math.max(deadline - now(), 0) end
end

-- One reply, of one line or several: its code, its text, all its lines.
function lines.reply(conn, deadline)
  local all = {}
  while true do
    local line, why = native.read_line(conn, 998, lines.left(deadline))
    if not line then return nil, why end
    local code, more, text = native.reply_line(line)
    if code then
      all[#all + 1] = text
      if not more then return code, text, all end
    elseif #all == 0 then
      return nil, "bad reply"
    else
      all[#all + 1] = line
    end
    if #all > 1000 then return nil, "bad reply" end
  end
end

-- Counts a fault under its cause.
function lines.fault(self, cause)
  self.faults[cause] = (self.faults[cause] or 0) + 1
end

-- Sends for a server, as long as the other side takes something now and then; who does not is cut off and counted.
function lines.tell(self, conn, ...)
  local sent, why = native.send_while_taken(conn, rawget(self, "send_timeout") or lines.SEND_TIMEOUT, ...)
  if sent then return sent end
  if why == "timeout" then
    lines.fault(self, "client does not read")
    conn:abort()
  end
  return nil, why
end

-- Starts a server: `converse(self, conn, peer)` for each connection, again after a crash. Gives true, or nil and why not.
function lines.start(self, backlog, converse)
  local function begin()
    local listener, why = self.host:listen(self.port, { backlog = backlog or 128, nodelay = true })
    if not listener then return nil, why end
    self.listener, self.open = listener, 0
    native.spawn(self.host, self.name, function()
      for conn, peer in listener:connections() do
        native.spawn(self.host, self.name .. " for " .. tostring(peer), function()
          self.connections, self.open = self.connections + 1, self.open + 1
          converse(self, conn, peer)
          self.open = self.open - 1
          conn:close()
        end)
      end
    end)
    return true
  end
  local ok, why = begin()
  if ok then self.host:on_boot(function() if not self.stopped then begin() end end) end
  return ok, why
end

function lines.stop(self)
  self.stopped = true
  if self.listener then self.listener:close() end
end

-- A path below a folder, without "." and "..".
function lines.path(folder, name)
  if name:sub(1, 1) ~= "/" then name = folder .. "/" .. name end
  local parts = {}
  for part in name:gmatch "[^/]+" do
    if part == ".." then
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return "/" .. table.concat(parts, "/")
end

-- All that arrives until the end, kept as a text when it is no longer than `keep`: how much, the text; or nil, why, how much.
-- `idle` is how long nothing may come.
function lines.drain(conn, keep, idle, told)
  local size, parts = 0, told <= keep and {} or nil
  while true do
    local n, why
    if parts then
      n, why = conn:recv(65536, { timeout = idle })
      if n then parts[#parts + 1] = n n = #n end
    else
      n, why = native.skip(conn, 1 << 20, idle)
    end
    if not n then
      if why ~= "closed" then return nil, why, size end
      return size, parts and table.concat(parts)
    end
    size = size + n
    if parts and size > keep then parts = nil end
  end
end

-- A list that prints as a table with these columns.
function lines.printable(list, columns)
  return setmetatable(list, { __metatable = false, __tostring = function()
    local width, rows = {}, {}
    for c, name in ipairs(columns) do width[c] = #name end
    for r, item in ipairs(list) do
      rows[r] = {}
      for c, name in ipairs(columns) do
        local value = item[name]
        local text = value == nil and "-" or tostring(value)
        rows[r][c] = text
        width[c] = math.max(width[c], #text)
      end
    end
    table.insert(rows, 1, columns)
    for r, row in ipairs(rows) do
      local cells = {}
      for c, text in ipairs(row) do cells[c] = c < #columns and text .. (" "):rep(width[c] - #text) or text end
      rows[r] = table.concat(cells, "  ")
    end
    return table.concat(rows, "\n")
  end })
end

local function acknowledged(conn)
  local info = conn.info
  return info and info.bytes_acked
end

-- `wait()` again and again, as long as the other side of `conn` acknowledges something meanwhile: a slow line takes its time.
function lines.while_acked(conn, wait)
  local acked = acknowledged(conn)
  while true do
    local got, why = wait()
    if got or why ~= "timeout" then return got, why end
    local before = acked
    acked = acknowledged(conn)
    if not acked or acked == before then return nil, why end
  end
end

-- What a server remembers of somebody, in bytes: texts by their length, everything else as eight.
function lines.state_bytes(state)
  local n = 0
  for _, value in pairs(state) do n = n + (type(value) == "string" and #value or 8) end
  return n
end

return lines
