-- A distributed hash table (Maymounkov and Mazieres, "Kademlia", 2002): N nodes, no server, any key found in O(log N) steps.
--   tidewire sweep scripts/p2p/dht.lua
-- Look at hops: four times the nodes cost about one step more. Distance is XOR of ids; a node knows up to K others of each distance class, asks
-- ALPHA at a time for those closest to the key, and goes on with whom they name until nobody closer is named. A key is at the K nodes
-- closest to it, so there are log2(N / K) bits to find; a step finds at least one, and usually log2 K, as the closest of K that are
-- named is taken. With churn a part of the nodes crashes without a word while keys are looked for, one after the other, and as many
-- new ones join: look-ups run into timeouts, and still find the keys, as not all of the K that have one are gone.
local p = experiment {
  name   = "dht",
  params = { nodes = { 16, 64, 256, 1000 }, churn = { "0%", "20%" } },
  plot   = { x = "nodes", y = { "hops_mean", "found_pct" }, color = "churn", log = "x" },
}
local K, ALPHA, PORT, LOOKUPS, WAIT = 8, 3, 4000, 200, 0.25

local LEAVE = math.floor(p.nodes * tonumber(p.churn:match "%d+") / 100 + 0.5)
local core, hosts = net:router "core", net:hosts("node", p.nodes + LEAVE)
for _, host in ipairs(hosts) do
  net:link(host, core, { rate = "10Mbps", delay = random.uniform(0.005, 0.030) })
end

-- Ids of 32 bits; the class of a distance is its highest bit.
local function class(distance)
  local n = 0
  while distance > 0 do distance, n = distance >> 1, n + 1 end
  return n
end

local Node, nodes, timeouts = {}, {}, 0
Node.__index = Node

-- Who was heard of is kept: the oldest acquaintances are the best ones, so a full class takes nobody new.
function Node.meet(self, id, ip)
  if id == self.id then return end
  local n = class(id ~ self.id)
  local bucket = self.buckets[n]
  if not bucket then
    bucket = {}
    self.buckets[n] = bucket
  end
  for i, one in ipairs(bucket) do
    if one.id == id then
      table.insert(bucket, table.remove(bucket, i))
      return
    end
  end
  if #bucket < K then bucket[#bucket + 1] = { id = id, ip = ip } end
end

function Node.drop(self, id)
  local bucket = self.buckets[class(id ~ self.id)] or {}
  for i, one in ipairs(bucket) do
    if one.id == id then return table.remove(bucket, i) end
  end
end

