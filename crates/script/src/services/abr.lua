-- Video in segments over HTTP, whose quality follows the network: a server with a ladder of qualities, and players.
local native, need = ...
local http = need "http"
local abr = {}
local now, sleep = now, sleep
local floor, max, min, huge = math.floor, math.max, math.min, math.huge

-- Rates as numbers of bit/s, in rising order.
local function ladder_of(list, what)
  local ladder = {}
  if type(list) ~= "table" or #list == 0 then
    native.mistake(what .. " needs ladder, a list of rates", "ladder", 'ladder = { "300kbps", "1Mbps", "3Mbps" }')
  end
  for i, rate in ipairs(list) do
    ladder[i] = bits_per_s(rate)
    if i > 1 and ladder[i] <= ladder[i - 1] then native.mistake("the rates of a ladder must rise", "ladder") end
  end
  return ladder
end

-- The length of a segment.
local function length_of(o)
  local length = o.segment or 4
  if length <= 0 then native.mistake("segment must be more than 0", "segment") end
  return length
end

function abr.abr_server(host, o)
  local ladder = ladder_of(o.ladder, "host:abr_server")
  local length, port = length_of(o), o.port or 80
  local served = { by_quality = {}, segments = 0 }
  local routes = {
    ["/video/:quality/:segment"] = function(req)
      local quality = tonumber(req.params.quality)
      local rate = quality and ladder[quality]
      if not rate then return 404 end
      served.segments = served.segments + 1
      served.by_quality[quality] = (served.by_quality[quality] or 0) + 1
      return 200, floor(rate * length / 8)
    end,
  }
  local server = need "server"
  local why
  served.http, why = server.http_server(host, { port = port, routes = routes, tcp = o.tcp, pages = {}, http = "1.1", place = o.place })
  if not served.http then
    if why == "host is down" then
      native.mistake(("%s is down: it can serve nobody"):format(host.name), "abr_server", "call host:boot() before")
    end
    native.mistake(("port %d of %s is %s"):format(port, host.name, why), o.port and "port" or "abr_server", "give it a port that is free, and the player the same: port = 8080")
  end
  return served
end

-- Which quality next. Each rule sees what a player knows: the buffer in s, what was measured, the last quality.
local rules = {}

-- Buffer-based, BBA-0 (Huang et al., SIGCOMM 2014): a line from the lowest to the highest rate between a reservoir and a cushion;
-- the quality changes only when the line reaches the next rate.
function rules.buffer(v)
  local ladder, n = v.ladder, #v.ladder
  local reservoir, cushion = v.reservoir, v.cushion
  if v.buffer <= reservoir then return 1 end
  if v.buffer >= reservoir + cushion then return n end
  local f = ladder[1] + (ladder[n] - ladder[1]) * (v.buffer - reservoir) / cushion
  local q = v.quality
  local plus, minus = ladder[min(q + 1, n)], ladder[max(q - 1, 1)]
  if f >= plus then
    while q < n and ladder[q + 1] <= f do q = q + 1 end
  elseif f <= minus then
    while q > 1 and ladder[q - 1] >= f do q = q - 1 end
  end
  return q
end

-- Rate-based: the highest quality below the harmonic mean of what the last five segments came with, less a tenth.
function rules.rate(v)
  local got = v.throughputs
  if #got == 0 then return 1 end
  local sum, n = 0, 0
  for i = #got, max(1, #got - 4), -1 do sum, n = sum + 1 / got[i], n + 1 end
  local usable, q = 0.9 * n / sum, 1
  while q < #v.ladder and v.ladder[q + 1] <= usable do q = q + 1 end
  return q
end

function rules.highest(v) return #v.ladder end
function rules.lowest() return 1 end

-- What is loaded and played. Time passes for it whenever somebody looks: a download that does not come is seen while it does not.
local function pass(film)
  local t = now()
  if film.playing then
    local left = film.buffer - (t - film.at)
    film.buffer = max(left, 0)
    if left < 0 then
      film.playing = false
      if not film.whole then film.stalls, film.dry_at = film.stalls + 1, t + left end
    end
  end
  film.at = t
  return film
end

local function stalled_s(film) return film.stalled_s + (film.dry_at and film.at - film.dry_at or 0) end

local function roll(film)
  film.stalled_s, film.dry_at, film.playing = stalled_s(film), nil, true
end

