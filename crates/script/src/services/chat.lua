-- A room in which everybody hears what one says: each line goes out once to every other guest.
local native, need = ...
local http, lines = need "http", need "lines"
local chat = {}
local now, format = now, string.format

local Room = { stop = lines.stop }
local room_meta = http.class("chat server", "chat servers have", Room, "listener stopped")

-- Whoever does not read is put out, so that one slow guest does not hold up the others.
local function tell(self, guest, line)
  if guest.gone then return end
  if #guest.queue >= self.backlog then
    guest.gone = true
    lines.fault(self, "does not read")
    guest.conn:abort()
    return
  end
  guest.queue:put(line)
end

local function spread(self, from, line)
  self.lines = self.lines + 1
  for _, guest in ipairs(self.guests) do
    if guest ~= from then
      self.copies = self.copies + 1
      tell(self, guest, line)
    end
  end
end

local function converse(self, conn)
  local hello, why = native.read_line(conn, 200, 30)
  local name = hello and hello:match "^NICK (%S+)$"
  if not name then return lines.fault(self, hello and "no name" or why) end
  local guest = { name = name, conn = conn, queue = queue() }
  self.guests[#self.guests + 1] = guest
  local writer = native.spawn(self.host, name .. " hears", function()
    while true do
      if not lines.tell(self, conn, guest.queue:get() .. "\n") then return end
    end
  end)
  spread(self, guest, "JOIN " .. name)
  while true do
    local line, problem = native.read_line(conn, 1000, nil)
    if not line then
      if problem ~= "closed" then lines.fault(self, problem) end
      break
    end
    local text = line:match "^SAY (.*)$"
    if text then spread(self, guest, format("MSG %s %s", name, text)) else lines.fault(self, "unknown command") end
  end
  guest.gone = true
  writer:kill()
  for i, known in ipairs(self.guests) do
    if known == guest then table.remove(self.guests, i) break end
  end
  spread(self, guest, "PART " .. name)
end

function chat.chat_server(host, o)
  local self = setmetatable({
    host = host, port = o.port or 6667, guests = {}, faults = {}, connections = 0, open = 0, lines = 0, copies = 0, backlog = o.queue or 1000,
  }, room_meta)
  self.name = format("%s:%d", host.name, self.port)
  local ok, why = lines.start(self, o.backlog, converse)
  if not ok then return nil, why end
  return self
end

local Guest = {}
local guest_meta = http.class("chat", "chats have", Guest, "")

function chat.chat(host, to, name, o)
  if not name:match "^%S+$" then native.mistake("a name in a chat has no blanks", "chat") end
  local conn, why = host:connect(to, http.port(to, o.port, 6667), { timeout = o.timeout or 30, nodelay = true })
  if not conn then return nil, why end
  conn:send("NICK " .. name .. "\n")
  return setmetatable({ conn = conn, name = name }, guest_meta)
end

function Guest.say(self, text) return self.conn:send("SAY " .. tostring(text):gsub("[\r\n]", " ") .. "\n") end

-- The next thing that happens: { what = "said" | "joined" | "left", who, text }; or nil, error.
function Guest.hear(self, o)
  local line, why = self.conn:recv_line(o)
  if not line then return nil, why end
  local word, who, text = line:match "^(%u+) (%S+) ?(.*)$"
  local what = word == "MSG" and "said" or word == "JOIN" and "joined" or "left"
  return { what = what, who = who, text = text, at = now() }
end

function Guest.leave(self) self.conn:close() end

return chat
