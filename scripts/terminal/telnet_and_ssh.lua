-- A terminal on another host, twice: with telnet anybody on the way reads along, with SSH nobody does.
--   tidewire run scripts/terminal/telnet_and_ssh.lua
-- Look at what the router in the middle overhears, and at who is refused: a key that is not on the list, a wrong password, a server
-- that is not the one it was. The cryptography is modelled: it hides from the eye, and that is what is shown here.
local admin, mallory, server = net:host "admin", net:host "mallory", net:host "server"
local isp = net:router "isp"
for _, host in ipairs { admin, mallory, server } do net:link(host, isp, { rate = "100Mbps", delay = "5ms" }) end

local overheard, seen = { [22] = {}, [23] = {} }, {}
isp:sniff("tcp port 22 or tcp port 23", function(pkt)
  local port = pkt.dport < 1024 and pkt.dport or pkt.sport
  -- A packet is seen on both links of the router.
  local place = pkt.src .. pkt.sport .. pkt.dport .. pkt.seq
  if seen[place] then return end
  seen[place] = true
  if pkt.payload_len > 0 then table.insert(overheard[port], pkt.payload) end
end)
-- What somebody in the middle would see: letters as they are, all other bytes as dots.
local function shown(port, most)
  local lines, text = {}, table.concat(overheard[port]):gsub("[^%g ]", ".")
  for at = 1, math.min(#text, most), 76 do lines[#lines + 1] = "  | " .. text:sub(at, math.min(at + 75, most)) end
  return table.concat(lines, "\n")
end
local function heard(port, word) return table.concat(overheard[port]):find(word, 1, true) ~= nil end

-- Telnet.
local telnet = server:telnet_server { users = { kim = "hunter2" } }
local t = assert(admin:telnet(server, "kim", "hunter2"))
print("telnet:", t:run "whoami", t:run "echo launch code 0000")
t:close()
print(("overheard of telnet, %d bytes:\n%s"):format(#table.concat(overheard[23]), shown(23, 400)))
check(heard(23, "hunter2") and heard(23, "launch code"), "the password and all commands can be read on the way")
check(select(2, admin:telnet(server, "kim", "guess")) == "permission denied", "a wrong password")

-- SSH: a key pair; the server knows the public half.
local key, other = net:ssh_key "kim@laptop", net:ssh_key "mallory@cafe"
local ssh = server:ssh_server { users = { kim = { keys = { key }, password = "hunter2" }, lee = "swordfish" } }
local s = assert(admin:ssh(server, "kim", { key = key }))
print("ssh:   ", s:run "whoami", s:run "echo launch code 0000", "host key " .. s.fingerprint)
s:close()
local said = table.concat(overheard[22])
-- After the greeting and the exchange of keys, which are in the clear.
overheard[22] = { said:sub(-400) }
print(("overheard of SSH, %d bytes, the last 400:\n%s"):format(#said, shown(22, 400)))
overheard[22] = { said }
local by_password = assert(admin:ssh(server, "lee", { password = "swordfish" }))
check(by_password:run "whoami" == "lee", "a password works, too")
by_password:close()
check(heard(22, "SSH-2.0"), "that it is SSH can be seen")
check(not heard(22, "launch code") and not heard(22, "swordfish") and not heard(22, "kim"), "what is said cannot")

-- Who is refused.
local none, why = mallory:ssh(server, "kim", { key = other })
print("another key:", none, why)
check(none == nil and why == "permission denied", "a key that is not on the list")
check(select(2, mallory:ssh(server, "kim", { password = "guess" })) == "permission denied", "a wrong password")
check(ssh.faults["permission denied"] == 2 and ssh.logins == 2 and telnet.logins == 1, "all of it is counted")

-- Somebody else answers at the server's address from now on.
ssh:stop()
server:ssh_server { users = { kim = key }, host_key = net:ssh_key "fake" }
local nobody, reason = admin:ssh(server, "kim", { key = key })
print("another server:", nobody, reason)
check(reason == "host key changed", "the host has met the right one before")
record { telnet_overheard_bytes = #table.concat(overheard[23]), ssh_overheard_bytes = #table.concat(overheard[22]) }
