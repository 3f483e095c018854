-- Calls as early Skype made them: a login server, super-peers that introduce and relay, and media on the best way that two address
-- translators leave open.
--   tidewire run scripts/hybrid/skype.lua
-- Look at paths.csv: each pair of kinds of access, who found which way, how long that took, which bytes went where, and how the call
-- sounded. Direct: the first packet gets through. Punched: both send at once, each opens its own door. Relayed: one changes its port
-- for every destination and the other minds ports, so no guess fits. Failed: no UDP at all. The login server sees no call. With
-- dies = "super_peer" the first super-peer crashes in mid-call: relayed calls go on through the next, the others notice nothing.
local p = experiment { name = "skype", params = { dies = { "nobody", "super_peer" } } }
local KINDS = { "open", "full_cone", "restricted", "port_restricted", "symmetric", "no_udp" }
local CALL_S, FRAME_S, FRAME, BUFFER_S, SILENCE_S, CRASH_AT = 6, 0.020, 172, 0.060, 0.4, 13

local core = net:router "core"
local function public(name, delay)
  local host = net:host(name)
  net:link(host, core, { rate = "100Mbps", delay = delay })
  return host
end
local login = public("login", "40ms")
local supers = { public("super1", "15ms"), public("super2", "25ms"), public("super3", "20ms") }

-- A home with its access: the line is the same for all of them.
local function home(name, kind)
  local host = net:host(name)
  if kind == "open" then
    net:link(host, core, { rate = "20Mbps", delay = "11ms" })
    return host
  end
  local box = net:nat(name .. "_box", { type = kind ~= "no_udp" and kind or "full_cone" })
  net:link(host, box, { rate = "100Mbps", delay = "1ms" })
  net:link(box, core, { rate = "20Mbps", delay = "10ms" })
  if kind == "no_udp" then host:firewall { outbound = { { deny = "udp" } }, default = { inbound = "allow", outbound = "allow" } } end
  return host
end

-- The E-model (ITU-T G.107) for G.711 with concealment: from the delay from mouth to ear, the share of frames that were not played,
-- and how much longer the bursts of those were than they are by chance.
local function quality(delay, played, first, last)
  local lost, bursts, count = 0, 0, math.max(last - first + 1, 1)
  for n = first, last do
    if not played[n] then
      lost = lost + 1
      if n == first or played[n - 1] then bursts = bursts + 1 end
    end
  end
  local loss = lost / count
  local burst = lost > 0 and loss < 1 and math.max(lost / bursts * (1 - loss), 1) or 1
  return loss, emodel { codec = "g711_plc", delay = delay, loss = loss, burst = burst }
end

local function words(msg) return msg:match "^(%S+) ?(%S*) ?(%S*) ?(.*)" end

-- The login server: who is there, and which super-peers there are. It is asked once.
login:spawn(function()
  local sock = login:udp(4000)
  while true do
    local msg, from = sock:recvfrom()
    local list = {}
    for i, one in ipairs(supers) do list[i] = one.ip end
    if msg:match "^LOGIN" then sock:sendto("SUPERS " .. table.concat(list, " "), from) end
  end
end)

