-- Workers that die with tasks in hand, and a queue server that dies: no task that was acknowledged is lost.
--   tidewire run scripts/chain/redelivery.lua
-- Look at: a worker dies in the middle of a task: the task is given to another one, once. The queue server dies and comes back: all
-- that it had acknowledged is done in the end. Without a disk it would have been lost, and counted.
experiment { name = "redelivery" }
local web, broker, memory = net:host "web", net:host "broker", net:host "memory"
local good, bad = net:host "good", net:host "bad"
net:lan("dc", { web, broker, memory, good, bad }, { rate = "1Gbps", delay = "100us" })

local server = broker:queue_server { sync = "1ms" }
local times = {}
local function handler(host)
  return function(task)
    local key = tonumber(task.body)
    sleep "2s"
    times[key] = (times[key] or 0) + 1
    if host == good and key == 3 and times[key] == 1 then return false end        -- given back: done by somebody later
  end
end
local jobs = web:queue_client(broker, { visibility = "5s", timeout = "1s", tries = 20 })
for i = 1, 4 do jobs:put(tostring(i)) end
bad:queue_workers { from = broker, handler = handler(bad) }
sleep "1s"
check(server.working == 1, "a worker has a task in hand")
-- What the queue server holds, at one moment after the other.
local function show(what)
  print(("%6.1f s  %-44s %2d waiting %2d in hand %2d done %2d again"):format(now(), what, server.waiting, server.working, server.done, server.redelivered))
  record("tasks", { at_s = now(), what = what, waiting = server.waiting, working = server.working, done = server.done, redelivered = server.redelivered })
end
show "a worker has a task in hand, and dies"
bad:crash()
local workers = good:queue_workers { from = broker, handler = handler(good) }
sleep "4.5s"
check(server.timeouts == 1 and server.redelivered == 1, "its time is over: another one gets the task, once")
show "5 s are over: another worker has the task"

-- The queue server dies while a task is in hand and others wait.
for i = 5, 8 do check(jobs:put(tostring(i)), "acknowledged: " .. i) end
show "four more are acknowledged; the queue server dies"
broker:crash()
local begun = now()
local id = nil
spawn(function() id = jobs:put "9" end)
sleep "3s"
check(id == nil, "nobody acknowledges while it is away")
broker:boot()
sleep "1s"
show "it is back: what it acknowledged is there"
sleep "39s"
show "all is done"
check(id ~= nil, ("acknowledged %.1f s after the crash"):format(now() - begun - 40))
for i = 1, 9 do check((times[i] or 0) >= 1, ("task %d was done"):format(i)) end
check(server.lost == 0 and server.done == server.put, "everything that was acknowledged is done")
check(workers.reconnects > 0, "workers came back by themselves")
print(("%d tasks, %d times given to a worker, %d of them again"):format(server.put, server.reserved, server.redelivered))
print(("%d tasks put, %d done, %d lost; workers came back %d times"):format(server.put, server.done, server.lost, workers.reconnects))
record { put_count = server.put, done_count = server.done, again_count = server.redelivered, lost_count = server.lost }
workers:stop()

-- The same without a disk.
local forgetful = memory:queue_server { durable = false }
local other = web:queue_client(memory)
for i = 1, 5 do other:put(tostring(i)) end
memory:crash()
memory:boot()
sleep "1s"
check(forgetful.lost == 5 and forgetful.waiting == 0, "without a disk five tasks are lost, and counted")
print(("without a disk: %d tasks put, %d lost"):format(forgetful.put, forgetful.lost))
record { lost_without_disk_count = forgetful.lost }
other:close()
jobs:close()
server:stop()
