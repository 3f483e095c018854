-- Mail (RFC 5321): from a program to a server, from server to server by the name's MX records, into boxes.
local native, need = ...
local http, lines, names = need "http", need "lines", need "names"
local mail = {}
local now, format, type = now, string.format, type

local Server = {}
local server_meta = http.class("mail server", "mail servers have", Server, "listener stopped worker")

local function say(self, conn, code, text) return lines.tell(self, conn, format("%d %s\r\n", code, text)) end

-- Sending -------------------------------------------------------------------------------------------------------------------------
local function step(conn, line, deadline)
  if line then
    local ok, why = conn:send(line, { timeout = lines.left(deadline) })
    if not ok then return nil, why end
  end
  local code, text = lines.reply(conn, deadline)
  if not code then return nil, text end
  if code >= 400 then return nil, format("%d %s", code, text), code end
  return true
end

-- One mail to one server: true, or nil, error, code. `refused` gets the recipients that the server does not take, and why.
local function deliver(host, to, port, message, timeout, refused)
  local deadline = now() + timeout
  local conn, why = host:connect(to, port, { timeout = timeout, nodelay = true })
  if not conn then return nil, why end
  local function talk()
    local ok, problem, code = step(conn, nil, deadline)
    if ok then ok, problem, code = step(conn, "EHLO " .. host.name .. "\r\n", deadline) end
    if ok then ok, problem, code = step(conn, format("MAIL FROM:<%s> SIZE=%d\r\n", message.from, message.size), deadline) end
    if not ok then return nil, problem, code end
    local taken = 0
    for _, each in ipairs(message.to) do
      ok, problem, code = step(conn, format("RCPT TO:<%s>\r\n", each), deadline)
      if ok then taken = taken + 1 elseif code then refused[each] = problem else return nil, problem end
    end
    -- The others get it all the same (section 3.3).
    if taken == 0 then return nil, problem, code end
    ok, problem, code = step(conn, "DATA\r\n", deadline)
    if not ok then return nil, problem, code end
    local sent, gone = conn:send(native.stuff_dots(message.text) .. ".\r\n", { timeout = lines.left(deadline) })
    -- Whoever has hung up may have said why.
    ok, problem, code = step(conn, nil, deadline)
    if ok then step(conn, "QUIT\r\n", deadline) end
    return ok, not ok and not code and not sent and gone or problem, code
  end
  local ok, problem, code = talk()
  conn:close()
  return ok, problem, code
end

