-- Row 23. Four segments close a connection, each direction by itself; or one, when a side has had enough.
--   tidewire run scripts/tcp/close.lua
-- Look at the states: who closes first waits in TIME_WAIT, for 2 MSL (60 s, as on Linux), so that no old segment meets a new connection.
-- mode = reset: abort() instead of close(). mode = both: both sides close at the same instant, and both wait in TIME_WAIT.
local p = experiment { params = { mode = { "orderly", "reset", "both" } } }

local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "10ms", framing = "ip" })

local listener = b:listen(80)
local ours = assert(a:connect(b, 80))
local theirs = listener:accept()

local states, entered, lasted = { a = {}, b = {} }, {}, 0
local function note(name, state)
  local list = states[name]
  if list[#list] == state then return end
  list[#list + 1] = state
  if state == "TIME_WAIT" then entered[name] = now() end
  if state == "CLOSED" and entered[name] then lasted = now() - entered[name] end
  print(("%10.3f ms  %s  %s"):format(now() * 1e3, name, state))
end
local function look() note("a", ours.state) note("b", theirs.state) end
local often = every("10us", look)
after("200ms", function() often:cancel() every("1ms", look) end)

local picture = ladder(a, b)
sleep "1ms"
if p.mode == "orderly" then
  b:spawn(function()
    local _, why = theirs:recv()                     -- the peer's FIN is the end of the stream
    check(why == "closed", "b reads the end of the stream")
    sleep "50ms"                                     -- b still has something to do: CLOSE_WAIT
    theirs:close()
  end)
  ours:close()
elseif p.mode == "reset" then
  ours:abort()
else
  ours:close()
  theirs:close()
end
sleep "61s"

print(picture)
print("a: " .. table.concat(states.a, " -> "))
print("b: " .. table.concat(states.b, " -> "))
if lasted > 0 then print(("TIME_WAIT lasted %.0f s = 2 MSL"):format(lasted)) end
record { time_wait_s = lasted }
