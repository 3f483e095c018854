-- FTP (RFC 959): a connection for commands, and one for each list and file.
local native, need = ...
local http, lines = need "http", need "lines"
local ftp = {}
local now, format, type = now, string.format, type

-- The server ----------------------------------------------------------------------------------------------------------------------
local Server = {}
local server_meta = http.class("ftp server", "FTP servers have", Server, "listener stopped anonymous read_only")

local function say(self, conn, code, text) return lines.tell(self, conn, format("%d %s\r\n", code, text)) end

-- What is below a folder: names, sizes, and whether they are folders.
local function listing(self, folder)
  local prefix, found, list = folder == "/" and "/" or folder .. "/", {}, {}
  for path, file in sorted(self.files) do
    if path:sub(1, #prefix) == prefix then
      local name = path:sub(#prefix + 1)
      local first = name:match "^([^/]+)/"
      if first then
        if not found[first] then list[#list + 1] = { name = first, size = 0, folder = true } end
        found[first] = true
      else
        list[#list + 1] = { name = name, size = file.size }
      end
    end
  end
  return list
end

local function is_folder(self, path) return path == "/" or #listing(self, path) > 0 end

-- The connection for data, as the client wanted it.
local function data_connection(self, state)
  local conn, why
  if state.listener then
    conn, why = state.listener:accept { timeout = self.data_timeout }
    state.listener:close()
    state.listener = nil
  elseif state.to_ip then
    conn, why = self.host:connect(state.to_ip, state.to_port, { timeout = self.data_timeout, nodelay = true })
    state.to_ip, state.to_port = nil, nil
  else
    return nil, "no data connection was asked for"
  end
  if conn then
    self.data_connections = self.data_connections + 1
  else
    lines.fault(self, "no data connection")
  end
  return conn, why
end

-- A data connection with `transfer(conn)` on it, and the replies before and after.
local function transfer(self, control, state, what, run)
  say(self, control, 150, "opening data connection for " .. what)
  state.mode = state.listener and "passive" or "active"
  local conn, why = data_connection(self, state)
  if not conn then return say(self, control, 425, "cannot open data connection: " .. why) end
  state.state, state.file, state.data = "transfer", what, conn
  local ok, problem = run(conn)
  conn:close()
  state.state, state.file, state.rest, state.data = "ready", nil, nil, nil
  if not ok then
    lines.fault(self, "transfer cut")
    return say(self, control, 426, "data connection closed: " .. problem)
  end
  self.transfers = self.transfers + 1
  say(self, control, 226, "done")
end

local function send_list(self, control, state, argument, long)
  local folder = lines.path(state.folder, argument:gsub("^%-%a+%s*", ""))
  local rows = {}
  for i, item in ipairs(listing(self, folder)) do
    rows[i] = long and format("%srw-r--r-- 1 ftp ftp %12d Jan  1 00:00 %s\r\n", item.folder and "d" or "-", item.size, item.name) or item.name .. "\r\n"
  end
  transfer(self, control, state, folder, function(conn)
    local text = table.concat(rows)
    if #text == 0 then return true end
    return lines.tell(self, conn, text)
  end)
end

local function retrieve(self, control, state, argument)
  local path = lines.path(state.folder, argument)
  local file, rest = self.files[path], state.rest or 0
  if not file then return say(self, control, 550, "no such file") end
  if rest > file.size then return say(self, control, 554, "the file is shorter than that") end
  state.sent = 0
  transfer(self, control, state, format("%s (%d bytes)", path, file.size - rest), function(conn)
    local body = file.body
    local payload = type(body) == "string" and body:sub(rest + 1) or file.size - rest
    if file.size == rest then return true end
    local sent, why = lines.tell(self, conn, payload)
    if sent then state.sent, self.bytes_sent = sent, self.bytes_sent + sent end
    return sent, why
  end)
end

local function store(self, control, state, argument)
  if self.read_only then return say(self, control, 550, "nothing may be stored here") end
  local path, rest = lines.path(state.folder, argument), state.rest or 0
  transfer(self, control, state, path, function(conn)
    local size, body, got = lines.drain(conn, 1 << 20, self.timeout, 0)
    local before = self.files[path]
    if not size then
      -- What has come stays, so that the rest can follow.
      self.files[path] = { size = rest + got }
      return nil, body
    end
    self.bytes_received = self.bytes_received + size
    if rest > 0 and before then
      local both = type(before.body) == "string" and body and before.body:sub(1, rest) .. body
      self.files[path] = { size = rest + size, body = both or nil }
    else
      self.files[path] = { size = size, body = body }
    end
    return true
  end)
end

-- Where the next data connection goes to, or is waited for.
local function will_connect(self, control, state, ip, port)
  -- Whoever wants to be connected to there means somebody else (RFC 2577, section 3).
  if port < 1024 then
    lines.fault(self, "port below 1024")
    return say(self, control, 504, "not to a port below 1024")
  end
  state.to_ip, state.to_port = ip, port
  if state.listener then state.listener:close() state.listener = nil end
  say(self, control, 200, "will connect to " .. ip .. ":" .. port)
end

local function will_listen(self, control, state)
  if state.listener then state.listener:close() end
  local listener = self.host:listen(0)
  state.listener, state.to_ip = listener, nil
  if not listener then say(self, control, 421, "no port is free") end
  return listener
end

local handlers = {
  SYST = function(self, control) say(self, control, 215, "UNIX Type: L8") end,
  NOOP = function(self, control) say(self, control, 200, "nothing done") end,
  HELP = function(self, control) say(self, control, 214, "USER PASS PORT PASV EPRT EPSV RETR STOR LIST REST SIZE CWD PWD QUIT") end,
  FEAT = function(self, control) lines.tell(self, control, "211-features\r\n EPRT\r\n EPSV\r\n REST STREAM\r\n SIZE\r\n211 end\r\n") end,
  TYPE = function(self, control, state, argument)
    if not argument:match "^[AaIi]" then return say(self, control, 504, "types are A and I") end
    state.type = argument:sub(1, 1):upper()
    say(self, control, 200, "type " .. state.type)
  end,
  MODE = function(self, control, _, argument) say(self, control, argument:upper() == "S" and 200 or 504, "mode S") end,
  STRU = function(self, control, _, argument) say(self, control, argument:upper() == "F" and 200 or 504, "structure F") end,
  PWD = function(self, control, state) say(self, control, 257, '"' .. state.folder .. '"') end,
  CWD = function(self, control, state, argument)
    local path = lines.path(state.folder, argument)
    if not is_folder(self, path) then return say(self, control, 550, "no such folder") end
    state.folder = path
    say(self, control, 250, "now in " .. path)
  end,
  PORT = function(self, control, state, argument)
    local ip, port = native.host_port(argument)
    if not ip then return say(self, control, 501, "six numbers are needed") end
    will_connect(self, control, state, ip, port)
  end,
  PASV = function(self, control, state)
    -- Four numbers hold no address of IPv6 (RFC 2428).
    if control.local_addr.ip:find(":", 1, true) then return say(self, control, 425, "EPSV is for IPv6") end
    local listener = will_listen(self, control, state)
    if listener then say(self, control, 227, "entering passive mode (" .. native.host_port_text(control.local_addr.ip, listener.port) .. ")") end
  end,
  EPRT = function(self, control, state, argument)
    local ip, port = native.extended_port(argument)
    if not ip then return say(self, control, argument:match "^|[12]|" and 501 or 522, "|1|address|port| or |2|address|port| is needed (1,2)") end
    will_connect(self, control, state, ip, port)
  end,
  EPSV = function(self, control, state, argument)
    if argument:upper() == "ALL" then return say(self, control, 200, "no other way from now on") end
    local own = control.local_addr.ip:find(":", 1, true) and "2" or "1"
    if argument ~= "" and argument ~= own then return say(self, control, 522, "this connection is of family " .. own .. " (" .. own .. ")") end
    local listener = will_listen(self, control, state)
    if listener then say(self, control, 229, "entering extended passive mode (|||" .. listener.port .. "|)") end
  end,
  REST = function(self, control, state, argument)
    local n = math.tointeger(tonumber(argument:match "^%d+$"))
    if not n then return say(self, control, 501, "a number of bytes is needed") end
    state.rest = n
    say(self, control, 350, "the next transfer begins at " .. n)
  end,
  SIZE = function(self, control, state, argument)
    local file = self.files[lines.path(state.folder, argument)]
    if not file then return say(self, control, 550, "no such file") end
    say(self, control, 213, tostring(file.size))
  end,
  DELE = function(self, control, state, argument)
    local path = lines.path(state.folder, argument)
    if self.read_only or not self.files[path] then return say(self, control, 550, "no such file, or not allowed") end
    self.files[path] = nil
    say(self, control, 250, "deleted")
  end,
  STAT = function(self, control, state) say(self, control, 211, format("%s, in %s, type %s", state.user, state.folder, state.type)) end,
  LIST = function(self, control, state, argument) send_list(self, control, state, argument, true) end,
  NLST = function(self, control, state, argument) send_list(self, control, state, argument, false) end,
  RETR = retrieve,
  STOR = store,
  ABOR = function(self, control) say(self, control, 226, "nothing is under way") end,
}
handlers.CDUP = function(self, control, state) handlers.CWD(self, control, state, "..") end

-- USER and PASS; gives false when the connection is to end.
local function log_in(self, control, state, verb, argument)
  if verb == "USER" then
    state.user, state.state = argument, "password"
    say(self, control, 331, "password, please")
  elseif state.state ~= "password" then
    say(self, control, 503, "USER comes first")
  elseif self.users[state.user] == argument or (self.anonymous and state.user == "anonymous") then
    state.state = "ready"
    self.logins = self.logins + 1
    say(self, control, 230, "welcome")
  else
    state.state, state.failures = "user", (state.failures or 0) + 1
    lines.fault(self, "wrong password")
    say(self, control, 530, "wrong user or password")
    return state.failures < 3
  end
  return true
end

local MOVES = { RETR = true, STOR = true, LIST = true, NLST = true }

-- Ends a transfer that is under way (RFC 959, section 4.1.3): a reply for the transfer, and one for the command.
local function abort(self, control, state)
  state.job:kill()
  if state.data then state.data:abort() end
  if state.listener then state.listener:close() end
  state.state, state.file, state.rest, state.data, state.listener, state.job = "ready", nil, nil, nil, nil, nil
  lines.fault(self, "transfer aborted")
  say(self, control, 426, "transfer aborted")
  return say(self, control, 226, "aborted") ~= nil
end

-- A command that comes while data moves: it waits, unless it is about the transfer.
local function during_transfer(self, control, state, line)
  local verb = native.command(line)
  if verb == "ABOR" then
    self.commands, state.last = self.commands + 1, verb
    return true, abort(self, control, state)
  elseif verb == "STAT" then
    self.commands = self.commands + 1
    return true, say(self, control, 211, "moving " .. tostring(state.file)) ~= nil
  end
  state.job:join()
  return false
end

-- Answers one command; gives false when the connection is to end.
local function obey(self, control, state, line)
  local verb, argument = native.command(line)
  if not verb then
    lines.fault(self, argument)
    return say(self, control, 500, argument) ~= nil
  end
  state.last, self.commands = verb, self.commands + 1
  if verb == "QUIT" then
    say(self, control, 221, "goodbye")
    return false
  elseif verb == "USER" or verb == "PASS" then
    return log_in(self, control, state, verb, argument)
  end
  local handler = handlers[verb]
  if not handler then
    lines.fault(self, "unknown command")
    return say(self, control, 500, "unknown command " .. verb) ~= nil
  elseif MOVES[verb] and state.state == "ready" then
    -- Commands are heard while data moves.
    state.job = native.spawn(self.host, self.name .. " transfer", handler, self, control, state, argument)
    return true
  elseif state.state ~= "ready" and verb ~= "SYST" and verb ~= "FEAT" and verb ~= "NOOP" and verb ~= "HELP" then
    return say(self, control, 530, "please log in") ~= nil
  end
  handler(self, control, state, argument)
  return true
end

local function converse(self, control, peer)
  local state = { client = tostring(peer), state = "user", folder = "/", type = "A", since = now() }
  self.states[#self.states + 1] = state
  say(self, control, 220, self.host.name .. " FTP server")
  while true do
    local begun = now()
    local line, why = native.read_line(control, 510, self.timeout)
    -- A connection that is dead says so at once, and again; a client that has nothing to say does not.
    local moving = state.job and state.job.alive and (line or now() > begun)
    if line then
      local done, goes_on = false, nil
      if moving then done, goes_on = during_transfer(self, control, state, line) end
      if not done then goes_on = obey(self, control, state, line) end
      if not goes_on then break end
    elseif not (moving and why == "timeout") then
      if why == "line too long" then say(self, control, 500, why) end
      if why == "timeout" then say(self, control, 421, "too long without a command") end
      if why ~= "closed" then lines.fault(self, why) end
      break
    end
  end
  -- Who is gone gets no more of a file.
  if state.job and state.job.alive then
    state.job:kill()
    if state.data then state.data:abort() end
    lines.fault(self, "transfer cut")
  end
  if state.listener then state.listener:close() end
  for i, known in ipairs(self.states) do
    if known == state then table.remove(self.states, i) break end
  end
end

local function file_of(value)
  local body, size = http.given_body(value)
  return { size = size, body = type(body) == "string" and body or nil }
end

function Server.set(self, path, value)
  self.files[lines.path("/", path)] = value ~= nil and file_of(value) or nil
end

function Server.sessions(self)
  local list = {}
  for i, state in ipairs(self.states) do
    local row = { bytes = lines.state_bytes(state), seconds = now() - state.since }
    for _, key in ipairs { "client", "user", "state", "folder", "mode", "file", "last", "rest" } do row[key] = state[key] end
    list[i] = row
  end
  return lines.printable(list, { "client", "user", "state", "folder", "mode", "file", "last", "bytes" })
end

Server.stop = lines.stop

function ftp.ftp_server(host, o)
  local self = setmetatable({
    host = host, port = o.port or 21, users = o.users or {}, anonymous = o.anonymous, read_only = o.read_only, timeout = o.timeout or 300, send_timeout = o.timeout,
    data_timeout = o.data_timeout or 10, files = {}, states = {}, faults = {}, connections = 0, open = 0, logins = 0, commands = 0,
    data_connections = 0, transfers = 0, bytes_sent = 0, bytes_received = 0,
  }, server_meta)
  if self.anonymous == nil then self.anonymous = not o.users end
  self.name = format("%s:%d", host.name, self.port)
  for name, password in sorted(self.users) do
    if type(name) ~= "string" or type(password) ~= "string" then
      native.mistake('users of host:ftp_server are { kim = "secret" }: passwords by name', "users")
    end
  end
  for path, value in sorted(o.files or {}) do
    if type(path) ~= "string" then native.mistake("files of host:ftp_server are { [path] = size or text }", "files") end
    Server.set(self, path, value)
  end
  local ok, why = lines.start(self, o.backlog, converse)
  if not ok then return nil, why end
  return self
end

-- The client ----------------------------------------------------------------------------------------------------------------------
local Client = {}
local client_meta = http.class("ftp session", "FTP sessions have", Client, "aborting")

local function patience(self) return now() + self.timeout end

-- Sends a command as it stands: the reply's code and text.
function Client.command(self, line)
  line = tostring(line)
  -- What stands behind a line end would be a command of its own.
  if line:find "[\r\n\0]" then return nil, "bad name" end
  local ok, why = self.conn:send(line .. "\r\n", { timeout = self.timeout })
  if not ok then return nil, why end
  self.commands = self.commands + 1
  local code, text = lines.reply(self.conn, patience(self))
  return code, text
end

-- A command that must succeed: true, text; or nil, error, code.
local function expect(self, line, from, to)
  local code, text = self:command(line)
  if not code then return nil, text end
  if code < from or code > to then return nil, format("%d %s", code, text), code end
  return true, text
end

-- Prepares a data connection before the command: gives a function that opens it.
local function prepare(self)
  if self.mode == "passive" then
    local six = self.conn.peer.ip:find(":", 1, true)
    local reply = six and 229 or 227
    local ok, text, code = expect(self, six and "EPSV" or "PASV", reply, reply)
    if not ok then return nil, text, code end
    local _, port = (six and native.extended_port or native.host_port)(text)
    if not port then return nil, "bad reply" end
    -- The server's own address counts, and not one that it believes to have.
    return function() return self.host:connect(self.conn.peer.ip, port, { timeout = self.timeout, nodelay = true }) end
  end
  local listener, why = self.host:listen(0)
  if not listener then return nil, why end
  local own = self.conn.local_addr.ip
  local text = own:find(":", 1, true) and format("EPRT |2|%s|%d|", own, listener.port) or "PORT " .. native.host_port_text(own, listener.port)
  local ok, problem, code = expect(self, text, 200, 200)
  if not ok then
    listener:close()
    return nil, problem, code
  end
  return function(failed)
    if failed then return listener:close() end
    local conn, why = listener:accept { timeout = self.timeout }
    listener:close()
    return conn, why
  end
end

-- A command with a transfer: `run(conn, text)` moves the data and gives true, or nil, error, how much.
local function transfer(self, command, offset, run)
  if command:find "[\r\n\0]" then return nil, "bad name" end
  local open, why, code = prepare(self)
  if not open then return nil, why, code end
  if offset and offset > 0 then
    local ok, problem, number = expect(self, format("REST %d", offset), 350, 350)
    if not ok then return nil, problem, number end
  end
  local conn
  -- In passive mode the server waits for the connection.
  if self.mode == "passive" then
    conn, why = open()
    if not conn then return nil, why end
    self.data_connections = self.data_connections + 1
  end
  local ok, text, number = expect(self, command, 125, 150)
  if ok and not conn then
    conn, why = open()
    if conn then
      self.data_connections = self.data_connections + 1
    else
      local code, said = lines.reply(self.conn, patience(self))
      return nil, code and format("%d %s", code, said) or why, code
    end
  end
  if not ok then
    if conn then conn:close() elseif self.mode == "active" then open(true) end
    return nil, text, number
  end
  local done, problem, moved = run(conn, text)
  conn:close()
  if not done and not self.aborting then return nil, problem, moved end
  local final, said = lines.reply(self.conn, patience(self))
  if not final then return nil, said, moved end
  if self.aborting then
    -- The reply to ABOR itself.
    self.aborting = nil
    if final == 426 then lines.reply(self.conn, patience(self)) end
  end
  if final ~= 226 and final ~= 250 then return nil, format("%d %s", final, said), moved end
  return true
end

-- Ends the transfer that another process waits for; that gets nil and the server's reply.
function Client.abort(self)
  self.aborting = true
  return self.conn:send "ABOR\r\n"
end

function Client.get(self, name, o)
  o = o or {}
  local begun, offset, res = now(), o.offset and bytes(o.offset) or 0, nil
  local ok, why, moved = transfer(self, "RETR " .. name, offset, function(conn, text)
    local told = tonumber(text:match "%((%d+) bytes%)") or 0
    local size, body, got = lines.drain(conn, self.keep, o.timeout and seconds(o.timeout) or self.timeout, told)
    if not size then return nil, body, got end
    res = { name = name, size = size, body = body, offset = offset }
    return true, nil, size
  end)
  if not ok then return nil, why, moved end
  self.bytes_received = self.bytes_received + res.size
  res.total = now() - begun
  return res
end

function Client.put(self, name, what, o)
  local payload, length = http.given_body(what)
  local begun, offset = now(), o and o.offset and bytes(o.offset) or 0
  local ok, why, moved = transfer(self, "STOR " .. name, offset, function(conn)
    if length == 0 then return true end
    local sent, problem = native.send_while_taken(conn, self.timeout, payload)
    if not sent then return nil, problem end
    -- What was handed to TCP is not there yet: the server closes its end when it has all, and replies then.
    conn:shutdown "send"
    lines.while_acked(conn, function() return conn:recv(1, { timeout = self.timeout }) end)
    return true, nil, sent
  end)
  if not ok then return nil, why, moved end
  self.bytes_sent = self.bytes_sent + length
  return { name = name, size = length, total = now() - begun }
end

function Client.list(self, folder)
  local text
  local ok, why = transfer(self, folder and "LIST " .. folder or "LIST", nil, function(conn)
    local size, body, got = lines.drain(conn, 1 << 20, self.timeout, 0)
    if not size then return nil, body, got end
    text = body or ""
    return true
  end)
  if not ok then return nil, why end
  local list = {}
  for kind, size, name in text:gmatch "([d%-])%S+ %d+ %S+ %S+ +(%d+) %a+ +%d+ %S+ ([^\r\n]+)" do
    list[#list + 1] = { name = name, size = tonumber(size), folder = kind == "d" }
  end
  return lines.printable(list, { "name", "size", "folder" })
end

function Client.size(self, name)
  local ok, text, code = expect(self, "SIZE " .. name, 213, 213)
  if not ok then return nil, text, code end
  return math.tointeger(tonumber(text))
end

function Client.cwd(self, folder)
  local ok, text, code = expect(self, "CWD " .. folder, 200, 299)
  if not ok then return nil, text, code end
  return true
end

function Client.delete(self, name)
  local ok, text, code = expect(self, "DELE " .. name, 250, 250)
  if not ok then return nil, text, code end
  return true
end

function Client.quit(self)
  self:command "QUIT"
  self.conn:close()
end

function Client.close(self) self.conn:abort() end

function ftp.ftp(host, server, user, password, o)
  local timeout = o.timeout or 30
  local conn, why = host:connect(server, http.port(server, o.port, 21), { timeout = timeout, nodelay = true })
  if not conn then return nil, why end
  local self = setmetatable({
    host = host, conn = conn, name = host.name, mode = o.mode or "passive", timeout = timeout, keep = o.keep or 1 << 20, commands = 0, data_connections = 0,
    bytes_received = 0, bytes_sent = 0,
  }, client_meta)
  local code, text = lines.reply(conn, patience(self))
  local ok = code and code < 300
  if ok then
    local said, number
    ok, said, number = expect(self, "USER " .. (user or "anonymous"), 200, 399)
    if ok then ok, said, number = expect(self, "PASS " .. (password or "guest"), 230, 230) end
    -- Bytes as they are, and no ends of lines to change.
    if ok then ok, said, number = expect(self, "TYPE I", 200, 200) end
    if not ok then text, code = said, nil end
  end
  if not ok then
    conn:close()
    return nil, code and format("%d %s", code, text) or text
  end
  return self
end

return ftp