-- Who takes mail for a domain: those of its MX records, the smallest number first, or else the domain itself (section 5.1).
local function exchangers(host, domain)
  local answer = names.ask(host, domain, "MX", now() + 10)
  local list = {}
  for _, record in ipairs(answer) do
    if record.type == "MX" then
      local preference, name = tostring(record.value):match "^(%d+)%s+(%S+)$"
      list[#list + 1] = { preference = tonumber(preference) or 0, name = (name or tostring(record.value)):gsub("%.$", "") }
    end
  end
  if #list == 0 then
    if answer.outcome == "timeout" or answer.outcome == "server failure" then return nil, "no answer for the domain" end
    list[1] = { preference = 0, name = domain }
  end
  table.sort(list, function(a, b)
    if a.preference ~= b.preference then return a.preference < b.preference end
    return a.name < b.name
  end)
  return list
end

-- To the servers of a domain, one after the other.
local function send_to_domain(host, domain, port, message, timeout, refused)
  local list, why, code = exchangers(host, domain)
  if not list then return nil, why end
  for _, each in ipairs(list) do
    local ok
    ok, why, code = deliver(host, each.name, port, message, timeout, refused)
    if ok then return true, each.name end
    -- Who says no for ever is believed; who is not there is passed over.
    if code and code >= 500 then break end
  end
  return nil, why, code
end

local function message_of(o)
  local to = type(o.to) == "string" and { o.to } or o.to
  local payload = http.given_body(o.body)
  local body = type(payload) == "number" and (("x"):rep(75) .. "\n"):rep(payload // 76) .. ("x"):rep(payload % 76) or payload or ""
  local text = format("From: <%s>\nTo: %s\nSubject: %s\nDate: %s\n\n%s", o.from, table.concat(to, ", "), o.subject or "", native.http_date(now()), body)
  return { from = o.from, to = to, subject = o.subject or "", body = body, text = text, size = #text }
end

function mail.send_mail(host, o)
  if not o.from or not o.to then native.mistake("host:send_mail needs from and to", "send_mail", 'from = "kim@a.com", to = "lee@b.com"') end
  local message, begun = message_of(o), now()
  if message.subject:find "[\r\n]" then native.mistake("the subject of a mail is one line", "subject") end
  if o.from ~= "" and not native.mailbox("FROM:<" .. o.from .. ">", "FROM") then
    native.mistake(format("'%s' is no mailbox: it looks like kim@example.com", o.from), o.from)
  end
  for _, each in ipairs(message.to) do
    if not native.mailbox("TO:<" .. each .. ">", "TO") then native.mistake(format("'%s' is no mailbox: it looks like kim@example.com", each), each) end
  end
  local timeout = o.timeout or 60
  local refused = {}
  local function result(by) return { size = message.size, total = now() - begun, by = by, refused = refused } end
  if o.via then
    local ok, why, code = deliver(host, o.via, http.port(o.via, o.port, 25), message, timeout, refused)
    if not ok then return nil, why, code end
    return result(tostring(o.via))
  end
  local domains = {}
  for _, each in ipairs(message.to) do
    local domain = each:match "@(.*)$":lower()
    domains[domain] = domains[domain] or {}
    table.insert(domains[domain], each)
  end
  local by, last, number
  for domain, to in sorted(domains) do
    local part = { from = message.from, to = to, text = message.text, size = message.size }
    local ok, why, code = send_to_domain(host, domain, o.port or 25, part, timeout, refused)
    if ok then by = why else last, number = why, code end
    if not ok then for _, each in ipairs(to) do refused[each] = refused[each] or why end end
  end
  if not by then return nil, last, number end
  return result(by)
end

-- The server ----------------------------------------------------------------------------------------------------------------------
local function is_ours(self, mailbox)
  local user, domain = mailbox:match "^(.-)@(.*)$"
  if not self.domains[domain] then return nil end
  return user
end

local function take(self, state, text)
  local subject = text:match "^Subject: ([^\n]*)" or text:match "\nSubject: ([^\n]*)" or ""
  local outward = {}
  for _, mailbox in ipairs(state.to) do
    local user = is_ours(self, mailbox)
    if user then
      table.insert(self.boxes[user], { from = state.from, to = mailbox, subject = subject, text = text, body = text:match "\n\n(.*)$" or "", size = #text, at = now() })
      self.received = self.received + 1
      self.arrived:fire(mailbox)
    else
      outward[#outward + 1] = mailbox
    end
  end
  for _, mailbox in ipairs(outward) do
    self.waiting = self.waiting + 1
    self.outgoing:put { from = state.from, to = { mailbox }, text = text, size = #text, tries = 0 }
  end
end

-- The text of a mail up to the line with a dot; nil and why when it is too long or never ends.
local function read_text(self, conn)
  local parts, size, fault = {}, 0, nil
  while true do
    -- A line that is too long is read to its end all the same, so that the next one is a line again.
    local line, why = native.read_line(conn, 1 << 20, self.timeout)
    if not line then return nil, why end
    if line == "." then break end
    line = line:gsub("^%.", "")
    size = size + #line + 1
    if #line > 998 then fault = fault or "line too long" end
    if size > self.max_size then fault = "mail too long" end
    if fault then parts = {} else parts[#parts + 1] = line end
  end
  if fault then return nil, fault end
  return table.concat(parts, "\n")
end

local function may_send_to(self, state, argument)
  local mailbox = native.mailbox(argument, "TO")
  if not mailbox then return 501, "TO:<mailbox> is needed" end
  local user = is_ours(self, mailbox)
  if user then
    if not self.boxes[user] then return 550, "no such mailbox" end
  elseif not self.relay(state.client_ip) then
    return 550, "this server does not pass mail on"
  end
  state.to[#state.to + 1] = mailbox
  return 250, "ok"
end

local handlers = {
  HELO = function(self, state) state.said_hello = true return 250, self.host.name end,
  NOOP = function() return 250, "ok" end,
  RSET = function(_, state) state.from, state.to = nil, {} return 250, "forgotten" end,
  VRFY = function() return 252, "send it and see" end,
  MAIL = function(self, state, argument)
    local from = native.mailbox(argument, "FROM")
    if not from then return 501, "FROM:<mailbox> is needed" end
    if not state.said_hello then return 503, "HELO comes first" end
    local size = tonumber(argument:upper():match "SIZE=(%d+)")
    if size and size > self.max_size then return 552, "mail too long" end
    state.from, state.to = from, {}
    return 250, "ok"
  end,
  RCPT = function(self, state, argument)
    if not state.from then return 503, "MAIL comes first" end
    if #state.to >= 100 then return 452, "too many recipients" end
    return may_send_to(self, state, argument)
  end,
}
handlers.EHLO = function(self, state)
  state.said_hello = true
  return 250, self.host.name .. format("\r\n250 SIZE %d", self.max_size)
end

local function obey(self, conn, state, line)
  local verb, argument = native.command(line)
  if not verb then
    lines.fault(self, argument)
    return say(self, conn, 500, argument)
  elseif verb == "QUIT" then
    say(self, conn, 221, "goodbye")
    return nil
  elseif verb == "DATA" then
    if #state.to == 0 then return say(self, conn, 503, "RCPT comes first") end
    say(self, conn, 354, "a dot ends it")
    local text, why = read_text(self, conn)
    if text then
      take(self, state, text)
      state.from, state.to = nil, {}
      return say(self, conn, 250, "taken")
    end
    lines.fault(self, why)
    if why == "mail too long" then return say(self, conn, 552, why) end
    if why == "line too long" then return say(self, conn, 500, why) end
    return nil
  end
  local handler = handlers[verb]
  if not handler then
    lines.fault(self, "unknown command")
    return say(self, conn, 500, "unknown command " .. verb)
  end
  local code, text = handler(self, state, argument)
  if verb == "EHLO" then return lines.tell(self, conn, format("250-%s\r\n", text)) end
  if code >= 400 then lines.fault(self, text) end
  return say(self, conn, code, text)
end

local function converse(self, conn, peer)
  local state = { to = {}, client_ip = peer.ip }
  say(self, conn, 220, self.host.name .. " mail server")
  while true do
    local line, why = native.read_line(conn, 510, self.timeout)
    if not line then
      if why == "line too long" then say(self, conn, 500, why) end
      if why == "timeout" then say(self, conn, 421, "too long without a command") end
      if why ~= "closed" then lines.fault(self, why) end
      return
    end
    if not obey(self, conn, state, line) then return end
  end
end

-- Says to the sender that a mail could not be delivered; about a mail without sender nobody is told (section 4.5.5).
local function bounce(self, message, why)
  self.bounced = self.bounced + 1
  if message.from == "" then return end
  local note = message_of { from = "", to = message.from, subject = "not delivered", body = table.concat(message.to, ", ") .. ": " .. why }
  local user = is_ours(self, message.from)
  if user and self.boxes[user] then
    take(self, { from = "", to = { message.from } }, note.text)
  elseif not user then
    note.tries = 0
    self.waiting = self.waiting + 1
    self.outgoing:put(note)
  end
end

-- Passes mail on; who cannot be reached now is tried again later.
local function pass_on(self)
  while true do
    local message = self.outgoing:get()
    native.spawn(self.host, "mail of " .. self.name, function()
      while true do
        local domain = message.to[1]:match "@(.*)$"
        local ok, why, code = send_to_domain(self.host, domain, 25, message, 60, {})
        if ok then self.sent = self.sent + 1 break end
        message.tries = message.tries + 1
        if (code and code >= 500) or message.tries > self.retries then
          lines.fault(self, "not delivered")
          bounce(self, message, why)
          break
        end
        sleep(self.retry * 2 ^ (message.tries - 1))
      end
      self.waiting = self.waiting - 1
    end)
  end
end

function Server.box(self, user)
  local box = self.boxes[user]
  if not box then native.mistake(format("%s has no box for '%s'", self.name, tostring(user)), "box") end
  return box
end

-- Waits for a mail in a box: the mail, taken out; or nil, "timeout".
function Server.fetch(self, user, o)
  local box, deadline = Server.box(self, user), o and o.timeout and now() + seconds(o.timeout)
  while #box == 0 do
    local ok, why = self.arrived:wait { timeout = lines.left(deadline) }
    if ok == nil and why then return nil, why end
  end
  return table.remove(box, 1)
end

Server.stop = lines.stop

local function relay_rule(value)
  if type(value) == "string" then
    local network = cidr(value)
    return function(ip) return network:contains(ip) end
  end
  return function() return value == true end
end

function mail.mail_server(host, o)
  local domains = type(o.domain) == "string" and { o.domain } or o.domain
  if not domains then native.mistake("host:mail_server needs the option domain", "mail_server", 'domain = "example.com", users = { "kim" }') end
  local self = setmetatable({
    host = host, port = o.port or 25, domains = {}, boxes = {}, timeout = o.timeout or 300, send_timeout = o.timeout, max_size = o.max_size or 10000000, faults = {},
    retry = o.retry or 60, retries = o.retries or 5, relay = relay_rule(o.relay), arrived = signal(), outgoing = queue(), connections = 0,
    open = 0, received = 0, sent = 0, bounced = 0, waiting = 0,
  }, server_meta)
  self.name = format("%s:%d", host.name, self.port)
  for _, domain in ipairs(domains) do self.domains[domain:lower()] = true end
  for _, user in ipairs(o.users or {}) do self.boxes[user] = {} end
  local ok, why = lines.start(self, o.backlog, converse)
  if not ok then return nil, why end
  native.spawn(host, self.name .. " queue", pass_on, self)
  host:on_boot(function() if not self.stopped then native.spawn(host, self.name .. " queue", pass_on, self) end end)
  return self
end

return mail
