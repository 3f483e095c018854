-- Calling a function on another host, over a network that loses datagrams: how often is it done?
--   tidewire sweep scripts/session/rpc.lua
-- Look at executions_count against calls_count. A lost answer looks like a lost question, so the client asks again. At least once:
-- the server does it again, and money moves twice. At most once: the server knows the call by its number and says again what it
-- said before; duplicates_count shows how often. For a question that changes nothing, both are the same.
local p = experiment {
  name = "rpc",
  params = { semantics = { "at_least_once", "at_most_once" }, loss = { "0%", "20%" } },
  plot = { x = "loss", y = { "executions_count", "balance_error" }, color = "semantics", kind = "bar" },
}
local client, bank = net:host "client", net:host "bank"
net:link(client, bank, { rate = "10Mbps", delay = "10ms", loss = p.loss })

local balance = 1000
local server = bank:rpc_server {
  semantics = p.semantics,
  procedures = {
    withdraw = function(account, amount) balance = balance - amount return { account = account, balance = balance } end,
    balance = function() return balance end,
    broken = function() error "out of paper" end,
  },
}
local rpc = client:rpc(bank, { timeout = "100ms", tries = 8 })

local CALLS, done, first = 50, 0, nil
for _ = 1, CALLS do
  local answer, why = rpc:call("withdraw", "kim", 10)
  if answer then done = done + 1 else print("no answer:", why) end
end
check(done == CALLS, "every call was answered in the end")
local wrong = (1000 - 10 * CALLS) - balance
print(("%-13s loss %-3s  %d calls, asked again %d times, done %d times, %d duplicates suppressed, balance wrong by %d"):format(
  p.semantics, p.loss, CALLS, rpc.resent, server.executions, server.duplicates, wrong))
check((wrong == 0) == (p.loss == "0%" or p.semantics == "at_most_once"), "at most once: the balance is right")
check(server.executions + server.duplicates == server.calls, "each question was answered anew or from memory")
record { calls_count = CALLS, executions_count = server.executions, duplicates_count = server.duplicates, resent_count = rpc.resent, balance_error = wrong }

-- Errors come back as values.
if p.loss == "0%" then
  print(rpc:call "broken")
  print(rpc:call "nonsense")
  check(select(2, rpc:call "broken") == "out of paper" and select(2, rpc:call "nonsense") == "no such procedure", "errors are answers")
  -- A server that has started anew does not know what it did: old calls are refused rather than done a second time.
  bank:crash()
  after("1s", function() bank:boot() end)
  local answer, why = client:rpc(bank, { timeout = "500ms", tries = 3 }):call("withdraw", "kim", 10)
  print("asked before the crash, heard after it:", answer and "done", why)
  check(p.semantics == "at_least_once" and answer or why == "the server has started anew", "at most once, even so")
end
