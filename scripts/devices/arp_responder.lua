-- Row 79. A device that answers ARP and ping for an address of its own: every field read and written by hand.
--   tidewire run scripts/devices/arp_responder.lua
-- Look at: who-has and is-at, and an echo reply made of a request by swapping addresses.

local a = net:host "a"
local responder = net:device("responder", { like = "host" })
net:link(a, responder)
local me = responder.ports[1]

responder:on_frame(function(port, frame)
  print(frame)
  if frame.arp and frame.arp.op == "request" and frame.arp.target_ip == port.ip then
    port:send {
      eth = { src = port.mac, dst = frame.eth.src },
      arp = { op = "reply", sender_mac = port.mac, sender_ip = port.ip,
              target_mac = frame.arp.sender_mac, target_ip = frame.arp.sender_ip },
    }
  elseif frame.icmp and frame.icmp.type == 8 and frame.ip.dst == port.ip then
    frame.icmp.type = 0
    frame.ip.src, frame.ip.dst = frame.ip.dst, frame.ip.src
    frame.eth.src, frame.eth.dst = frame.eth.dst, frame.eth.src
    port:send(frame)
  end
end)

local rtt = a:ping(me.ip)
check(rtt ~= nil, "the ping is answered")
check(a:arp_table()[me.ip] == me.mac, "a has learnt the address")
check(a:ping(me.ip, { count = 3 }).lost == 0, "again and again")
print(("round trip %.1f us"):format(rtt * 1e6))
