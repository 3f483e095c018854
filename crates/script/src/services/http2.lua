-- HTTP/2 (RFC 9113): many requests at a time on one connection, each a stream of frames.
local native, need = ...
local http = need "http"
local h2 = {}
local now, format, type, unpack, pack = now, string.format, type, string.unpack, string.pack
local frame = native.h2_frame

local DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
local END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
local PROTOCOL_ERROR, FLOW_CONTROL, STREAM_CLOSED, REFUSED_STREAM, CANCEL, COMPRESSION, CALM = 1, 3, 5, 7, 8, 9, 11
local FRAME, LONGEST_HEAD = 16384, 65536
local MOST_WINDOW = 2 ^ 31 // 1 - 1
-- What may be under way to this end: on a stream, and on all together, as browsers have it.
local WINDOWS = { client = { 6291456, 15728640 }, server = { 1048576, 1048576 } }
-- So much is handed to TCP before it is sent, so that a stream that comes later need not wait behind all that.
local NOT_SENT = 131072
-- Pieces of short frames that may wait to be sent.
local MOST_WAITING = 20000

-- Connections ---------------------------------------------------------------------------------------------------------------------
local function new_connection(conn, role, owner)
  local own = WINDOWS[role]
  local c = {
    conn = conn, role = role, owner = owner, tables = native.hpack(), streams = {}, open = 0, receiving = 0, next_id = 1, last_id = 0, own_window = own[1],
    connection_window = own[2], unread = 0, peer_window = 65535, peer_frame = FRAME, peer_streams = 100, window = 65535, control = {}, ready = {},
    wake = signal(), closed = false, used_at = now(), frames = 0, fields_raw = 0, fields_sent = 0,
  }
  conn:setoption("notsent_lowat", NOT_SENT)
  return c
end

local close
local function wake(c) c.wake:fire(true) end

