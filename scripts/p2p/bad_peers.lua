-- A swarm with members that do not behave: takers, liars, vandals.
--   tidewire sweep scripts/p2p/bad_peers.lua
-- Look at swarm.csv: who was banned and why. Wrong bytes cost a piece each until it is known who sent them; who never answers costs
-- hardly anything, as the last blocks are asked of others too; floods and garbage end a connection. Everybody who wants the file gets the right one; those who only take get it too,
-- later, from seeds and by optimistic unchokes (free_riders.lua looks closer).
local p = experiment {
  name   = "bad_peers",
  params = { who = { "none", "free_rider", "corrupt", "liar", "flood", "garbage", "all" } },
  plot   = { x = "who", y = "last_honest_s" },
}
local core, origin = net:router "core", net:host "origin"
net:link(origin, core, { rate = "10Mbps", delay = "10ms" })
local peers, bad = net:hosts("peer", 12), net:hosts("bad", 5)
for _, peer in ipairs { peers, bad } do
  for _, host in ipairs(peer) do
    net:link(host, core, { delay = "15ms", forward = { rate = "4Mbps" }, backward = { rate = "20Mbps" } })
  end
end
local behaviour, all = {}, { "free_rider", "corrupt", "liar", "flood", "garbage" }
for i, word in ipairs(all) do
  if p.who == "all" then behaviour[word] = bad[i] end
end
if p.who ~= "all" and p.who ~= "none" then behaviour[p.who] = bad end
local members = p.who == "none" and peers or { peers, bad }
local swarm = net:swarm { seed = origin, peers = members, size = "8MB", piece = "64KiB", interval = "1s", behaviour = behaviour,
                          upload = "88%", seed_upload = "98%", log = true }
swarm:wait { timeout = "10min" }

local last, rider, times, sums = 0, 0, { honest = histogram "honest_s", free_rider = histogram "rider_s" }, { banned = 0, corrupt = 0, malformed = 0, floods = 0, timeouts = 0 }
for _, one in ipairs(swarm:list()) do
  if times[one.behaviour] and not one.seed then times[one.behaviour]:add(one.complete) end
  if one.behaviour == "honest" and not one.seed then
    check(one.ok, "%s has the right file", one.name)
    last = math.max(last, one.complete)
  elseif one.behaviour == "free_rider" then
    rider = math.max(rider, one.complete)
    check(one.ok and one.uploaded == 0, "%s has the right file too, and gave nothing", one.name)
  end
  for name in pairs(sums) do sums[name] = sums[name] + one[name] end
end
print(("%s: last honest peer %.1f s, last free rider %s; banned %d, corrupt pieces %d, malformed %d, floods %d, timeouts %d"):format(
  p.who, last, rider > 0 and ("%.1f s"):format(rider) or "none", sums.banned, sums.corrupt, sums.malformed, sums.floods, sums.timeouts))
if p.who == "free_rider" then
  check(times.free_rider:mean() > times.honest:mean(), "who only takes waits longer")
end
if p.who == "corrupt" then check(sums.corrupt > 0 and sums.banned > 0, "vandals are found") end
if p.who == "liar" then check(last < 1.25 * times.honest:mean(), "nobody waits for who never answers") end
if p.who == "flood" then check(sums.floods > 0, "floods end connections") end
if p.who == "garbage" then check(sums.malformed > 0, "garbage ends connections") end
record { last_honest_s = last, last_rider_s = rider > 0 and rider or nil, honest_s = times.honest:mean(), rider_s = rider > 0 and times.free_rider:mean() or nil, banned = sums.banned, corrupt = sums.corrupt, malformed = sums.malformed,
         floods = sums.floods, timeouts = sums.timeouts }
stop()
