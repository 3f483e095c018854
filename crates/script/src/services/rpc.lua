-- Calls of functions on another host, over datagrams: numbers for calls, repeated questions, and what the server does about these.
local native, need = ...
local http, lines = need "http", need "lines"
local rpc = {}
local now, format, type = now, string.format, type

local Server = {}
local server_meta = http.class("rpc server", "RPC servers have", Server, "socket stopped")

local function reply(self, peer, text)
  self.replies = self.replies + 1
  return self.socket:sendto(text, peer)
end

local function execute(self, call, peer, key)
  local f = self.procedures[call.name]
  self.executions = self.executions + 1
  local list = table.pack(pcall(f, table.unpack(call.args or {})))
  local answer = { id = call.id, ok = list[1] }
  if list[1] then
    answer.result = list[2]
  else
    lines.fault(self, "error in a procedure")
    answer.error = tostring(list[2]):gsub("^[^:]+:%d+: ", "")
  end
  local text, why = native.msgpack(answer)
  if not text then text = native.msgpack { id = call.id, ok = false, error = "the result cannot be sent: " .. why } end
  local sent, problem = reply(self, peer, text)
  if not sent and problem == "too big" then
    lines.fault(self, "too big")
    text = native.msgpack { id = call.id, ok = false, error = "the result is too big for a datagram" }
    reply(self, peer, text)
  end
  if key then self.answers[key] = { text = text, at = now() } end
end

-- Answers are kept as long as somebody may ask again.
local function forget(self)
  if now() < self.next_sweep then return end
  self.next_sweep = now() + self.keep
  for key, answer in sorted(self.answers) do
    if answer.at and answer.at + self.keep < now() then self.answers[key] = nil end
  end
end

local function take(self, data, peer)
  local call, why = native.from_msgpack(data)
  if type(call) ~= "table" or type(call.id) ~= "string" or type(call.name) ~= "string" then
    return lines.fault(self, call and "bad call" or why)
  end
  self.calls = self.calls + 1
  if not self.procedures[call.name] then
    lines.fault(self, "no such procedure")
    return reply(self, peer, native.msgpack { id = call.id, ok = false, error = "no such procedure" })
  end
  if self.semantics == "at_least_once" then return execute(self, call, peer) end
  -- At most once: what was answered is answered again, and what is under way is not begun again.
  if type(call.sent) == "number" and call.sent < self.booted then
    return reply(self, peer, native.msgpack { id = call.id, ok = false, error = "the server has started anew" })
  end
  local before = self.answers[call.id]
  if before then
    self.duplicates = self.duplicates + 1
    event("duplicate", self.name, call.name)
    if before.text then reply(self, peer, before.text) end
    return
  end
  forget(self)
  self.answers[call.id] = {}
  execute(self, call, peer, call.id)
end

local function start(self)
  local socket, why = self.host:udp(self.port)
  if not socket then return nil, why end
  self.socket, self.booted, self.answers, self.next_sweep = socket, now(), {}, now() + self.keep
  native.spawn(self.host, self.name, function()
    while true do
      local data, peer = socket:recvfrom()
      if not data then return end
      native.spawn(self.host, self.name .. " call", take, self, data, peer)
    end
  end)
  return true
end

function Server.stop(self)
  self.stopped = true
  self.socket:close()
end

function rpc.rpc_server(host, o)
  local procedures = {}
  for name, f in sorted(o.procedures or {}) do
    if type(name) ~= "string" or type(f) ~= "function" then native.mistake("procedures of host:rpc_server are { name = function }", "procedures") end
    procedures[name] = f
  end
  if not next(procedures) then native.mistake("host:rpc_server needs procedures", "rpc_server", "procedures = { add = function(a, b) return a + b end }") end
  local self = setmetatable({
    host = host, port = o.port or 111, procedures = procedures, semantics = o.semantics or "at_most_once", keep = o.keep or 60, answers = {}, faults = {},
    calls = 0, executions = 0, duplicates = 0, replies = 0, booted = 0,
  }, server_meta)
  self.name = format("%s:%d", host.name, self.port)
  local ok, why = start(self)
  if not ok then return nil, why end
  host:on_boot(function() if not self.stopped then start(self) end end)
  return self
end

local Client = {}
local client_meta = http.class("rpc client", "RPC clients have", Client, "")

function rpc.rpc(host, to, o)
  return setmetatable({
    host = host, to = to, port = http.port(to, o.port, 111), timeout = o.timeout or 1, tries = o.tries or 5, calls = 0, resent = 0, late = 0,
    id = format("%s-%x", host.name, native.random_key()), name = host.name,
  }, client_meta)
end

-- The result; or nil and why there is none. After a timeout nobody knows whether it was done.
function Client.call(self, name, ...)
  self.calls, name = self.calls + 1, tostring(name)
  local id = self.id .. "-" .. self.calls
  local text, why = native.msgpack { id = id, name = name, args = { ... }, sent = now() }
  if not text then native.mistake("what is given to a call must be sendable: " .. why, "call") end
  local socket = self.host:udp()
  local function ask()
    for try = 1, self.tries do
      if try > 1 then self.resent = self.resent + 1 end
      local sent, problem = socket:sendto(text, self.to, self.port)
      if not sent then return nil, problem end
      local deadline = now() + self.timeout * 2 ^ (try - 1)
      while true do
        local data, err = socket:recvfrom { timeout = lines.left(deadline) }
        if not data then
          if err ~= "timeout" then return nil, err end
          break
        end
        local answer = native.from_msgpack(data)
        if type(answer) == "table" and answer.id == id then
          if answer.ok then return answer.result end
          return nil, tostring(answer.error)
        end
        self.late = self.late + 1
      end
    end
    return nil, "timeout"
  end
  local result, problem = ask()
  socket:close()
  return result, problem
end

return rpc