local function put(c, kind, flags, stream, payload)
  c.control[#c.control + 1] = frame(kind, flags, stream, #payload)
  if #payload > 0 then c.control[#c.control + 1] = payload end
  -- Who makes others speak and does not listen is not listened to.
  if #c.control > MOST_WAITING then close(c, "does not read") end
  wake(c)
end

local function end_stream(c, s, why)
  if s.over then return end
  s.over, s.why = true, s.why or why
  if not s.got_all then c.receiving = c.receiving - 1 end
  c.streams[s.id] = nil
  c.open = c.open - 1
  c.used_at = now()
  if c.closing and c.role == "server" and c.open == 0 then
    c.last_word = c.last_word or "closed"
    wake(c)
  end
  s.done:fire(true)
  if s.writable then s.writable:fire(true) end
end

-- Everything that is under way on the connection has come to its end.
function close(c, why)
  if c.closed then return end
  c.closed, c.why = true, why
  for _, s in sorted(c.streams) do end_stream(c, s, why) end
  wake(c)
end

local function give_up(c, code, why)
  if c.owner then need("lines").fault(c.owner, why) end
  put(c, GOAWAY, 0, 0, pack(">I4I4", c.last_id, code))
  c.last_word = why
  wake(c)
  return nil, why
end

local function reset(c, s, code, why)
  put(c, RST_STREAM, 0, s.id, pack(">I4", code))
  end_stream(c, s, why)
end

-- Data in turn: one frame of each stream that may send, then of the next.
local function next_data(c)
  while #c.ready > 0 do
    local s = table.remove(c.ready, 1)
    s.queued = false
    if not s.over then
      local n = math.min(s.left, s.window, c.window, c.peer_frame, FRAME)
      if n > 0 then
        s.window, c.window, s.left = s.window - n, c.window - n, s.left - n
        local part = n
        if type(s.payload) == "string" then part = s.payload:sub(s.at, s.at + n - 1) end
        s.at = s.at + n
        local last = s.left == 0
        if not last then
          s.queued = true
          c.ready[#c.ready + 1] = s
        end
        return frame(DATA, last and END_STREAM or 0, s.id, n), part, last and s
      elseif c.window <= 0 then
        s.queued = true
        table.insert(c.ready, 1, s)
        return nil
      end
    end
  end
end

local function finish_sending(c, s)
  s.sent_all = true
  if s.got_all then end_stream(c, s) elseif s.writable then s.writable:fire(true) end
end

local function failed_to_send(c, why)
  local server = c.owner
  if server then need("lines").fault(server, why == "timeout" and "client does not read" or why) end
  close(c, why)
  c.conn:abort()
end

local function write_all(c)
  local patience = c.patience
  while true do
    if #c.control > 0 then
      local parts = c.control
      c.control = {}
      local sent, why = native.send_while_taken(c.conn, patience, table.unpack(parts))
      if not sent then return failed_to_send(c, why) end
    else
      local head, part, finished = next_data(c)
      if head then
        local sent, why = native.send_while_taken(c.conn, patience, head, part)
        if not sent then return failed_to_send(c, why) end
        if c.owner and c.owner.bytes_sent then c.owner.bytes_sent = c.owner.bytes_sent + sent end
        if finished then finish_sending(c, finished) end
      elseif c.closed or c.last_word then
        break
      else
        c.wake:wait()
      end
    end
  end
  if c.last_word then close(c, c.last_word) end
  c.conn:close()
end

local function ready(c, s)
  if s.queued or s.over or s.left == 0 then return end
  s.queued = true
  c.ready[#c.ready + 1] = s
  wake(c)
end

local function new_stream(c, id)
  local s = { id = id, window = c.peer_window, left = 0, at = 1, size = 0, unread = 0, done = signal() }
  c.streams[id] = s
  c.open, c.receiving = c.open + 1, c.receiving + 1
  return s
end

-- Fields as HPACK has them, in one frame or several.
local function put_fields(c, s, list, ends)
  local block = native.hpack_encode(c.tables, list)
  for i = 1, #list do c.fields_raw = c.fields_raw + #list[i] + 2 end
  c.fields_sent = c.fields_sent + #block
  local at, kind, flags = 1, HEADERS, ends and END_STREAM or 0
  repeat
    local part = block:sub(at, at + FRAME - 1)
    at = at + #part
    put(c, kind, flags | (at > #block and END_HEADERS or 0), s.id, part)
    kind, flags = CONTINUATION, 0
  until at > #block
end

local function put_message(c, s, list, payload, length)
  put_fields(c, s, list, length == 0)
  if length == 0 then return finish_sending(c, s) end
  s.payload, s.left = payload, length
  ready(c, s)
end

-- Reading -------------------------------------------------------------------------------------------------------------------------
-- What was read may be sent again, once half of the window is used up.
local function give_back(c, s, n)
  c.unread = c.unread + n
  if c.unread * 2 >= c.connection_window then
    put(c, WINDOW_UPDATE, 0, 0, pack(">I4", c.unread))
    c.unread = 0
  end
  if not s or s.got_all then return end
  s.unread = s.unread + n
  if s.unread * 2 >= c.own_window then
    put(c, WINDOW_UPDATE, 0, s.id, pack(">I4", s.unread))
    s.unread = 0
  end
end

local function received_all(c, s)
  s.got_all = true
  c.receiving = c.receiving - 1
  if s.parts then s.body = table.concat(s.parts) end
  if c.on_message then c.on_message(c, s) end
  if c.role == "client" then s.done:fire(true) end
  if s.sent_all then end_stream(c, s) end
end

local on = {}

function on.DATA(c, flags, id, length)
  local s, n = c.streams[id], length
  if not s and id > c.last_id and c.role == "server" or id % 2 == 0 then return give_up(c, PROTOCOL_ERROR, "protocol error") end
  if s and s.got_all then return give_up(c, STREAM_CLOSED, "stream closed") end
  local keep = s and s.parts and s.size + length <= s.keep
  if flags & PADDED ~= 0 then
    local first, why = c.conn:recv_exact(1, { timeout = c.idle })
    if not first then return nil, why end
    local filler = first:byte()
    if filler >= length then return give_up(c, PROTOCOL_ERROR, "protocol error") end
    n = length - 1 - filler
  end
  if s and n > 0 and not s.first_at then s.first_at = now() end
  if keep then
    local data, why = c.conn:recv_exact(n, { timeout = c.idle })
    if n > 0 and not data then return nil, why end
    if n > 0 then s.parts[#s.parts + 1] = data end
  else
    if s then s.parts = nil end
    local done, why = n == 0 or c.conn:discard(n, { timeout = c.idle })
    if not done or done ~= true and done < n then return nil, why or "closed" end
  end
  if length > n + 1 then c.conn:discard(length - n - 1, { timeout = c.idle }) end
  give_back(c, s, length)
  if not s then return true end
  s.size = s.size + n
  if s.most and s.size > s.most then
    -- An answer before the request is whole, and then no more of it (section 8.1).
    need("lines").fault(c.owner, "body too long")
    need("server").count(c.owner, nil, 413, 0, now())
    put_fields(c, s, { ":status", "413" }, true)
    reset(c, s, 0, "body too long")
    return true
  end
  if flags & END_STREAM ~= 0 then received_all(c, s) end
  return true
end

-- The fields of a message have come whole.
local function fields_done(c)
  local id, flags, block = c.partial.id, c.partial.flags, table.concat(c.partial)
  c.partial = nil
  local fields, why = native.hpack_decode(c.tables, block, LONGEST_HEAD)
  if not fields then
    return give_up(c, why == "the head is too long" and CALM or COMPRESSION, why)
  end
  local s = c.streams[id]
  if c.role == "server" and not s then
    if id % 2 == 0 or id <= c.last_id then return give_up(c, PROTOCOL_ERROR, "protocol error") end
    c.last_id = id
    if c.closing then return true end
    s = new_stream(c, id)
    if c.open > c.most_streams then
      need("lines").fault(c.owner, "refused stream")
      reset(c, s, REFUSED_STREAM, "refused stream")
      return true
    end
    s.keep, s.parts, s.most = c.keep, {}, c.max_body
  elseif not s then
    return true
  end
  s.first_at = s.first_at or now()
  if c.role == "client" then
    local status = math.tointeger(tonumber(rawget(fields, ":status")))
    if not s.headers and not status then return reset(c, s, PROTOCOL_ERROR, "bad message") or true end
    -- What comes before the answer is passed over; what comes after it are trailers.
    if status and status < 200 then return true end
    if not s.headers then s.headers, s.status = fields, status end
  elseif not s.headers then
    if not (rawget(fields, ":method") and rawget(fields, ":path")) then return reset(c, s, PROTOCOL_ERROR, "bad message") or true end
    s.headers = fields
  end
  if flags & END_STREAM ~= 0 then received_all(c, s) end
  return true
end

local function add_fields(c, flags, id, payload)
  local p = c.partial
  p[#p + 1] = payload
  p.size = p.size + #payload
  if p.size > LONGEST_HEAD then return give_up(c, CALM, "the head is too long") end
  if flags & END_HEADERS ~= 0 then return fields_done(c) end
  return true
end

function on.HEADERS(c, flags, id, length, payload)
  local from, to = 1, #payload
  if flags & PADDED ~= 0 then
    from, to = 2, to - payload:byte(1)
  end
  if flags & PRIORITY ~= 0 then from = from + 5 end
  if to < from - 1 then return give_up(c, PROTOCOL_ERROR, "protocol error") end
  c.partial = { id = id, flags = flags, size = 0 }
  return add_fields(c, flags, id, payload:sub(from, to))
end

function on.CONTINUATION(c, flags, id, _, payload)
  if not c.partial then return give_up(c, PROTOCOL_ERROR, "protocol error") end
  return add_fields(c, flags, id, payload)
end

function on.RST_STREAM(c, _, id)
  local s = c.streams[id]
  if not s then return true end
  c.resets = (c.resets or 0) + 1
  if s.got_all then s.sent_all = true end
  end_stream(c, s, "reset")
  -- Who asks and takes back all the time only makes work.
  if c.role == "server" and c.resets > 200 then return give_up(c, CALM, "too many resets") end
  return true
end

function on.SETTINGS(c, flags, _, _, payload)
  if flags & ACK ~= 0 then return true end
  local told, why, code = native.h2_apply(payload)
  if not told then return give_up(c, code, why) end
  local change = told.window - c.peer_window
  c.peer_window, c.peer_frame, c.peer_streams = told.window, told.frame, told.streams
  native.hpack_allow(c.tables, told.table_size)
  for _, s in sorted(c.streams) do
    s.window = s.window + change
    ready(c, s)
  end
  put(c, SETTINGS, ACK, 0, "")
  return true
end

function on.PING(c, flags, _, _, payload)
  if flags & ACK == 0 then put(c, PING, ACK, 0, payload) end
  return true
end

function on.GOAWAY(c, _, _, _, payload)
  c.closing = true
  local last, code = unpack(">I4I4", payload)
  for id, s in sorted(c.streams) do
    if id > last & MOST_WINDOW then end_stream(c, s, "closed") end
  end
  if code ~= 0 then close(c, "reset") return nil, "closed" end
  return true
end

function on.WINDOW_UPDATE(c, _, id, _, payload)
  local step, why, code = native.h2_increment(payload)
  if not step then return give_up(c, code, why) end
  if id == 0 then
    c.window = c.window + step
    if c.window > MOST_WINDOW then return give_up(c, FLOW_CONTROL, "flow control error") end
    wake(c)
  elseif c.streams[id] then
    local s = c.streams[id]
    s.window = s.window + step
    if s.window > MOST_WINDOW then return reset(c, s, FLOW_CONTROL, "flow control error") or true end
    ready(c, s)
  end
  return true
end

-- TCP says "timeout" too, when it has given the connection up: nothing is to be waited for then.
local function gone(c) return c.conn.state == "CLOSED" end

-- Frames are read until the connection ends; gives why it did.
local function read_all(c)
  while not c.closed do
    local head, why
    repeat
      head, why = c.conn:recv_exact(9, { timeout = c.idle })
      -- A server waits so long for requests and what belongs to them, and not while it answers itself.
      local late = c.partial or c.receiving > 0 or c.idle and c.open == 0 and now() - c.used_at >= c.idle - 1e-6
    until head or why ~= "timeout" or late or c.closed or gone(c)
    if not head then
      if gone(c) then return nil, why end
      if why == "timeout" and (c.partial or c.receiving > 0) then return give_up(c, CALM, "slow request") end
      if why == "timeout" then put(c, GOAWAY, 0, 0, pack(">I4I4", c.last_id, 0)) c.last_word = "idle" wake(c) end
      return nil, why
    end
    c.frames = c.frames + 1
    local kind, flags, id, length = native.h2_head(head, FRAME)
    if not kind then return give_up(c, id, flags) end
    if c.partial and (kind ~= "CONTINUATION" or id ~= c.partial.id) then return give_up(c, PROTOCOL_ERROR, "protocol error") end
    if not c.greeted and kind ~= "SETTINGS" then return give_up(c, PROTOCOL_ERROR, "protocol error") end
    c.greeted = true
    local handler, ok = on[kind], true
    if kind == "DATA" then
      ok, why = handler(c, flags, id, length)
    else
      local payload = ""
      if length > 0 then payload, why = c.conn:recv_exact(length, { timeout = c.idle }) end
      if not payload then return nil, why end
      -- Frames of an unknown kind are passed over; pushed answers were not asked for.
      if kind == "PUSH_PROMISE" then return give_up(c, PROTOCOL_ERROR, "protocol error") end
      if handler then ok, why = handler(c, flags, id, length, payload) end
    end
    if not ok then return nil, why end
  end
end

-- Clients -------------------------------------------------------------------------------------------------------------------------
local function fields_of(headers, first)
  local list = first
  for name, value in sorted(headers) do
    local small = name:lower()
    if small ~= "connection" and small ~= "keep-alive" and small ~= "transfer-encoding" and small ~= "host" and value ~= false then
      for _, each in ipairs(type(value) == "table" and value or { value }) do
        list[#list + 1] = small
        list[#list + 1] = type(each) == "number" and math.type(each) == "float" and each % 1 == 0 and format("%d", each) or tostring(each)
      end
    end
  end
  return list
end

function h2.client(host, conn)
  local c = new_connection(conn, "client")
  c.patience = http.SILENCE
  c.control[1] = native.H2_PREFACE
  put(c, SETTINGS, 0, 0, native.h2_settings(c.own_window, nil, false))
  put(c, WINDOW_UPDATE, 0, 0, pack(">I4", c.connection_window - 65535))
  native.spawn(host, "http/2 writer", write_all, c)
  native.spawn(host, "http/2 reader", function()
    local _, why = read_all(c)
    if not c.greeted then why = "the server does not speak HTTP/2" end
    close(c, why or "closed")
  end)
  return c
end

function h2.alive(c) return not c.closed and not c.closing and c.conn.state == "ESTABLISHED" end
function h2.close(c)
  if c.closed or c.last_word then return end
  put(c, GOAWAY, 0, 0, pack(">I4I4", 0, 0))
  c.last_word = "closed"
  wake(c)
end

-- For how long a request that was begun then may still wait: whoever sets no time gives up a server that says nothing.
local function left(c, begun, deadline)
  if deadline then return math.max(deadline - now(), 0) end
  return math.max(http.SILENCE - math.min(now() - begun, native.silent_for(c.conn)), 0)
end

-- One request on a connection: the message of its answer; or nil, error.
function h2.request(c, target, authority, req, deadline, keep)
  local begun = now()
  while c.open >= c.peer_streams and not c.closed do
    local patience = left(c, begun, deadline)
    if patience < 1e-9 then return nil, "timeout" end
    c.slot = c.slot or signal()
    c.slot:wait { timeout = patience }
  end
  if not h2.alive(c) then return nil, c.why or "closed" end
  local s = new_stream(c, c.next_id)
  c.next_id = c.next_id + 2
  s.keep, s.parts = keep, {}
  local h = {}
  if req.headers then for k, v in pairs(req.headers) do h[k] = v end end
  if not http.has(h, "user-agent") then h["user-agent"] = "tidewire" end
  if not http.has(h, "accept") then h["accept"] = "*/*" end
  if req.length > 0 then h["content-length"] = req.length end
  put_message(c, s, fields_of(h, { ":method", req.method, ":scheme", target.scheme, ":authority", authority, ":path", req.path }), req.payload, req.length)
  begun = now()
  while not s.got_all and not s.over do
    local ok, why = s.done:wait { timeout = left(c, begun, deadline) }
    -- Something may have come meanwhile.
    if ok == nil and why == "timeout" and left(c, begun, deadline) < 1e-9 then
      reset(c, s, CANCEL, "timeout")
      break
    end
  end
  if s.got_all and not s.sent_all then end_stream(c, s) end
  if c.slot then c.slot:fire(true) end
  if not s.got_all then return nil, s.why or c.why or "closed" end
  return {
    status = s.status, reason = http.REASONS[s.status] or "", version = "2", headers = s.headers, size = s.size, body = s.body, first_at = s.first_at,
    keeps_open = true, stream = s.id,
  }
end

-- Servers -------------------------------------------------------------------------------------------------------------------------
local function respond(c, s, server, req, status, body, headers)
  -- What a balancer passes on as it comes is read first here.
  if type(body) == "table" and body.conn then
    local stream = body
    body = stream.length <= c.keep and stream.conn:recv_exact(stream.length) or stream.conn:discard(stream.length)
    stream.close()
  end
  local payload, length = http.body(body)
  local h, seen = need("server").completed(server, status, payload, length, headers)
  local empty = status == 304 or status == 204
  if not empty and not seen["content-length"] then h["content-length"] = length end
  if empty or req.method == "HEAD" then length = 0 end
  if s.over then return length end
  s.writable = signal()
  put_message(c, s, fields_of(h, { ":status", tostring(status) }), payload, length)
  return length
end

local function serve_stream(c, s)
  local server, web = c.owner, need "server"
  local h = s.headers
  local target = rawget(h, ":path")
  local path, text = target:match "^([^?]*)%??(.*)$"
  local query = {}
  for name, value in text:gmatch "([^&=]+)=?([^&]*)" do query[native.decode(name)] = native.decode((value:gsub("+", " "))) end
  local req = {
    method = rawget(h, ":method"), target = target, path = native.decode(path), query = query, headers = h, body = s.body, size = s.size, version = "2",
    keeps_open = true, client = c.peer, server = server, at = now(), stream = s.id,
  }
  rawset(h, "host", rawget(h, ":authority"))
  req.cookies = h.cookie and need("cookies").parse(h.cookie) or {}
  local begun = now()
  local status, body, headers = web.handle(server, req)
  local length = respond(c, s, server, req, status, body, headers)
  web.count(server, req, status, length, begun)
  -- A server that is to stop says which requests it still answers.
  if server.stopped and not c.closing then
    c.closing = true
    put(c, GOAWAY, 0, 0, pack(">I4I4", c.last_id, 0))
    if c.open == 0 then c.last_word = "closed" wake(c) end
  end
end

-- Talks to a client that began as those of HTTP/2 do.
function h2.serve(server, conn, peer)
  local c = new_connection(conn, "server", server)
  c.peer, c.keep, c.max_body, c.most_streams = peer, server.keep, server.max_body, 100
  c.idle = server.keepalive or server.timeout
  c.patience = server.send_timeout
  c.on_message = function(_, s)
    native.spawn(server.host, server.name .. " stream " .. s.id, serve_stream, c, s)
  end
  put(c, SETTINGS, 0, 0, native.h2_settings(c.own_window, c.most_streams, true))
  put(c, WINDOW_UPDATE, 0, 0, pack(">I4", c.connection_window - 65535))
  local writer = native.spawn(server.host, server.name .. " writer", write_all, c)
  local _, why = read_all(c)
  if not c.last_word then close(c, why or "closed") end
  writer:join()
end

return h2