-- The K known ones that are closest to a key.
function Node.closest(self, key)
  local all = {}
  for _, bucket in pairs(self.buckets) do
    for _, one in ipairs(bucket) do all[#all + 1] = one end
  end
  table.sort(all, function(a, b) return a.id ~ key < b.id ~ key end)
  for i = #all, K + 1, -1 do all[i] = nil end
  return all
end

-- Messages: a letter, the number of the question, the sender's id; then a key, a value, or a list of ids and addresses.
local HEAD = ">c1I4I4"
function Node.listen(self)
  while true do
    local msg, from = self.sock:recvfrom()
    local kind, number, id, at = string.unpack(HEAD, msg)
    self:meet(id, from.ip)
    if kind == "F" then
      local key = string.unpack(">I4", msg, at)
      if self.values[key] then
        self.sock:sendto(string.pack(HEAD, "V", number, self.id) .. self.values[key], from)
      else
        local out = { string.pack(HEAD, "N", number, self.id) }
        for i, one in ipairs(self:closest(key)) do out[i + 1] = string.pack(">I4s1", one.id, one.ip) end
        self.sock:sendto(table.concat(out), from)
      end
    elseif kind == "S" then
      local key, value = string.unpack(">I4s1", msg, at)
      self.values[key] = value
    elseif self.asked[number] then
      local answers = self.asked[number]
      self.asked[number] = nil
      answers:put { number = number, kind = kind, rest = msg:sub(at) }
    end
  end
end

-- Asks its way to a key. Gives the closest nodes that answered, the value if there is one, the steps to the closest, and the questions.
function Node.lookup(self, key)
  local list, known, under_way, answers, questions = {}, { [self.id] = true }, {}, queue(), 0
  local function add(id, ip, depth)
    if known[id] then return end
    known[id] = true
    list[#list + 1] = { id = id, ip = ip, depth = depth, state = "new" }
  end
  for _, one in ipairs(self:closest(key)) do add(one.id, one.ip, 1) end
  while true do
    table.sort(list, function(a, b) return a.id ~ key < b.id ~ key end)
    local busy, seen = 0, 0
    for _ in pairs(under_way) do busy = busy + 1 end
    for _, one in ipairs(list) do
      if seen >= K or busy >= ALPHA then break end
      if one.state ~= "dead" then seen = seen + 1 end
      if one.state == "new" then
        one.state, busy, questions = "asked", busy + 1, questions + 1
        self.number = self.number + 1
        one.number, one.until_t = self.number, now() + WAIT
        under_way[self.number], self.asked[self.number] = one, answers
        self.sock:sendto(string.pack(HEAD .. "I4", "F", self.number, self.id, key), one.ip, PORT)
      end
    end
    if busy == 0 then break end
    local first = math.huge
    for _, one in pairs(under_way) do first = math.min(first, one.until_t) end
    local answer = answers:get { timeout = math.max(first - now(), 0.001) }
    if answer then
      local one = under_way[answer.number]
      under_way[answer.number] = nil
      one.state = "alive"
      if answer.kind == "V" then return { one }, answer.rest, one.depth, questions end
      local at = 1
      while at <= #answer.rest do
        local id, ip, after = string.unpack(">I4s1", answer.rest, at)
        add(id, ip, one.depth + 1)
        at = after
      end
    else
      for number, one in pairs(under_way) do
        if one.until_t <= now() + 0.002 then
          one.state, under_way[number], self.asked[number] = "dead", nil, nil
          self:drop(one.id)
          timeouts = timeouts + 1
        end
      end
    end
  end
  local alive = {}
  for _, one in ipairs(list) do
    if one.state == "alive" and #alive < K then alive[#alive + 1] = one end
  end
  return alive, nil, alive[1] and alive[1].depth or 0, questions
end

function Node.store(self, key, value)
  for _, one in ipairs(self:lookup(key)) do
    self.sock:sendto(string.pack(HEAD .. "I4s1", "S", 0, self.id, key, value), one.ip, PORT)
  end
end

-- Everybody joins by looking for itself, through somebody who is there already.
local function join(host, first)
  local node = setmetatable({ id = random.int(1, 0xFFFFFFFF), host = host, sock = host:udp(PORT), buckets = {}, values = {},
                              asked = {}, number = 0 }, Node)
  host:spawn(Node.listen, node)
  if first then
    node:meet(first.id, first.host.ip)
    node:lookup(node.id)
  end
  return node
end
for i = 1, p.nodes do nodes[i] = join(hosts[i], i > 1 and nodes[random.int(1, i - 1)]) end

-- Keys are stored, and looked for while nodes leave and others join.
local keys = {}
for i = 1, LOOKUPS do
  keys[i] = random.int(1, 0xFFFFFFFF)
  nodes[random.int(1, #nodes)]:store(keys[i], "value of " .. keys[i])
end
sleep(1)
timeouts = 0
local hops, asked, took, found, left, joined = histogram "hops", histogram "questions", histogram "took_s", 0, 0, 0
for i = 1, LOOKUPS do
  local began, me = now(), table.remove(nodes, random.int(1, #nodes))
  for n = left + 1, LEAVE * i // LOOKUPS do                -- some time during the look-up
    local victim, sponsor = table.remove(nodes, random.int(1, #nodes)), nodes[random.int(1, #nodes)]
    left = n
    after(random.uniform(0, 0.2), function() victim.host:crash() end)
    hosts[p.nodes + n]:spawn(function()
      sleep(random.uniform(0, 0.2))
      local node = join(hosts[p.nodes + n], sponsor)
      nodes[#nodes + 1], joined = node, joined + 1
    end)
  end
  local _, value, depth, questions = me:lookup(keys[i])
  nodes[#nodes + 1] = me
  if value == "value of " .. keys[i] then
    found = found + 1
    hops:add(depth)
    asked:add(questions)
    took:add(now() - began)
  end
end
if LEAVE > 0 then sleep(5) end                             -- the last ones are still joining

local bits = math.log(p.nodes / K, 2)
print(("%d nodes: %.2f hops (log2(N / K) = %.1f), %.1f questions, %.0f ms, %d of %d found"):format(p.nodes, hops:mean(), bits,
  asked:mean(), took:mean() * 1e3, found, LOOKUPS))
check(hops:max() <= bits + 1, "no more than a step for each bit, and one")
check(hops:mean() <= bits / math.log(K, 2) + 1, "on average a step for log2 K bits, and one")
check(found >= LOOKUPS * (LEAVE == 0 and 1 or 0.99), "keys are found")
check(left == LEAVE and joined == LEAVE, "nodes left and joined meanwhile")
record { joined_count = joined, hops_mean = hops:mean(), hops_max = hops:max(), log2_n_over_k = bits, questions_mean = asked:mean(),
         took_ms = took:mean() * 1e3, found_pct = 100 * found / LOOKUPS, timeouts = timeouts }
