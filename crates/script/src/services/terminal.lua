-- Terminals on another host: one that anybody on the way can read, and one that nobody can.
local native, need = ...
local http, lines = need "http", need "lines"
local terminal = {}
local now, format, type, pack, unpack = now, string.format, type, string.pack, string.unpack

-- What commands do unless the script says otherwise.
local function usual(line, user)
  local word, rest = line:match "^(%S*)%s*(.*)$"
  if word == "echo" then return rest end
  if word == "whoami" then return user end
  return word .. ": command not found"
end

local function run(self, line, user)
  self.commands = self.commands + 1
  local text = self.shell(line, user)
  if text == nil then return "" end
  return (tostring(text):gsub("\n$", ""))
end

local function server(host, o, port, meta, more)
  local self = {
    host = host, port = o.port or port, users = o.users or {}, shell = o.shell or usual, timeout = o.timeout or 300, send_timeout = o.timeout, faults = {},
    connections = 0, open = 0, logins = 0, commands = 0,
  }
  for k, v in pairs(more or {}) do self[k] = v end
  self.name = format("%s:%d", host.name, self.port)
  return setmetatable(self, meta)
end

-- Telnet (RFC 854): everything in the clear. -----------------------------------------------------------------------------------------
local Telnet = { stop = lines.stop }
local telnet_meta = http.class("telnet server", "telnet servers have", Telnet, "listener stopped")
-- IAC WILL SUPPRESS-GO-AHEAD, IAC WILL ECHO; and the answers.
local OFFER, ANSWER = "\255\251\3\255\251\1", "\255\253\3\255\253\1"
local PROMPT = "$ "

-- A line that a terminal sent, without the telnet commands in it.
local function typed(conn, patience)
  local line, why = native.read_line(conn, 1024, patience)
  if not line then return nil, why end
  return (line:gsub("\255[\251-\254].", ""):gsub("\255[^\255]", ""))
end

local function converse_telnet(self, conn)
  lines.tell(self, conn, OFFER)
  local user
  for _ = 1, 3 do
    lines.tell(self, conn, "login: ")
    local name = typed(conn, self.timeout)
    lines.tell(self, conn, "Password: ")
    local password = name and typed(conn, self.timeout)
    if not password then return lines.fault(self, "gave up") end
    if self.users[name] == password then user = name break end
    lines.fault(self, "wrong password")
    lines.tell(self, conn, "Login incorrect\r\n")
  end
  if not user then return end
  self.logins = self.logins + 1
  lines.tell(self, conn, "Welcome\r\n" .. PROMPT)
  while true do
    local line, why = typed(conn, self.timeout)
    if not line then
      if why ~= "closed" then lines.fault(self, why) end
      return
    end
    if line == "exit" then return end
    if not lines.tell(self, conn, run(self, line, user):gsub("\n", "\r\n") .. "\r\n" .. PROMPT) then return end
  end
end

function terminal.telnet_server(host, o)
  local self = server(host, o, 23, telnet_meta)
  local ok, why = lines.start(self, o.backlog, converse_telnet)
  if not ok then return nil, why end
  return self
end

local Session = {}
local session_meta = http.class("session", "sessions have", Session, "fingerprint key_to key_from")

