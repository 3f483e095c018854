-- Progressive playback: a film is fetched in pieces and shown while it comes.
local native, need = ...
local http = need "http"
local video = {}
local now, format = now, string.format

local result_meta = http.class("playback", "playbacks have", {}, "startup first_stall error size stalled_since since ahead timeout whole download total")

-- Where the player is: it plays, or waits until enough is there.
local function advance(self)
  local t = now()
  if self.playing then
    local ready = self.whole and (self.arrived >= self.size and self.length or 0) or self.arrived / self.rate
    local to = self.position + (t - self.since)
    if to >= ready and ready < self.length then
      -- It ran dry at the instant at which what was there had been shown.
      local dry = self.since + (ready - self.position)
      self.position, self.playing, self.stalled_since = ready, false, dry
      self.stalls = self.stalls + 1
      self.first_stall = self.first_stall or dry - self.begun
    else
      self.position, self.since = math.min(to, self.length), t
    end
  end
end

-- Begins to play when enough is there, at first and after a stall.
local function maybe_play(self)
  if self.playing then return end
  local ready = self.arrived / self.rate
  if self.whole and self.arrived < self.size then return end
  local enough = ready - self.position >= (self.startup and self.again or self.first) or self.arrived >= self.size
  if not enough then return end
  self.playing, self.since = true, now()
  if not self.startup then
    self.startup = now() - self.begun
  elseif self.stalled_since then
    self.stalled = self.stalled + now() - self.stalled_since
    self.stalled_since = nil
  end
end

-- Pieces follow each other on one connection; with enough ahead the next one is not asked for yet.
local function fetch_all(self, client)
  while not self.size or self.arrived < self.size do
    advance(self)
    if self.playing and self.ahead then
      local over = self.arrived / self.rate - self.position - self.ahead
      if over > 0 then sleep(over) end
      advance(self)
    end
    local from = self.arrived
    -- A film that must be there first comes in one piece.
    local range = not self.whole and { Range = format("bytes=%d-%d", from, from + self.piece - 1) } or nil
    local res, why = client:get(self.url, { headers = range, timeout = self.timeout })
    if not res then return nil, why end
    if res.status ~= 206 and res.status ~= 200 then return nil, format("%d %s", res.status, res.reason) end
    local total = res.headers["content-range"] and tonumber(res.headers["content-range"]:match "/(%d+)$") or res.size
    if not self.size then
      self.size = total
      self.length = total / self.rate
    end
    self.requests = self.requests + 1
    advance(self)
    self.arrived = from + res.size
    maybe_play(self)
    series(self.series, self.name):add(self.arrived / self.rate - self.position)
    if res.size == 0 then return nil, "nothing came" end
  end
  return true
end

function video.play(host, url, o)
  if not o.rate then native.mistake("host:play needs the rate of the film", "play", 'rate = "8Mbps"') end
  local self = setmetatable({
    host = host, name = host.name, url = url, rate = o.rate / 8, piece = o.piece or 1000000, first = o.buffer or 2, again = o.rebuffer or o.buffer or 2,
    ahead = o.ahead ~= false and (o.ahead or 30) or nil, whole = o.whole, timeout = o.timeout, requests = 0, arrived = 0, position = 0, stalls = 0, stalled = 0,
    playing = false, begun = now(), length = 0, size = nil, series = o.name or "buffer_s",
  }, result_meta)
  if self.whole then self.ahead = nil end
  local client = http.http_client(host, { connections = 1, keep = 0, http = o.http, tls = o.tls, tcp = o.tcp })
  local ok, why = fetch_all(self, client)
  client:close()
  if not ok then
    -- Up to here it played, or stood still.
    advance(self)
    if self.stalled_since then self.stalled = self.stalled + now() - self.stalled_since end
    self.error = why
    return nil, why, self
  end
  self.download = now() - self.begun
  -- All is there: what is left plays without stalls.
  advance(self)
  maybe_play(self)
  if o.watch ~= false then sleep(math.max(self.length - self.position, 0)) end
  self.total = self.startup + self.length + self.stalled
  return self
end

return video
