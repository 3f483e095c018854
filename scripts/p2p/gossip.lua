-- A rumour among N nodes: every round each node turns to one other by chance.
--   tidewire sweep scripts/p2p/gossip.lua
-- Look at the rounds until all know it. Push: who knows it tells; log2 N + ln N rounds (Pittel 1987), the last nodes are found slowly.
-- Pull: who does not know it asks; slow at first, but the rest shrinks by squares. Push-pull: both; log3 N + O(ln ln N) rounds
-- (Karp, Schindelhauer, Shenker, Voecking 2000). Messages that carry the rumour: about N ln N when pushed, far fewer for push-pull.
local p = experiment {
  name   = "gossip",
  params = { how = { "push", "pull", "push_pull" }, nodes = { 16, 64, 256, 1000 } },
  reps   = 5,
  expect = { "mean(rounds_over_theory) <= 5", "mean(rounds_over_theory) >= -5" },   -- theory is about the mean; the beginning of pull is chance
  plot   = { x = "nodes", y = { "rounds", "rumours" }, color = "how", log = "x" },
}
local ROUND, PORT = 1, 5000
local core, hosts = net:router "core", net:hosts("node", p.nodes)
for _, host in ipairs(hosts) do net:link(host, core, { rate = "10Mbps", delay = "10ms" }) end

local known, count, rumours = {}, 1, 0
known[1] = 0                                               -- the round in which each node learned it
local function round() return math.floor(now() / ROUND + 0.5) end
local function learn(i)
  if known[i] then return end
  known[i], count = round(), count + 1
end

for i, host in ipairs(hosts) do
  local sock, chance = host:udp(PORT), random.stream("gossip/" .. i)
  host:spawn(function()
    while true do
      local msg, from = sock:recvfrom()
      if msg == "rumour" then
        learn(i)
      elseif known[i] and known[i] < round() then          -- a question, from somebody who does not know it
        rumours = rumours + 1
        sock:sendto("rumour", from)
      end
    end
  end)
  every(ROUND, function()
    local j = chance.int(1, p.nodes - 1)
    local other = hosts[j < i and j or j + 1]
    if known[i] and p.how ~= "pull" then
      rumours = rumours + 1
      sock:sendto("rumour", other, PORT)
    elseif not known[i] and p.how ~= "push" then
      sock:sendto("?", other, PORT)
    end
  end)
end

while count < p.nodes do sleep(ROUND) end
local last = 0
for _, r in pairs(known) do last = math.max(last, r) end
local ln, log2 = math.log(p.nodes), math.log(p.nodes, 2)
local theory = ({ push = log2 + ln, pull = log2 + math.log(ln, 2), push_pull = math.log(p.nodes, 3) + math.log(ln) })[p.how]
print(("%s, %d nodes: %d rounds (theory %.1f), %d rumours sent"):format(p.how, p.nodes, last, theory, rumours))
check(last >= log2 / (p.how == "push_pull" and math.log(3, 2) or 1) - 1, "no faster than doubling, or tripling with push and pull")
record { rounds = last, theory = theory, rounds_over_theory = last - theory, rumours = rumours, rumours_per_node = rumours / p.nodes }
stop()