-- Everything up to one of these texts.
local function until_one_of(conn, deadline, ...)
  local got = ""
  while true do
    for _, text in ipairs { ... } do
      if got:sub(-#text) == text then return text, got end
    end
    local data, why = conn:recv(4096, { timeout = lines.left(deadline) })
    if not data then return nil, why end
    got = got .. data
  end
end

function terminal.telnet(host, to, user, password, o)
  local timeout = o.timeout or 30
  local conn, why = host:connect(to, http.port(to, o.port, 23), { timeout = timeout, nodelay = true })
  if not conn then return nil, why end
  local deadline, ok = now() + timeout, nil
  ok, why = until_one_of(conn, deadline, "login: ")
  if ok then
    conn:send(ANSWER .. user .. "\r\n")
    ok, why = until_one_of(conn, deadline, "Password: ")
  end
  if ok then
    conn:send(password .. "\r\n")
    ok, why = until_one_of(conn, deadline, PROMPT, "login: ")
    if ok == "login: " then ok, why = nil, "permission denied" end
  end
  if not ok then
    conn:close()
    return nil, why
  end
  return setmetatable({ conn = conn, name = user .. "@" .. tostring(conn.peer), timeout = timeout, commands = 0 }, session_meta)
end

-- SSH: after an exchange of keys everything is sealed. ---------------------------------------------------------------------------------
local Ssh = { stop = lines.stop }
local ssh_meta = http.class("ssh server", "SSH servers have", Ssh, "listener stopped exchange")
local key_meta = { __name = "ssh key", __tostring = function(key) return "key " .. key.name .. " " .. key.fingerprint end }
local known_hosts = setmetatable({}, { __mode = "k" })
local KEXINIT, NEWKEYS, ECDH_INIT, ECDH_REPLY, SERVICE, AUTH, SUCCESS, FAILURE, DATA, CLOSE = 20, 21, 30, 31, 5, 50, 52, 51, 94, 97

local function fingerprint(public) return format("%013x", public) end

-- A pair of keys: what anybody may know, and what its owner keeps. Here a private key is the public one's half that stays.
function terminal.ssh_key(_, name)
  local private = native.random_key()
  local public = native.ssh_key(private, true) & (1 << 52) - 1
  return setmetatable({ name = name or "key", private = private, public = public, fingerprint = fingerprint(public) }, key_meta)
end

local function is_key(value) return type(value) == "table" and rawget(value, "private") ~= nil end

-- What the owner of a private key says of a text. A model: a number that depends on both.
local function signature(public, text)
  local h = public
  for i = 1, #text do h = native.ssh_key(h ~ text:byte(i), false) end
  return h
end

-- A server gives up whoever does not read.
local function out(end_, text)
  local server = rawget(end_, "server")
  if server then return lines.tell(server, end_.conn, text) end
  return end_.conn:send(text)
end

-- Packets: sealed, and as they are before there are keys.
local function send_packet(end_, kind, payload)
  local text = native.ssh_seal(end_.key_to, end_.sent, string.char(kind) .. payload)
  end_.sent = end_.sent + 1
  return out(end_, text)
end

-- A text of any length, in as many packets as it takes: one that is not full is the last.
local FULL = 32768
local function send_data(end_, text)
  local at = 1
  repeat
    local part = text:sub(at, at + FULL - 1)
    local ok, why = send_packet(end_, DATA, part)
    if not ok then return nil, why end
    at = at + FULL
  until #part < FULL
  return true
end

local function clear_packet(end_, kind, payload)
  local filler = 16 - (#payload + 6) % 16 + 4
  local body = string.char(filler) .. string.char(kind) .. payload .. ("\0"):rep(filler)
  return out(end_, pack(">I4", #body) .. body)
end

local function read_clear(end_, deadline)
  local head, why = end_.conn:recv_exact(4, { timeout = lines.left(deadline) })
  if not head then return nil, why end
  local n = unpack(">I4", head)
  if n < 6 or n > 35000 then return nil, "bad packet length" end
  local body, problem = end_.conn:recv_exact(n, { timeout = lines.left(deadline) })
  if not body then return nil, problem end
  local filler = body:byte(1)
  if filler > n - 2 then return nil, "bad packet length" end
  return body:byte(2), body:sub(3, n - filler)
end

local function read_packet(end_, deadline)
  local head, why = end_.conn:recv_exact(4, { timeout = lines.left(deadline) })
  if not head then return nil, why end
  local n, bad = native.ssh_rest(head)
  if not n then return nil, bad end
  local rest, problem = end_.conn:recv_exact(n, { timeout = lines.left(deadline) })
  if not rest then return nil, problem end
  local payload, wrong = native.ssh_open(end_.key_from, end_.got, rest)
  if not payload then return nil, wrong end
  end_.got = end_.got + 1
  return payload:byte(1), payload:sub(2)
end

local function greet(end_, deadline)
  out(end_, "SSH-2.0-tidewire\r\n")
  -- Both say at once which methods they know: about a kilobyte of names.
  clear_packet(end_, KEXINIT, ("\0"):rep(16) .. ("curve25519-sha256,aes128-ctr,hmac-sha2-256,"):rep(20))
  local line, why = native.read_line(end_.conn, 255, lines.left(deadline))
  if not line then return nil, why end
  if line:sub(1, 8) ~= "SSH-2.0-" then return nil, "not SSH" end
  local kind, problem = read_clear(end_, deadline)
  if kind ~= KEXINIT then return nil, kind and "bad packet" or problem end
  return true
end

local function use_keys(end_, shared, is_client)
  end_.key_to, end_.key_from = native.ssh_key(shared, is_client), native.ssh_key(shared, not is_client)
  end_.sent, end_.got = 0, 0
end

local function expect(end_, deadline, clear, wanted)
  local kind, payload = (clear and read_clear or read_packet)(end_, deadline)
  if not kind then return nil, payload end
  if kind ~= wanted then return nil, "bad packet" end
  return payload
end

-- The rest of a text whose first packet is here.
local function read_data(end_, deadline, first)
  local parts, part = { first }, first
  while #part == FULL do
    local why
    part, why = expect(end_, deadline, false, DATA)
    if not part then return nil, why end
    parts[#parts + 1] = part
  end
  return table.concat(parts)
end

local function server_keys(self, end_, deadline)
  local ok, why = greet(end_, deadline)
  if not ok then return nil, why end
  local theirs, problem = expect(end_, deadline, true, ECDH_INIT)
  if not theirs then return nil, problem end
  if #theirs < 8 then return nil, "bad packet" end
  if self.exchange then self.host:work(self.exchange) end
  local mine = native.random_key()
  local shared = unpack(">i8", theirs) ~ mine
  clear_packet(end_, ECDH_REPLY, pack(">i8i8i8", mine, self.host_key.public, signature(self.host_key.public, pack(">i8", shared))) .. ("\0"):rep(150))
  clear_packet(end_, NEWKEYS, "")
  if not expect(end_, deadline, true, NEWKEYS) then return nil, "closed" end
  use_keys(end_, shared, false)
  return shared
end

-- By the public key that is on the list and a signature that its owner alone can make, or by a password.
local function allowed(self, shared, payload)
  local method, at = unpack("s1", payload)
  local user
  user, at = unpack("s1", payload, at)
  local entry = self.users[user]
  if method == "password" then
    local password = unpack("s1", payload, at)
    local own = type(entry) == "table" and not is_key(entry) and entry.password or entry
    return type(own) == "string" and own == password, user
  end
  local public, given = unpack(">i8i8", payload, at)
  local keys = type(entry) == "table" and (is_key(entry) and { entry } or entry.keys or entry) or {}
  for _, key in ipairs(keys) do
    if key.public == public and signature(public, user .. shared) == given then return true, user end
  end
  return false, user
end

local function converse_ssh(self, conn)
  local end_, deadline = { conn = conn, server = self }, now() + self.timeout
  local shared, why = server_keys(self, end_, deadline)
  if not shared then return lines.fault(self, why) end
  if not expect(end_, deadline, false, SERVICE) then return lines.fault(self, "bad packet") end
  send_packet(end_, SERVICE, "ssh-userauth")
  local user
  for _ = 1, 6 do
    local payload = expect(end_, deadline, false, AUTH)
    if not payload then return lines.fault(self, "gave up") end
    local parsed, ok, name = pcall(allowed, self, shared, payload)
    if parsed and ok then user = name break end
    lines.fault(self, "permission denied")
    send_packet(end_, FAILURE, "publickey,password")
  end
  if not user then return end
  self.logins = self.logins + 1
  send_packet(end_, SUCCESS, "")
  while true do
    local kind, payload = read_packet(end_, now() + self.timeout)
    if not kind then
      if payload ~= "closed" then lines.fault(self, payload) end
      return
    elseif kind == DATA then
      local line, problem = read_data(end_, now() + self.timeout, payload)
      if not line then return lines.fault(self, problem) end
      if not send_data(end_, run(self, line, user)) then return end
    elseif kind == CLOSE then
      return
    end
  end
end

function terminal.ssh_server(host, o)
  local key = o.host_key or terminal.ssh_key(nil, host.name)
  if not is_key(key) then native.mistake("host_key is what net:ssh_key gave", "host_key") end
  local self = server(host, o, 22, ssh_meta, { host_key = key, exchange = o.exchange })
  local ok, why = lines.start(self, o.backlog, converse_ssh)
  if not ok then return nil, why end
  return self
end

local function client_keys(end_, host, deadline, o)
  local ok, why = greet(end_, deadline)
  if not ok then return nil, why end
  local mine = native.random_key()
  clear_packet(end_, ECDH_INIT, pack(">i8", mine) .. ("\0"):rep(24))
  local reply, problem = expect(end_, deadline, true, ECDH_REPLY)
  if not reply then return nil, problem end
  if #reply < 24 then return nil, "bad packet" end
  local theirs, public, given = unpack(">i8i8i8", reply)
  local shared = theirs ~ mine
  if signature(public, pack(">i8", shared)) ~= given then return nil, "bad signature" end
  -- Who was met before must still be the same.
  local known = known_hosts[host] or {}
  known_hosts[host] = known
  local place = end_.conn.peer.ip
  if known[place] and known[place] ~= public and o.check_host ~= false then return nil, "host key changed" end
  known[place] = known[place] or public
  if not expect(end_, deadline, true, NEWKEYS) then return nil, "closed" end
  clear_packet(end_, NEWKEYS, "")
  use_keys(end_, shared, true)
  end_.fingerprint = fingerprint(public)
  return shared
end

local function prove(end_, shared, user, o, deadline)
  send_packet(end_, SERVICE, "ssh-userauth")
  local payload, why = expect(end_, deadline, false, SERVICE)
  if not payload then return nil, why end
  if o.key then
    send_packet(end_, AUTH, pack("s1s1", "publickey", user) .. pack(">i8i8", o.key.public, signature(o.key.public, user .. shared)) .. ("\0"):rep(64))
  else
    send_packet(end_, AUTH, pack("s1s1s1", "password", user, o.password or ""))
  end
  local kind, problem = read_packet(end_, deadline)
  if kind == SUCCESS then return true end
  return nil, kind and "permission denied" or problem
end

function terminal.ssh(host, to, user, o)
  if o.key and not is_key(o.key) then native.mistake("key is what net:ssh_key gave", "key") end
  local timeout = o.timeout or 30
  local conn, why = host:connect(to, http.port(to, o.port, 22), { timeout = timeout, nodelay = true })
  if not conn then return nil, why end
  local self = setmetatable({ conn = conn, name = user .. "@" .. tostring(conn.peer), timeout = timeout, commands = 0, sent = 0, got = 0 }, session_meta)
  local deadline = now() + timeout
  local shared, problem = client_keys(self, host, deadline, o)
  local ok
  if shared then ok, problem = prove(self, shared, user, o, deadline) end
  if not ok then
    conn:close()
    return nil, problem
  end
  return self
end

-- What a command says; or nil, error.
function Session.run(self, line)
  line = tostring(line)
  self.commands = self.commands + 1
  local deadline = now() + self.timeout
  if self.key_to then
    local ok, why = send_data(self, line)
    if not ok then return nil, why end
    local first, problem = expect(self, deadline, false, DATA)
    if not first then return nil, problem end
    return read_data(self, deadline, first)
  end
  local ok, why = self.conn:send(line .. "\r\n")
  if not ok then return nil, why end
  local found, got = until_one_of(self.conn, deadline, "\r\n" .. PROMPT)
  if not found then return nil, got end
  return (got:sub(1, -#PROMPT - 3):gsub("\r\n", "\n"))
end

function Session.close(self)
  if self.key_to then send_packet(self, CLOSE, "") else self.conn:send "exit\r\n" end
  self.conn:close()
end

return terminal