local Player = {}
local player_meta = http.class("video player", "video players have", Player, "startup_s error")
local seen = {
  buffer = function(film) return film.buffer end,
  stalls = function(film) return film.stalls end,
  stalled_s = stalled_s,
}
local methods_of = player_meta.__index
function player_meta.__index(self, key)
  if seen[key] then return seen[key](pass(self.film)) end
  return methods_of(self, key)
end

local function player_figures(self)
  local sum = 0
  for _, q in ipairs(self.qualities) do sum = sum + self.ladder[q] end
  self.mean_kbps = #self.qualities > 0 and sum / #self.qualities / 1000 or 0
end

function Player.wait(self, opts)
  if not self.over then
    local _, why = self.process:join(opts)
    if why == "timeout" then return nil, why end
    if not self.over then
      self.over, self.error = true, "host is down"
      player_figures(self)
    end
  end
  if self.error then return nil, self.error end
  return true
end

-- A segment has arrived.
local function arrived(self)
  local film = pass(self.film)
  film.buffer = film.buffer + self.length
  if not film.playing and film.buffer >= self.needed then
    self.startup_s = self.startup_s or now() - self.began
    roll(film)
  end
end

-- Nothing more comes: what is there is played to its end, and its end is no stall.
local function finish(self)
  local film = pass(self.film)
  if not film.playing and film.buffer > 0 and not self.error then
    self.startup_s = self.startup_s or now() - self.began
    roll(film)
  end
  film.stalled_s, film.dry_at, film.whole = stalled_s(film), nil, true
  player_figures(self)
  if film.playing then sleep(film.buffer) end
  self.over = true
end

local function play(self, client, o)
  self.began = now()
  local url = { self.server, o.port or 80 }
  local rule = type(o.rule) == "function" and o.rule or rules[o.rule or "buffer"]
  for segment = 1, self.segments do
    -- A full buffer takes no more: wait until there is room for a segment.
    if self.film.playing and self.buffer + self.length > self.limit then sleep(self.buffer + self.length - self.limit) end
    local q = rule(self)
    if type(q) ~= "number" or q ~= floor(q) or q < 1 or q > #self.ladder then
      native.mistake(("the rule gave %s: a quality is a whole number from 1 to %d"):format(tostring(q), #self.ladder), "rule")
    end
    if segment > 1 and q ~= self.quality then self.switches = self.switches + 1 end
    self.quality = q
    local asked = now()
    url[3] = ("/video/%d/%d"):format(q, segment)
    local res, why = client:request(url, {})
    if not res or res.status ~= 200 then
      self.error = why or res.status == 404 and ("the server has no quality %d"):format(q) or tostring(res.status)
      break
    end
    local took = now() - asked
    self.throughputs[#self.throughputs + 1] = res.size * 8 / took
    self.qualities[#self.qualities + 1] = q
    arrived(self)
    self.history[#self.history + 1] =
      { t = now(), segment = segment, quality = q, kbps = self.ladder[q] / 1000, buffer = self.buffer, throughput = res.size * 8 / took }
  end
  client:close()
  finish(self)
end

function abr.abr_player(host, o)
  if not o.server then native.mistake("host:abr_player needs the option 'server'", "abr_player") end
  local rule = o.rule or "buffer"
  if type(rule) ~= "function" and not rules[rule] then
    native.mistake(("there is no rule '%s'"):format(tostring(rule)), "rule", "buffer, rate, highest, lowest, or a function of the player that gives a quality")
  end
  local length, limit = length_of(o), o.buffer or 60
  if o.duration and o.duration <= 0 then native.mistake("duration must be more than 0", "duration") end
  if limit < 2 * length then native.mistake("buffer holds at least two segments", "buffer") end
  local self = setmetatable({
    name = o.name or "player of " .. host.name, server = o.server, ladder = ladder_of(o.ladder, "host:abr_player"), length = length,
    segments = max(1, floor((o.duration or 120) / length + 0.5)), limit = limit, needed = o.startup or length,
    reservoir = o.reservoir or max(2 * length, 0.1 * limit), quality = 1,
    film = { buffer = 0, at = now(), playing = false, stalls = 0, stalled_s = 0 }, switches = 0, qualities = {}, throughputs = {}, history = {}, mean_kbps = 0, over = false,
  }, player_meta)
  self.cushion = o.cushion or max(length, 0.9 * limit - self.reservoir)
  local client = http.http_client(host, { keepalive = true, keep = 0, tcp = o.tcp })
  self.process = native.spawn(host, self.name, function()
    if o.start and o.start > now() then sleep(o.start - now()) end
    play(self, client, o)
  end)
  return self
end

return abr
