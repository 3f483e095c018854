-- A mail on its way: from a program to the own server, by the MX records of the other domain to its server, into a box.
--   tidewire run scripts/mail/mail.lua
-- Look at: who is asked for the servers of a domain, and in which order they are tried; a second server that stands in for the first;
-- a mail that comes back; a relay that is not open to everybody; and how long a mail takes.
local core = net:router "core"
local function host(name, delay)
  local h = net:host(name)
  net:link(h, core, { rate = "100Mbps", delay = delay or "5ms" })
  return h
end
local kim, stranger, lee = host "kim", host("stranger", "20ms"), host "lee"
local mail_a, mail_b, backup_b, ns = host "mail_a", host "mail_b", host "backup_b", host "ns"
ns:dns_server { origin = ".", zone = {
  ["mail.a.com"] = mail_a, ["mx1.b.com"] = mail_b, ["mx2.b.com"] = backup_b,
  ["a.com"] = { MX = "10 mail.a.com" },
  ["b.com"] = { MX = { "10 mx1.b.com", "20 mx2.b.com" } },
} }
net:resolver(ns)

local a = mail_a:mail_server { domain = "a.com", users = { "kim" }, relay = cidr(kim.ip .. "/32").network .. "/32", retry = "10s" }
local b = mail_b:mail_server { domain = "b.com", users = { "lee", "park" }, max_size = "1MB" }
local b2 = backup_b:mail_server { domain = "b.com", users = { "lee" } }

-- One mail, from box to box.
local sent = now()
assert(kim:send_mail { via = mail_a, from = "kim@a.com", to = "lee@b.com", subject = "Hello", body = "Dear Lee,\n.a line with a dot\nKim" })
local mail = assert(b:fetch("lee", { timeout = "10s" }))
local took = mail.at - sent
print(("'%s' from %s took %.0f ms"):format(mail.subject, mail.from, took * 1e3))
check(mail.body == "Dear Lee,\n.a line with a dot\nKim", "as it was written")
sleep "100ms"                                    -- until the servers have said goodbye
check(a.sent == 1 and b.received == 1, "one server passed it on, the other took it")

-- The first server of the domain is dead: the second takes the mail.
mail_b:crash()
assert(kim:send_mail { via = mail_a, from = "kim@a.com", to = "lee@b.com", subject = "again" })
check(b2:fetch("lee", { timeout = "5min" }).subject == "again", "the second server of the domain")
mail_b:boot()

-- Nobody of that name: the sender is told.
assert(kim:send_mail { via = mail_a, from = "kim@a.com", to = "nobody@b.com", subject = "?" })
local told = assert(a:fetch("kim", { timeout = "1min" }))
print("came back:", told.body)
check(told.from == "" and told.subject == "not delivered" and a.bounced == 1, "a mail about the mail that did not arrive")

-- Straight to the servers of the domain, without an own one.
local direct = assert(lee:send_mail { from = "lee@home.org", to = { "park@b.com", "kim@a.com" }, body = "100kB" })
check(#b:box "park" == 1 and a:fetch("kim", { timeout = "10s" }).from == "lee@home.org", "two domains, two servers")

-- What is refused.
local _, why, code = stranger:send_mail { via = mail_a, from = "spam@c.com", to = "lee@b.com" }
print("a stranger:", why)
check(code == 550 and a.faults["this server does not pass mail on"] == 1, "no relay for strangers")
check(select(3, lee:send_mail { from = "lee@home.org", to = "park@b.com", body = "2MB" }) == 552, "too long")
check(select(2, lee:send_mail { from = "lee@home.org", to = "x@nowhere.net" }) ~= nil, "no such domain")
record { mail_ms = took * 1e3, direct_ms = direct.total * 1e3, received_count = a.received + b.received + b2.received }