-- A super-peer: it tells who asks how it looks from outside (as STUN does), remembers the addresses of names, passes on what is for
-- them, and relays frames (as TURN does).
local relayed, relayed_of = {}, {}                      -- by super-peer; by call
for i, host in ipairs(supers) do
  relayed[i] = 0
  host:spawn(function()
    local sock, other, book, calls = host:udp(4000), host:udp(4001), {}, {}
    while true do
      local msg, from = sock:recvfrom()
      local verb, a, b = words(msg)
      if verb == "R" then                                     -- R call name frame: to the other end of the call
        local call = calls[a] or {}
        calls[a] = call
        call[b] = from
        for name, to in pairs(call) do
          if name ~= b then
            relayed[i] = relayed[i] + 2 * #msg
            relayed_of[a] = (relayed_of[a] or 0) + #msg
            sock:sendto(msg, to)
          end
        end
      elseif verb == "SEEN" then sock:sendto("SEEN " .. tostring(from), from)
      elseif verb == "PORT" then other:sendto("PORT", from)     -- from another port
      elseif verb == "HOST" then supers[i % #supers + 1]:udp():sendto("HOST", from)   -- and from another host
      elseif verb == "HERE" then
        book[a] = from
        sock:sendto("OK", from)
      elseif verb == "TO" and book[a] then sock:sendto(msg:sub(#a + 5), book[a])
      end
    end
  end)
end

-- A client: one socket for everything, so that what super-peers see of it is what its peer will see.
local Client = {}
Client.__index = Client
local function client(host)
  local self = setmetatable({ host = host, name = host.name, sock = host:udp(), at = 1, got = {} }, Client)
  self.sock:settimeout(0.2)
  return self
end

-- Sends until an answer with this word comes, at most so often.
function Client.ask(self, text, word, to, port, tries)
  for _ = 1, tries or 3 do
    self.sock:sendto(text, to, port or 4000)
    local till = now() + 0.3
    while now() < till do
      local msg, from = self.sock:recvfrom { timeout = math.max(till - now(), 0.001) }
      if msg and msg:match("^" .. word) then return msg, from end
      if msg then self.got[#self.got + 1] = { msg, from } end
    end
  end
end

-- Which kind of address translation is between (RFC 3489 section 10.1).
function Client.probe(self)
  local first = self:ask("SEEN", "SEEN", supers[1].ip)
  if not first then return "no_udp" end
  self.outer = first:match "^SEEN (%S+)"
  if self.outer:match "^[^:]+" == self.host.ip then return "open" end
  local second = self:ask("SEEN", "SEEN", supers[2].ip)
  if second ~= first then return "symmetric" end
  if self:ask("HOST", "HOST", supers[2].ip, 4000, 2) then return "full_cone" end
  return self:ask("PORT", "PORT", supers[2].ip, 4000, 2) and "restricted" or "port_restricted"
end

function Client.enter(self)
  if not self:ask("LOGIN " .. self.name, "SUPERS", login.ip) then return false end
  self.kind = self:probe()
  return self:ask("HERE " .. self.name, "OK", supers[1].ip) ~= nil
end

-- Answers knocks and sends them until something from the peer is there, at most so long.
function Client.knock(self, peer, seconds)
  local till = now() + seconds
  while now() < till do
    if peer then self.sock:sendto("KNOCK " .. self.name, peer) end
    local wake = math.min(till, now() + 0.1)
    while now() < wake do
      local msg, from = self.sock:recvfrom { timeout = math.max(wake - now(), 0.001) }
      local verb = msg and words(msg)
      if verb == "KNOCK" then
        self.sock:sendto("OPEN " .. self.name, from)
        peer = from
      elseif verb == "OPEN" then return from
      elseif verb == "FRAME" or verb == "R" then
        self.got[#self.got + 1] = { msg, now() }
        return verb == "FRAME" and from or nil, verb == "R"
      elseif verb == "RING" and not self.ringing then
        local _, caller, address_text, call = words(msg)
        self.ringing = { caller, address(address_text), call }
        return nil, nil, true
      end
    end
  end
end

-- Frames both ways: 20 ms of G.711 behind a header of RTP. A jitter buffer plays each frame as long after it was sent as the first one
-- took and BUFFER_S; what comes later is lost. It begins anew after a silence. After a silence on a relay the next one is tried.
function Client.talk(self, call, peer, till, other)
  local heard, played, playout, sent, delay_sum, wait_sum, gap, last = {}, {}, nil, 0, 0, 0, 0, now()
  local count = math.floor((till - now()) / FRAME_S)
  local function frame(n)
    local text = ("FRAME %d %.6f "):format(n, now())
    if not peer then text = ("R %s %s %s"):format(call, self.name, text) end
    return text .. ("."):rep(FRAME - #text)
  end
  local stream = self.host:spawn(function()
    for n = 1, count do
      self.sock:sendto(frame(n), peer or supers[self.at].ip, (not peer) and 4000 or nil)
      sent, self.sent = n, n
      sleep(FRAME_S)
    end
  end)
  local function take(msg, t)
    local n, at = (msg or ""):match "FRAME (%d+) (%S+)"
    if not n then return false end
    n, at = tonumber(n), tonumber(at)
    local silence = t - last
    if t < till then gap, last = math.max(gap, silence), t end
    if not heard[n] then
      heard[n] = t - at
      delay_sum = delay_sum + heard[n]
      if not playout or silence > SILENCE_S then playout = heard[n] + BUFFER_S end
      played[n] = heard[n] <= playout
      wait_sum = wait_sum + playout
    end
    return true
  end
  for _, one in ipairs(self.got) do take(one[1], one[2]) end          -- what came while it still knocked
  while now() < till + 0.3 do
    local msg = self.sock:recvfrom { timeout = 0.1 }
    if take(msg, now()) then                                          -- a frame
    elseif not peer and now() < till and now() - last > SILENCE_S and now() - (self.moved or 0) > SILENCE_S then
      self.at, self.moved = self.at % #supers + 1, now()      -- the other end does the same
    end
  end
  stream:join()
  -- What counts: from the first frame that was heard to the last that the other end has sent.
  local got, first = 0, math.huge
  for n in pairs(heard) do got, first = got + 1, math.min(first, n) end
  local delay, wait = got > 0 and delay_sum / got or 0, got > 0 and wait_sum / got or 0
  local loss, heard_as = quality(FRAME_S + wait, played, got > 0 and first or 1, other.sent or 0)       -- a frame is spoken before it is sent
  return { sent = sent, got = got, delay = delay, loss = loss, gap = gap, r = heard_as.r, mos = heard_as.mos }
end

local function call(a, b, row, start)
  local ca, cb = client(a), client(b)
  local began, path, peer_a, peer_b = {}, nil, nil, nil
  local id = a.name .. "+" .. b.name
  local ends = start + CALL_S
  local function caller()
    if not ca:enter() then return end
    sleep(start - now())
    began.a = now()
    local target = cb.outer
    if not target then return end
    -- The address of the other comes from the super-peer; one packet straight to it may be enough.
    peer_a = ca:knock(address(target), 0.15)
    if peer_a then
      path = "direct"
    else
      ca.sock:sendto(("TO %s RING %s %s %s"):format(b.name, a.name, ca.outer, id), supers[1].ip, 4000)
      peer_a = ca:knock(address(target), 0.8)
      path = peer_a and "punched" or "relayed"
    end
    row.connect_ms = (now() - began.a) * 1e3
    return ca:talk(id, peer_a, ends, cb)
  end
  local function callee()
    if not cb:enter() then return end
    local ring
    while now() < start - 0.05 do sleep(start - 0.05 - now()) end
    local by_relay
    peer_b, by_relay, ring = cb:knock(nil, 0.6)
    if ring then peer_b = cb:knock(cb.ringing[2], 0.8) end
    if ca.outer then return cb:talk(id, peer_b, ends, ca) end
  end
  local pa, pb = a:spawn(caller), b:spawn(callee)
  local _, ra = pa:join()
  local _, rb = pb:join()
  return path, ra, rb, ca, cb
end

local expected, tally, rows, jobs, n = {}, {}, {}, {}, 0
local function way(x, y)
  if x == "no_udp" or y == "no_udp" then return "failed" end
  local hard = { port_restricted = true, symmetric = true }
  if y == "open" or y == "full_cone" then return "direct" end
  if x == "symmetric" and hard[y] or y == "symmetric" and hard[x] then return "relayed" end
  return "punched"
end
local plans = {}
for _, x in ipairs(KINDS) do
  for _, y in ipairs(KINDS) do
    n = n + 1
    plans[n] = { x, y, home("a" .. n, x), home("b" .. n, y) }
  end
end
for i, plan in ipairs(plans) do
  local x, y, a, b = table.unpack(plan)
  local row = { caller = x, callee = y, }
  jobs[i] = spawn(function()
    local path, ra, rb, ca, cb = call(a, b, row, 8 + i * 0.02)
    local ok = ra and rb and ra.got > 0 and rb.got > 0
    row.path = ok and path or "failed"
    row.found_caller, row.found_callee = ca.kind or "no_udp", cb.kind or "no_udp"
    row.media_bytes = ok and (ra.sent + rb.sent) * FRAME or 0
    row.relayed_bytes = relayed_of[a.name .. "+" .. b.name] or 0   -- what a super-peer has passed on
    if not ok then
      row.connect_ms = nil                                            -- an empty cell: there was no call
    else
      row.delay_ms, row.loss_pct, row.gap_ms = (ra.delay + rb.delay) * 500, (ra.loss + rb.loss) * 50, math.max(ra.gap, rb.gap) * 1e3
      row.r, row.mos = math.min(ra.r, rb.r), math.min(ra.mos, rb.mos)
    end
    rows[i] = row
  end)
end
if p.dies == "super_peer" then at(CRASH_AT, function() supers[1]:crash() end) end
wait_all(jobs)

local wrong, mos, worst = 0, {}, { direct = 0, punched = 0, relayed = 0 }
for i, row in ipairs(rows) do
  local want = way(row.caller, row.callee)
  tally[row.path] = (tally[row.path] or 0) + 1
  if row.path ~= want then
    wrong = wrong + 1
    print(("%s -> %s: %s, expected %s"):format(row.caller, row.callee, row.path, want))
  end
  if row.found_caller ~= row.caller or row.found_callee ~= row.callee then
    wrong = wrong + 1
    print(("%s -> %s taken for %s -> %s"):format(row.caller, row.callee, row.found_caller, row.found_callee))
  end
  if row.gap_ms then worst[row.path] = math.max(worst[row.path], row.gap_ms) end
  if row.mos then mos[row.path] = math.min(mos[row.path] or 5, row.mos) end
  record("paths", { caller = row.caller, callee = row.callee, path = row.path, found_caller = row.found_caller, found_callee = row.found_callee,
    connect_ms = row.connect_ms, delay_ms = row.delay_ms, loss_pct = row.loss_pct, gap_ms = row.gap_ms, r = row.r, mos = row.mos, media_bytes = row.media_bytes, relayed_bytes = row.relayed_bytes })
end
local login_bytes = login.stats.rx_bytes + login.stats.tx_bytes
local relay_bytes, media = 0, 0
for i in ipairs(supers) do relay_bytes = relay_bytes + relayed[i] end
for _, row in ipairs(rows) do media = media + row.media_bytes end
print(("direct %d, punched %d, relayed %d, failed %d"):format(tally.direct or 0, tally.punched or 0, tally.relayed or 0, tally.failed or 0))
print(("longest silence: direct %.0f ms, punched %.0f ms, relayed %.0f ms"):format(worst.direct, worst.punched, worst.relayed))
print(("least opinion score: direct %.2f, punched %.2f, relayed %.2f"):format(mos.direct, mos.punched, mos.relayed))
print(("bytes: media %d, through super-peers %d, login server %d"):format(media, relay_bytes, login_bytes))
check(wrong == 0, "each pair finds the way that its translators leave")
check(login_bytes < media / 100, "the login server carries no call")
if p.dies == "super_peer" then
  check(worst.relayed > 400 and worst.relayed < 1500, "relayed calls go on through another super-peer")
end
check(worst.direct < 100 and worst.punched < 100, "calls that need no relay notice nothing")
check(mos.direct > 4.2 and mos.punched > 4.2, "what is heard without a relay is good")
record { direct = tally.direct or 0, punched = tally.punched or 0, relayed = tally.relayed or 0, failed = tally.failed or 0, wrong = wrong,
         media_bytes = media, relay_bytes = relay_bytes, login_bytes = login_bytes, gap_relayed_ms = worst.relayed, gap_direct_ms = worst.direct,
         mos_direct = mos.direct, mos_punched = mos.punched, mos_relayed = mos.relayed }
stop()
