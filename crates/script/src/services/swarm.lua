-- File distribution among peers: options of the native peers, and what is seen of them.
local native, need = ...
local http = need "http"
local swarm = {}

local Swarm = {}
local class = http.class("swarm", "swarms have", Swarm, "last_finish announces")
local plain = class.__index
class.__index = function(self, key)
  if key == "announces" then return native.swarm_announces(self.id) end
  return plain(self, key)
end
local WORDS = { free_rider = true, corrupt = true, liar = true, flood = true, garbage = true, honest = true }

local function mistake(text, word, note) native.mistake("net:swarm: " .. text, word or "swarm", note) end

-- Hosts of a value that is a host or lists of hosts.
local function hosts_of(value, what, list)
  list = list or {}
  if native.is_node(value) then
    list[#list + 1] = value
  elseif type(value) == "table" then
    for _, each in ipairs(value) do hosts_of(each, what, list) end
  else
    mistake(("%s is a host or a list of hosts, got a %s"):format(what, type(value)), what)
  end
  return list
end

local function listen(self)
  while true do
    local t, i, word, detail = native.swarm_next(self.id)
    if not t then return end
    local host = self.hosts[i]
    if word == "complete" then
      self.complete = self.complete + 1
      self.last_finish = t
    end
    for _, f in ipairs(self.handlers[word] or {}) do f(host, t, detail) end
    local waits = self.waits[host]
    if word == "back" and waits == "left" then
      self.waits[host] = "here"
      self.waiting = self.waiting + 1
    elseif waits == "here" and (word == "complete" or word == "left") then
      self.waits[host] = word == "left" and word or nil
      self.waiting = self.waiting - 1
      if self.waiting == 0 then self.ended:fire(true) end
    end
  end
end

function Swarm.on(self, word, f)
  local list = self.handlers[word]
  if not list then
    native.mistake(('swarm:on("%s"): there is "complete", "piece", "left" and "banned"'):format(tostring(word)), "on")
  end
  if type(f) ~= "function" then native.mistake("swarm:on needs a function", "on") end
  if word == "piece" then native.swarm_wants_pieces(self.id) end
  list[#list + 1] = f
  return self
end

function Swarm.wait(self, opts)
  while self.waiting > 0 do
    local ok, why = self.ended:wait(opts)
    if not ok and why then return nil, why end
  end
  return true
end

local function row(self, i)
  local one = native.swarm_peer(self.id, i)
  one.seed = i <= self.seeds
  if one.hash then one.ok = one.hash == self.hash end
  return one
end

function Swarm.peer(self, host)
  for i, each in ipairs(self.hosts) do
    if each == host then return row(self, i) end
  end
  native.mistake(("%s is no peer of the swarm"):format(tostring(host)), "peer")
end

function Swarm.list(self)
  local list = {}
  for i in ipairs(self.hosts) do list[i] = row(self, i) end
  return list
end

local function log(self)
  for _, one in ipairs(Swarm.list(self)) do
    record("swarm", {
      swarm = self.name, peer = one.name, behaviour = one.seed and "seed" or one.behaviour, joined_s = one.joined, complete_s = one.complete,
      left_s = one.left, pieces = one.pieces, downloaded_bytes = one.downloaded, uploaded_bytes = one.uploaded,
      wasted_bytes = one.wasted, corrupt_pieces = one.corrupt, banned = one.banned, malformed = one.malformed, floods = one.floods,
      timeouts = one.timeouts, unrequested = one.unrequested, refused = one.refused, connections = one.connections,
      hash = one.hash or "",
    })
  end
end

local function joins_of(o, n)
  local stream, joins, t = random.stream("swarm/" .. (o.name or "swarm") .. "/arrivals"), {}, 0
  for i = 1, n do
    joins[i] = t
    if o.arrive and o.arrive > 0 then t = t + stream.exponential(o.arrive) end
  end
  return joins
end

local names = {}

function swarm.swarm(_, o)
  if o.seed == nil or o.peers == nil or o.size == nil then mistake("seed, peers and size are needed") end
  local seeds, peers = hosts_of(o.seed, "seed"), hosts_of(o.peers, "peers")
  local piece = o.piece or 256 * 1024
  if #seeds == 0 or #peers == 0 then mistake(#seeds == 0 and "there is no seed" or "there are no peers") end
  if o.size < 1 then mistake("size = 0: there is nothing to distribute", "size") end
  if piece < 16 * 1024 or piece > 64 * 1024 * 1024 then mistake("piece is 16KiB to 64MiB", "piece") end
  if o.size / piece > 100000 then
    mistake(("size / piece: %d pieces are more than 100000"):format(o.size // piece), "piece", "choose larger pieces")
  end
  for _, word in ipairs { "upload", "seed_upload" } do
    if o[word] == 0 then mistake(word .. " = 0: nobody would send anything", word, "a peer that gives nothing is a free rider: behaviour = { free_rider = ... }") end
  end
  local place, hosts = {}, {}
  for i, host in ipairs(seeds) do hosts[i], place[host] = host, i end
  for i, host in ipairs(peers) do
    if place[host] then mistake(("%s is there twice"):format(host.name), "peers") end
    hosts[#seeds + i], place[host] = host, #seeds + i
  end
  local behaviours, given = {}, {}
  for word, list in pairs(o.behaviour or {}) do
    if not WORDS[word] then
      mistake(('behaviour "%s": there is free_rider, corrupt, liar, flood and garbage'):format(tostring(word)), "behaviour")
    end
    for _, host in ipairs(hosts_of(list, "behaviour")) do
      if not place[host] then mistake(("behaviour: %s is no peer"):format(host.name), "behaviour") end
      if given[host] and given[host] ~= word then
        local one, other = word, given[host]
        if one > other then one, other = other, one end
        mistake(("behaviour: %s is %s and %s; a peer has one behaviour"):format(host.name, one, other), "behaviour")
      end
      given[host] = word
      if place[host] <= #seeds and word ~= "corrupt" and word ~= "honest" then
        mistake(("behaviour: %s is the seed, which may be corrupt but not %s"):format(host.name, word), "behaviour", "list a peer there")
      end
      behaviours[place[host]] = word ~= "honest" and word or nil
    end
  end
  local name = o.name or "swarm"
  if names[name] then
    names[name] = names[name] + 1
    name = name .. names[name]
  else
    names[name] = 1
  end
  local plan = {
    seeds = seeds, peers = peers, tracker = o.tracker or seeds[1], port = o.port or 6881, size = o.size, piece = piece,
    slots = o.slots or 4, seed_slots = o.seed_slots or o.slots or 4, interval = o.interval, policy = o.policy or "rarest_first",
    neighbours = o.neighbours or 30, seed_neighbours = o.seed_neighbours or o.neighbours or 30, pipeline = o.pipeline, super_seed = o.super_seed or false, end_game = o.end_game ~= false,
    cc = o.tcp and o.tcp.cc,
    upload = o.upload, seed_upload = o.seed_upload or o.upload, patience = o.patience, stay = o.stay, away_after = o.away_after, back_after = o.back_after, gives_up = o.gives_up,
    choking = o.choking or "tit_for_tat", seed_choking = o.seed_choking or o.choking == "balanced" and "neediest" or "round_robin",
    behaviours = behaviours, joins = joins_of(o, #peers), name = name,
  }
  for _, host in ipairs(hosts) do
    for _, socket in ipairs(host:sockets()) do
      if socket.proto == "tcp" and socket.state == "LISTEN" and socket.port == plan.port then
        mistake(("port %d of %s is in use"):format(plan.port, host.name), "port")
      end
    end
  end
  local self = setmetatable({
    id = native.swarm_new(plan), name = name, hosts = hosts, seeds = #seeds, complete = 0, pieces = math.ceil(o.size / piece),
    hash = plan.hash, handlers = { complete = {}, piece = {}, left = {}, banned = {} }, waits = {}, waiting = 0, ended = signal(),
  }, class)
  for i, host in ipairs(peers) do
    if (behaviours[#seeds + i] or "free_rider") == "free_rider" then
      self.waits[host] = "here"
      self.waiting = self.waiting + 1
    end
  end
  for i, host in ipairs(hosts) do
    host:on_boot(function() native.swarm_boot(self.id, i) end)
  end
  plan.tracker:on_boot(function() native.swarm_boot_tracker(self.id) end)
  native.spawn(nil, name, listen, self)                   -- on no host, so that it outlives all of them
  if o.log then at_end(function() log(self) end) end
  return self
end

return swarm
