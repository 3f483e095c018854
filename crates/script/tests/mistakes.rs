//! Every mistake gets a message that says what is wrong, where, and what to write instead.

mod common;

use common::error_of;
use tidewire_script::Fault;

/// A network of two hosts, in one line, so that the mistake is on line 2.
const PAIR: &str = "local a, b = net:host 'a', net:host 'b'; net:link(a, b)\n";

/// What is written after [`PAIR`] (or alone, where it begins with `!`), the line of the mistake, and what the message says.
const MISTAKES: &[(&str, u32, &[&str])] = &[
    (
        "wait_any { a }",
        2,
        &["wait_any takes a list of processes, sockets, flows, signals and queues, got a host"],
    ),
    (
        "local d = net:device 'd' net:link(d, net:host 'z') d.ports[1]:send { eth = {}, ip = { tll = 3 } }",
        2,
        &["frame.ip has no field 'tll'; did you mean 'ttl'?"],
    ),
    (
        "a:firewall { inbound = { { allow = 'any', from = {} } } }",
        2,
        &["rule 1 of inbound: the list 'from' is empty"],
    ),
    ("net:host('q', { cpu = 0 })", 2, &["cpu = 0: cores are so many times as fast, more than 0"]),
    ("a:poisson { to = b, rate = '1Mbps', size = { 'normal' } }", 2, &["there is no distribution 'normal'"]),
    (
        "a:watch('sent_packets', { on_change = true, every = '1s' })",
        2,
        &["every and on_change do not go together"],
    ),
    ("a:watch 'sent'", 2, &["unknown metric 'sent'; did you mean 'sent_mbps' or 'sent_packets'?"]),
    ("wait_any { }", 2, &["got an empty list"]),
    (
        "net:traffic { from = {a}, to = {b}, size = 1000, load = '150%', stop = 5 }",
        2,
        &["'150%' is not a share: expected a percentage or a number from 0 to 1"],
    ),
    (
        "net:traffic { from = {a}, to = {b}, size = 1000, load = 60, stop = 5 }",
        2,
        &["60 is not a share; did you mean '60%'?"],
    ),
    (
        "net:traffic { from = {a}, to = {b}, size = 1000, load = 1, stop = 5 }",
        2,
        &["load = 1 can mean 1 % or all of it"],
    ),
    (
        "net:traffic { from = {a}, to = {b}, size = 1000, load = {}, stop = 5 }",
        2,
        &["option 'load' of net:traffic must be a share, such as \"60%\" or 0.6, got a table"],
    ),
    ("net:incast { to = a, from = { b }, block = 0 }", 2, &["block must be more than 0"]),
    ("net:incast { to = a, from = { b }, each = '0B' }", 2, &["each must be more than 0"]),
    ("net:incast { to = a, from = { b, b }, block = '1MB' }", 2, &["'b' stands twice in 'from'"]),
    ("wait_any { spawn(print), tmeout = 1 }", 2, &["wait_any takes a list and timeout, not 'tmeout'"]),
    ("wait_any { a:bulk { to = b } }", 2, &["this flow has no end"]),
    ("a:bulk { to = b }:on('end', print)", 2, &["this flow has no end"]),
    ("a:bulk { to = b, size = 1 }:on('finish', print)", 2, &["it can be one of \"end\""]),
    ("a:run 'nowhere.lua'", 2, &["cannot read"]),
    ("check(true, '%d', 'x')", 2, &["the text \"%d\" does not fit the values after it"]),
    ("assert_eq({ 1 }, { 1 })", 2, &["tables are equal only to themselves"]),
    ("table.sort { 3, 'a', 2 }", 2, &["attempt to compare number with string: elements 1 and 2"]),
    ("a:udp():send 'x'", 2, &["send() on a socket without a peer", "u:connect(host, port) first"]),
    ("a:bulk { to = b }:watch('cwnd_bytes', { every = 0 })", 2, &["every = 0", "\"10ms\""]),
    ("a:cbr { to = b, rate = '1Mbps', proto = 'tcp' }", 2, &["it can be one of \"udp\""]),
    ("histogram 'h_ms':add(1 / 0)", 2, &["a histogram holds finite numbers"]),
    // Options.
    (
        "!experiment { reps = { min = 5, max = 10 } }",
        1,
        &["reps as a table needs until_ci", "until_ci = \"5%\""],
    ),
    ("!experiment { reps = { min = 5, max = 4, until_ci = '5%' } }", 1, &["max = 4 is less than min = 5"]),
    (
        "!experiment { reps = { min = 5, untl_ci = '5%' } }",
        1,
        &["unknown option 'untl_ci' of reps of experiment"],
    ),
    ("!experiment { reps = 'many' }", 1, &["must be a whole number from 1 to 1000000, or { min = 5"]),
    (
        "net:link(a, b, { rate = '10Mbps', dealy = '5ms' })",
        2,
        &["unknown option 'dealy' of net:link; did you mean 'delay'?", "options: rate delay", "^^^^^"],
    ),
    ("cidr '10.0.0.0/33'", 2, &["'10.0.0.0/33' is not a network"]),
    ("cidr('10.0.0.0/8'):split(30)", 2, &["can be split into networks of /8 to /24"]),
    ("cidr('10.0.0.0/8'):contains('ten')", 2, &["contains() takes an address or a network, not 'ten'"]),
    ("coding.encode('012', 'nrz')", 2, &["bits are 0 and 1, not '2'"]),
    ("coding.encode('01', 'nrzz')", 2, &["did you mean 'nrz"]),
    (
        "check('positive', 1 > 0)",
        2,
        &["the text of check() is a boolean", "the condition comes first: check(x > 0, \"x is positive\")"],
    ),
    ("net:routing('rip', { hello = '1s' })", 2, &["the option 'hello' belongs to \"ospf\", not to \"rip\""]),
    ("net:routing('opsf')", 2, &["did you mean 'ospf'?"]),
    ("net:routing('ospf', { hello = '300ms' })", 2, &["OSPF says it in whole seconds"]),
    ("net:routing('rip', { routers = { a } })", 2, &["'a' does not forward packets", "forward = true"]),
    ("net:wait_converged()", 2, &["no router runs a protocol", "net:routing(\"rip\")"]),
    ("net:router('r'):announce('10.0.0.0/8')", 2, &["'r' does not speak BGP"]),
    ("net:route(a, '10.0.0.0/40', b)", 2, &["'10.0.0.0/40' is not a network"]),
    (
        "net:subnet('10.1.0.0/24', { a, b })\nnet:subnet('10.2.0.0/24', { a, b })\na:ping(b)",
        3,
        &["cannot also have subnet 10.2.0.0/24"],
    ),
    ("net:subnet('10.5.0.0/32', { a, b })\nlocal x = 1\na:ping(b)", 2, &["10.5.0.0/32"]),
    (
        "!local a, r, s = net:host 'a', net:router 'r', net:router 's' net:link(a, r)\nnet:route(r, '10.9.0.0/24', s)\nnet:route(r, '10.9.0.0/24', '10.7.7.7')\na:ping(r)",
        2,
        &["goes via 's', which is on none of its networks"],
    ),
    (
        "local r = net:router 'r' net:link(a, r) r:bgp_policy(a, { prefer = 1 })",
        2,
        &["'a' does not speak BGP: it is no router"],
    ),
    ("net:host('e', { ip = '2001:db8::1/64' })", 2, &["is not an address", "ip6 = \"2001:db8::1/64\""]),
    (
        "local c = net:host 'c' net:link(b, c, { framing = 'ip' }) b:arp_set(c.ip, '02:00:00:00:00:07')",
        2,
        &["has no MAC addresses, so there is no ARP"],
    ),
    (
        "!local a = net:host('a', { ip = '10.5.0.1/30' })\nlocal b, c, s = net:host 'b', net:host 'c', net:switch 's'\nfor _, h in ipairs { a, b, c } do net:link(h, s) end\nb:udp(80)",
        1,
        &["subnet 10.5.0.0/30 has 2 addresses", "that of the address 10.5.0.1/30 of 'a'"],
    ),
    (
        "net:link(a, net:host 'c', { queue = { 'tbf', rate = '1Mbps', burst = '10B' } })",
        2,
        &["burst = 10: a bucket must hold a packet"],
    ),
    ("net:switch('s', { priority = 5 })", 2, &["a multiple of 4096"]),
    ("net:switch('s', { ageing = '0s' })", 2, &["ageing = 0", "net:hub"]),
    ("net:switch('s', { buffer = '0B' })", 2, &["a packet of 1500 bytes has no room"]),
    ("net:link(a, net:host 'c', { queue = { 'pie', target = '0s' } })", 2, &["target = 0s"]),
    (
        "local d = net:device 'd' net:link(d, net:host 'z') d.ports[1]:send { eth = { src = '02:00:00:00:00:05', dst = '02:00:00:00:00:06' }, ip = { src = '10.0.0.1', dst = '10.0.0.2' }, udp = {}, tcp = {} }",
        2,
        &["a frame with udp and tcp"],
    ),
    (
        "local d = net:device 'd' net:link(d, net:host 'z') d.ports[1]:send { eth = { src = '02:00:00:00:00:05', dst = '02:00:00:00:00:06' }, ip = { src = '10.0.0.1', dst = '10.0.0.2', dscp = 'XX' } }",
        2,
        &["a name such as \"EF\""],
    ),
    ("local r = net:router 'r' r:bgp_policy(r, { prefer = 1 })", 2, &["'r' is no neighbour of its own"]),
    (
        "local r, s = net:router 'r', net:router 's' net:link(r, s) r:bgp_policy(s, { relation = 'peer' })\ns:bgp_policy(r, { relation = 'provider' })",
        3,
        &["r was said to be a peer of s before", "once"],
    ),
    (
        "local r, s, t = net:router 'r', net:router 's', net:router 't' net:link(r, s) net:link(s, t) net:routing 'bgp' sleep(1)\nr:bgp_policy(t, { prefer = 1 })",
        3,
        &["'r' has no BGP session with 't'"],
    ),
    (
        "local r, s = net:router 'r', net:router 's' net:link(r, s) net:routing 'bgp'\nr:announce '10.50.0.1/17'",
        3,
        &["10.50.0.1/17"],
    ),
    (
        "local r, s = net:router 'r', net:router 's' net:link(r, s) net:routing 'bgp'\nr:withdraw '10.50.0.0/17'",
        3,
        &["'r' does not announce 10.50.0.0/17"],
    ),
    ("net:link(a, b, { bandwith = '10Mbps' })", 2, &["did you mean 'bandwidth'?"]),
    (
        "net:link(a, b, {\n  rate = '10Mbps',\n  losss = '1%',\n})",
        4,
        &["did you mean 'loss'?", "exp.lua:4:  losss = '1%',"],
    ),
    (
        "net:link(a, b, { rate = 10 })",
        2,
        &["rate = 10 is 10 bit/s, which no link has", "write \"10Mbps\", or \"10bps\" if you mean it"],
    ),
    ("net:link(a, b, { rate = '10Mb' })", 2, &["did you mean '10Mbps' (rate) or '10MB' (size)?", "^^^^"]),
    ("net:link(a, b, { rate = '10 MBPS' })", 2, &["'10 MBPS' is not a rate", "did you mean '10Mbps'?"]),
    ("net:link(a, b, { rate = 0 })", 2, &["rate = 0 is not a rate"]),
    ("net:link(a, b, { rate = {} })", 2, &["option 'rate' of net:link must be a rate", "got a table"]),
    (
        "net:link(a, b, { delay = '5 %ms' })",
        2,
        &["'5 %ms' is not a time: expected a number and one of ns us ms s min h, for example \"5ms\""],
    ),
    ("net:link(a, b, { delay = '20' })", 2, &["'20' is not a time"]),
    ("net:link(a, b, { delay = -1 })", 2, &["a time cannot be negative"]),
    ("net:link(a, b, { delay = true })", 2, &["must be a time", "got true"]),
    ("net:link(a, b, { loss = 5 })", 2, &["5 is not a probability; did you mean '5%'?"]),
    ("net:link(a, b, { loss = 1 })", 2, &["loss = 1 can mean 1 % or always", "\"1%\"", "\"100%\""]),
    ("net:link(a, b, { loss = '101%' })", 2, &["'101%' is not a probability"]),
    ("net:link(a, b, { loss = -0.1 })", 2, &["-0.1 is not a probability"]),
    ("net:link(a, b, { loss = { evry = 3 } })", 2, &["unknown option 'evry' of loss; did you mean 'every'?"]),
    ("net:link(a, b, { loss = { seq = {0} } })", 2, &["lists packets, counted from 1"]),
    (
        "net:link(a, b, { loss = { '1%', match = 'date' } })",
        2,
        &["it can be one of \"data\"", "did you mean 'data'?"],
    ),
    ("net:link(a, b, { queue = '100pakets' })", 2, &["'100pakets' is not a queue limit"]),
    ("net:link(a, b, { queue = '1bdp' })", 2, &["needs the round-trip time", "rtt = \"40ms\""]),
    ("net:link(a, b, { queue = { 'dropptail' } })", 2, &["did you mean 'droptail'?"]),
    (
        "net:link(a, b, { queue = { limt = '10pkt' } })",
        2,
        &["unknown option 'limt' of queue; did you mean 'limit'?"],
    ),
    (
        "net:link(a, b, { mtu = 20 })",
        2,
        &["mtu = 20 is out of range: expected a whole number from 68 to 65535"],
    ),
    (
        "net:link(a, b, { mtu = 1500.5 })",
        2,
        &["option 'mtu' of net:link must be a whole number", "got 1500.5"],
    ),
    ("net:link(a, b, { framing = 'ethernt' })", 2, &["\"ethernt\"", "did you mean 'ethernet'?"]),
    (
        "net:link(a, b, { forward = { dellay = '1ms' } })",
        2,
        &["unknown option 'dellay' of forward of net:link; did you mean 'delay'?"],
    ),
    ("net:link(a, b, { cost = 0 })", 2, &["cost = 0 is out of range"]),
    ("net:link(a, b, { '10Mbps' })", 2, &["the options of net:link have names, such as { rate = ... }"]),
    ("net:link(a, b, '10Mbps')", 2, &["net:link takes its options in a table", "got a text"]),
    ("net:link(a, b, {}, 5)", 2, &["net:link takes at most 3 arguments"]),
    // Nodes and names.
    ("net:link(a, a)", 2, &["'a' cannot be linked to itself"]),
    ("net:link(a)", 2, &["net:link needs a node (host, switch or router) as argument 2 (b), got nil"]),
    ("net:link(a, 'b')", 2, &["argument 2 (b) of net:link must be a node", "got \"b\""]),
    ("net:host 'a'", 2, &["there is already a node named 'a'"]),
    ("net:host ''", 2, &["cannot be a node's name"]),
    ("net:host()", 2, &["net:host needs a text as argument 1 (name), got nil"]),
    ("net:host('c', { ip = '10.0.0.300/24' })", 2, &["'10.0.0.300/24' is not an address"]),
    (
        "!local a = net:host('a', { ip = '10.9.0.1/24' })\nlocal b = net:host('b', { ip = '10.9.0.1/24' })\nnet:link(a, b)",
        2,
        &["'a' and 'b' both have the address 10.9.0.1", "^^^^^^^^", "another ip"],
    ),
    ("net:host('c', { ip = '10.0.0.0/24' })", 2, &["cannot be a host's address"]),
    ("net:host('c', { ip = '240.0.0.1/8' })", 2, &["cannot be a host's address", "240.0.0.0/4 reserved"]),
    ("net:host('c', { ip = '127.0.0.1/8' })", 2, &["cannot be a host's address", "127.0.0.0/8 for loopback"]),
    ("net:host('c', { ip = '0.0.0.5/8' })", 2, &["cannot be a host's address", "not for hosts"]),
    (
        "net:host('c', { tcp = { cc = 'cubci' } })",
        2,
        &["unknown congestion control 'cubci'; did you mean 'cubic'?", "there is: reno cubic"],
    ),
    (
        "net:host('c', { tcp = { sak = true } })",
        2,
        &["unknown option 'sak' of tcp of net:host; did you mean 'sack'?"],
    ),
    ("net.host('c')", 2, &["net.host(...) is called with a dot; write net:host(...)"]),
    ("net:hots('c')", 2, &["the network has no method or field 'hots'", "did you mean"]),
    ("net:subnet('10.0.0.0', {a, b})", 2, &["'10.0.0.0' is not a network"]),
    ("net:lan('l', a)\nnet:lan('l', {a})", 3, &["there is already a node named 'l'"]),
    ("net:lan('l', { 'a' })", 2, &["argument 2 (nodes) of net:lan must be a list of nodes"]),
    ("net:fat_tree { k = 3 }", 2, &["even"]),
    ("net:dumbbell { pairs = 0 }", 2, &["pairs = 0 is out of range"]),
    ("net:dumbbell { pair = 2 }", 2, &["did you mean 'pairs'?"]),
    (
        "net:dumbbell { bottleneck = { delay = '50ms' }, rtt = { '10ms' } }",
        2,
        &["rtt = 10ms is less than twice the delays"],
    ),
    (
        "sleep '1s'\nnet:link(a, b)",
        3,
        &[
            "net:link() at t = 1s: the network is fixed once time has started",
            "link:disable() and link:enable()",
        ],
    ),
    ("a:ping(b)\nnet:host 'c'", 3, &["net:host() at t =", "the network is fixed"]),
    ("b:pign(a)", 2, &["hosts have no method or field 'pign'; did you mean 'ping'?", "^^^^"]),
    ("a.foo = 1", 2, &["hosts have no field 'foo' that can be set", "host.data.foo"]),
    ("net:find('a-b').delay = 5", 2, &["links have no field 'delay' that can be set"]),
    ("net:find('a-b'):disabel()", 2, &["links have no method or field 'disabel'; did you mean 'disable'?"]),
    ("net:find('a-b'):set { rat = '1Mbps' }", 2, &["unknown option 'rat' of link:set; did you mean 'rate'?"]),
    ("net:link(a, b, { jitter = '2' })", 2, &["'2' is not a time"]),
    ("net:link(a, b, { jitter = { 'norml', '2ms' } })", 2, &["did you mean 'normal'?"]),
    ("net:link(a, b, { jitter = { 'normal' } })", 2, &["jitter needs a time"]),
    ("net:link(a, b, { jitter = { '2ms', correlaton = '5%' } })", 2, &["did you mean 'correlation'?"]),
    ("net:link(a, b, { jitter = { '2ms', correlation = '100%' } })", 2, &["correlation must be below 100%"]),
    ("net:link(a, b, { corrupt = { ber = 2 } })", 2, &["a bit error ratio lies between 0 and 1"]),
    ("net:link(a, b, { corrupt = {} })", 2, &["corrupt is a probability", "{3, 7}"]),
    ("net:link(a, b, { duplicate = '2x' })", 2, &["'2x' is not a probability"]),
    (
        "net:link(a, b, { loss = { 'gilbert', good_to_bad = '1%' } })",
        2,
        &["need good_to_bad and bad_to_good"],
    ),
    ("net:link(a, b, { queue = 'fqcodel' })", 2, &["did you mean 'fq_codel'?"]),
    (
        "net:link(a, b, { queue = { 'codel', targt = '5ms' } })",
        2,
        &["unknown option 'targt' of queue; did you mean 'target'?"],
    ),
    ("net:link(a, b, { queue = { 'red', min = '15pkt', max = '5pkt' } })", 2, &["RED needs min below max"]),
    ("net:link(a, b, { queue = { 'tbf' } })", 2, &["a token bucket needs a rate"]),
    ("net:link(a, b, { queue = { 'drr', classes = {1, 0} } })", 2, &["a list of weights"]),
    ("net:link(a, b, { queue = { ce_threshold = 'x' } })", 2, &["'x' is not a time"]),
    ("net:link(a, b, { trace = 'no.trace' })", 2, &["cannot read", "no.trace"]),
    ("net:find('a-b'):drop_next(-1)", 2, &["n = -1 is out of range"]),
    (
        "net:find('a-b'):forward():watch('queue_byte')",
        2,
        &["unknown metric 'queue_byte'; did you mean 'queue_bytes'?", "there is: queue_bytes"],
    ),
    ("net:find('a-b'):pcap('../x')", 2, &["'../x' is not a plain file name"]),
    // Sockets.
    ("a:tcp():bind(65536)", 2, &["65536 is not a port: ports are 0 to 65535"]),
    ("a:udp(65536)", 2, &["65536 is not a port: ports are 0 to 65535", "^^^^^"]),
    ("a:udp(-1)", 2, &["-1 is not a port"]),
    ("a:udp('http')", 2, &["argument 1 (port) of host:udp must be a port"]),
    ("a:tcp():bind()", 2, &["bind() needs a port: bind(9999)"]),
    ("a:tcp():listen()", 2, &["listen() needs a port: call bind(port) first"]),
    ("a:tcp():accept()", 2, &["accept() needs a listening socket"]),
    ("a:tcp():connect(b)", 2, &["connect() needs a port: connect(host, 80)"]),
    ("a:tcp():connect(nil, 80)", 2, &["as argument 1 (to), got nil"]),
    ("a:tcp():connect(b, 70000)", 2, &["70000 is not a port"]),
    ("a:tcp():send 'x'", 2, &["send() needs a connection"]),
    ("a:tcp():recv()", 2, &["recv() needs a connection"]),
    ("a:tcp():snd 'x'", 2, &["TCP sockets have no method or field 'snd'; did you mean 'send'?"]),
    ("a:udp():recvfrom(1024)", 2, &["a bare number is not a timeout here", "recvfrom{ timeout = \"1s\" }"]),
    (
        "a:udp():recvfrom { timout = 1 }",
        2,
        &["unknown option 'timout' of udp:recvfrom; did you mean 'timeout'?"],
    ),
    ("a:udp():sendto('x', b)", 2, &["sendto() needs a port"]),
    ("a:udp():sendto({}, b, 5)", 2, &["argument 1 (data) of udp:sendto must be a text", "got a table"]),
    ("a:udp():settimeout '1'", 2, &["'1' is not a time"]),
    ("a:udp().x = 1", 2, &["UDP sockets have no field 'x' that can be set"]),
    ("a:ping(b, { count = 0 })", 2, &["count = 0 is out of range"]),
    ("a:ping()", 2, &["host:ping needs a host, an address"]),
    ("a:serve(80)", 2, &["host:serve needs a function as argument 2 (fn), got nil"]),
    ("local s = net:switch 's'\na:ping(s)", 3, &["'s' is a switch: it has no address"]),
    ("a.ping(b)", 2, &["a.ping(...) is called with a dot; write a:ping(...)", "^^^^"]),
    ("a.connect(b, 80)", 2, &["write a:connect(...)"]),
    ("a.bulk { to = b }", 2, &["write a:bulk(...)"]),
    ("local u = a:udp()\nu.sendto('x', b, 9)", 3, &["write u:sendto(...)"]),
    (
        "local s = b:listen(80)\nlocal t = b:listen(80)\nt:accept()",
        4,
        &["exp.lua:3: listen() returned nil, \"in use\"", "assert(...)"],
    ),
    (
        "local s = b:udp(80)\nlocal t = b:udp(80)\nt:recvfrom()",
        4,
        &["exp.lua:3: udp() returned nil, \"in use\"", "assert(...)"],
    ),
    (
        "b:udp(80)\nassert(b:udp(80))",
        3,
        &["udp() failed, \"in use\": another socket of this host has the port"],
    ),
    (
        "assert(a:connect(b, 80))",
        2,
        &["connect() failed, \"refused\": nobody listens on that port of that host"],
    ),
    // Applications.
    ("a:bulk { too = b }", 2, &["unknown option 'too' of host:bulk; did you mean 'to'?"]),
    ("a:bulk {}", 2, &["host:bulk needs the option 'to'", "to is a host"]),
    ("a:bulk(b)", 2, &["host:bulk takes its options in a table", "got a host"]),
    ("a:cbr { to = b }", 2, &["host:cbr needs the option 'rate'"]),
    ("a:cbr { to = b, rate = '1Mbps', size = '100kB' }", 2, &["a datagram has 1 to 65507 bytes"]),
    ("a:cbr { to = 'c', rate = '1Mbps' }", 2, &["there is no host named 'c'"]),
    ("a:bulk { to = b, start = '5s', stop = '2s' }", 2, &["stops at 2s, before it starts at 5s"]),
    ("a:bulk { to = b, cc = 'renno' }", 2, &["did you mean 'reno'?"]),
    ("a:bulk { to = b }:wait()", 2, &["this flow has no end"]),
    ("a:bulk { to = b, size = '1MB' }:watch('cwnd')", 2, &["unknown metric 'cwnd'"]),
    (
        "print(a:bulk { to = b, size = '1MB' }.goodput_mbs)",
        2,
        &["flows have no method or field 'goodput_mbs'; did you mean 'goodput_mbps'?"],
    ),
    (
        "b:serve(80, function() end) b:http_server { port = 81, pages = {} } a:cbr { to = b, rate = '1Mbps' }",
        2,
        &["the run would never end"],
    ),
    ("a:bulk { to = b }", 2, &["the run would never end", "experiment{ duration = \"30s\" }"]),
    ("queue():put(nil)", 2, &["put() needs a value that is not nil"]),
    ("queue(0)", 2, &["capacity = 0 is out of range"]),
    ("resource(2):release()", 2, &["release() without acquire()"]),
    ("signal():wait()", 2, &["deadlock", "signal:wait()"]),
    // Time and processes.
    ("sleep()", 2, &["sleep needs a time, such as \"20ms\""]),
    ("sleep '5'", 2, &["'5' is not a time"]),
    ("sleep '-1s'", 2, &["'-1s' is not a time: it is negative"]),
    ("at_end(function() at_end(print) end)", 2, &["the end is now", "^^^^^^"]),
    ("if a != b then end", 2, &["near '!'", "\"not equal\" is written ~="]),
    ("local s = 0 s += 1", 2, &["near '+'", "there is no += and no ++ in Lua"]),
    ("if a = b then end", 2, &["'then' expected near '='", "to compare, write =="]),
    ("for _, x in ipairs(a.data.list) do end", 2, &["ipairs(t) expects a list, got nil", "^^^^^^"]),
    ("require 'ok.lua'", 2, &["require 'ok.lua': write it without .lua"]),
    ("local x <const> = 1 x = 2", 2, &["what is <const> and the variable of a for loop cannot be changed"]),
    (
        "sleep '5s' a:bulk { to = b, size = '1kB', start = '2s' }",
        2,
        &["start = 2s is in the past: it is t = 5s"],
    ),
    ("now(5)", 2, &["now takes no argument", "^^^"]),
    ("bytes '1.5B'", 2, &["'1.5B' is not a size: bytes come whole"]),
    ("net:host(0 / 0)", 2, &["argument 1 (name) of net:host must be a text"]),
    ("error()", 2, &["error() was called without a message", "give it a text"]),
    ("print(a.name + 1)", 2, &["attempt to add a 'string'", "a .. b joins texts"]),
    ("print(('%d'):format(1.5))", 2, &["bad argument #1 to 'format'", "^^^^^^"]),
    ("sleep(-1)", 2, &["a time cannot be negative"]),
    ("sleep '1000000h'", 2, &["1000000h: the simulated clock ends after 213 days (5124 h)", "^^^^^^^^"]),
    ("sleep(math.huge)", 2, &["infinite: the simulated clock ends"]),
    ("sleep(0/0)", 2, &["not a number (0/0 or the like)"]),
    ("sleep '5000h'\nsleep '5000h'", 3, &["sleep() at t = 18000000s would end after 213 days"]),
    ("sleep '1s'\nat('0.5s', print)", 3, &["at(500ms) is in the past: it is t = 1s"]),
    ("at('1s')", 2, &["at needs a function as argument 2 (fn), got nil"]),
    ("at('1s', print('x'))", 2, &["at needs a function"]),
    ("every(0, print)", 2, &["every(0) would never let time pass"]),
    ("spawn('x')", 2, &["argument 1 (fn) of spawn must be a function, got \"x\""]),
    ("wait_all { a }", 2, &["wait_all takes a list of processes"]),
    ("coroutine.yield(1)", 2, &["coroutine.yield() outside of a coroutine"]),
    ("at_end(function()\n  sleep '1s'\nend)", 3, &["functions of at_end() cannot wait"]),
    (
        "string.gsub('abc', '.', function() sleep '1s' end)",
        2,
        &["cannot wait here", "string.gsub", "wait before it"],
    ),
    ("spawn(function()\n  error 'oops'\nend)", 3, &["oops", "in process 'process 1', started at exp.lua:2"]),
    (
        "b:spawn(function()\n  local x = nil\n  x.y = 1\nend)",
        4,
        &[
            "attempt to index a nil value (local 'x')",
            "in process 'process 1' of b, started at exp.lua:2",
            "^",
        ],
    ),
    ("at('1s', function() boom() end)", 2, &["unknown name 'boom'", "in process 'at'"]),
    (
        "local function f() error 'deep' end\nlocal function g() f() end\ng()",
        2,
        &["deep", "called from exp.lua:3  g()", "called from exp.lua:4"],
    ),
    (
        "local s = a:connect(b, 80)\ns:send 'x'",
        3,
        &[
            "attempt to index a nil value (local 's')",
            "exp.lua:2: connect() returned nil, \"refused\"",
            "assert(...)",
        ],
    ),
    ("error { code = 5 }", 2, &["error() was called with a table", "give it a text"]),
    // Deadlock.
    (
        "b:spawn(function() b:listen(9998):accept() end)\nlocal s = a:udp()\ns:recvfrom()",
        4,
        &[
            "deadlock at t =",
            "the main program still waits",
            "main",
            "recvfrom()",
            "exp.lua:4",
            "process 1 (b)",
            "accept()",
            "exp.lua:2",
            "on port 9998",
        ],
    ),
    ("spawn(function() a:udp():recvfrom() end):join()", 2, &["deadlock", "join()", "for process 1"]),
    // Units and the rest of the language.
    ("seconds '5 apples'", 2, &["'5 apples' is not a time"]),
    ("bytes '5Mbps'", 2, &["'5Mbps' is not a size"]),
    ("random.uniform(5, 1)", 2, &["random.uniform(5, 1): the interval is empty"]),
    ("random.normal(9, -1)", 2, &["random.normal: sd = -1 must be 0 or more"]),
    ("random.pareto { shape = 2, mean = 3, scale = 1 }", 2, &["takes a scale or a mean, not both"]),
    ("net:link(a, b, { loss = '1' })", 2, &["'1' can mean 1 % or always", "\"100%\""]),
    ("net:link(a, b, { rate = '10Mb/s' })", 2, &["did you mean '10Mbps'?"]),
    ("net:link(a, b, { loss = {} })", 2, &["loss = {...} says what is lost"]),
    ("net:link(a, b, { loss = { '1%', every = 5 } })", 2, &["has one model of losses"]),
    (
        "net:link(a, b, { queue = { 'droptail', ecn = true } })",
        2,
        &["ecn belongs to red, codel, fq_codel, pie, not to droptail"],
    ),
    (
        "net:link(a, b, { queue = { 'codel', min = 5, max = 50 } })",
        2,
        &["min belongs to red, not to codel", "^^^"],
    ),
    (
        "net:link(a, b, { queue = { 'droptail', rate = '5Mbps' } })",
        2,
        &["rate belongs to tbf, not to droptail"],
    ),
    (
        "net:routing('rip', { update = '10s', timeout = '1s' })",
        2,
        &["timeout = 1s is not longer than update = 10s"],
    ),
    ("csv('t', { 'a', 'a' })", 2, &["'a' is a column twice"]),
    ("csv('t', { 'a', 'run' })", 2, &["'run' is a column that every table has"]),
    ("record('t', { rep = 1 })", 2, &["'rep' is a column that every table has"]),
    (
        "local c = net:host 'c' net:link(a, c):filter(function() return 'drp' end) a:ping(c)",
        2,
        &["a filter gives \"pass\", \"drop\"", "this one gave \"drp\"", "^^^^^^^^"],
    ),
    ("random.int(5, 1)", 2, &["random.int(5, 1): the interval is empty"]),
    ("random.unifrom(1, 2)", 2, &["random has no function 'unifrom'; did you mean 'uniform'?", "^^^^^^^"]),
    ("random.seed(5)", 2, &["every run has its own seed", "experiment{ seed = 5 }", "--seed 5"]),
    ("random.choice {}", 2, &["random.choice of an empty list"]),
    ("random.pareto { shape = 0.5, mean = 3 }", 2, &["has no mean; give its scale"]),
    ("random.chance(30)", 2, &["30 is not a probability; did you mean '30%'?"]),
    ("prnt 'x'", 2, &["unknown name 'prnt'; did you mean 'print'?", "^^^^"]),
    (
        "for i = 1, 3 do i = 2 end",
        2,
        &["attempt to assign to const variable 'i'", "copy it to a local first"],
    ),
    ("os.time()", 2, &["there is no os.time here", "use now()"]),
    ("os.getenv 'HOME'", 2, &["-p name=value"]),
    ("io.open 'x'", 2, &["there is no io.open here", "read_file(name)"]),
    ("debug.traceback()", 2, &["there is no debug.traceback here"]),
    ("dofile 'x'", 2, &["use require"]),
    ("require 'nothing'", 2, &["require 'nothing'", "cannot read"]),
    ("read_file '../secret'", 2, &["outside the script's folder"]),
    ("local x = {} .. 'a'", 2, &["attempt to concatenate a table value"]),
    ("setmetatable({}, { __gc = print })", 2, &["__gc is not called here"]),
    ("local s = ('%p'):format({})", 2, &["would show an address"]),
    ("math.random(5, 1)", 2, &["the interval is empty"]),
    // Measurement.
    ("record(5)", 2, &["record takes a table of columns"]),
    ("record { x = {} }", 2, &["x is a table; a column holds a number"]),
    ("record { seed = 5 }", 2, &["'seed' is a column of the results themselves"]),
    ("record('../evil', { a = 1 })", 2, &["'../evil' cannot be the name of a table", "letters, digits"]),
    ("record('flows', { a = 1 })", 2, &["'flows' is a table of the results themselves"]),
    ("csv('a/b', { 'x' })", 2, &["'a/b' cannot be the name of a table"]),
    ("record { 5 }", 2, &["columns have names"]),
    ("histogram('x'):quantile(95)", 2, &["the fraction is from 0 to 1", "quantile(0.95)"]),
    ("histogram('x'):p95()\nhistogram('x'):p94()", 3, &["histograms have no method or field 'p94'"]),
    ("series('x'):add 'much'", 2, &["must be a number"]),
    ("csv('t', {'a', 'b'}):row(1)", 2, &["t has 2 columns (a, b), the row has 1"]),
    ("assert_eq(1, 2)", 2, &["assert_eq: 1 is not 2"]),
    ("assert_close(1, 2, 0.5)", 2, &["1 is not within 0.5 of 2"]),
    (
        "experiment { reps = 2 }",
        2,
        &["experiment{} must come before anything is built", "move it to the top"],
    ),
    // Experiments.
    ("!experiment { repss = 5 }", 1, &["unknown option 'repss' of experiment; did you mean 'reps'?"]),
    ("!experiment { reps = 0 }", 1, &["reps = 0 is out of range"]),
    ("!experiment { reps = '10' }", 1, &["must be a whole number", "got \"10\""]),
    ("!experiment { duration = '10' }", 1, &["'10' is not a time"]),
    ("!experiment { duration = '10s', warmup = '10s' }", 1, &["leaves nothing of the duration"]),
    ("!experiment { params = { seed = {1, 2} } }", 1, &["a parameter cannot be named 'seed'"]),
    ("!experiment { params = { sd = {1, 2} } }", 1, &["a parameter cannot be named 'sd'"]),
    ("!experiment { params = { n = {} } }", 1, &["parameter 'n' has no values"]),
    ("!experiment { params = { n = {1, 1} } }", 1, &["parameter 'n' has the value 1 twice"]),
    (
        "!experiment { params = { { a = 1, b = 2 }, { a = 2 } } }",
        1,
        &["point 2 of params has no 'b', which others have"],
    ),
    (
        "a:http_get('https://b/', { tls = { vershun = '1.2' } })",
        2,
        &["unknown option 'vershun'", "(tidewire doc host http_get)"],
    ),
    ("!random:uniform(0, 1)", 1, &["random:uniform(...) is called with a colon; write random.uniform(...)"]),
    ("!local p = experiment { params = { a = {1, 2} } }\nrecord { a = 7 }", 2, &["'a' is a parameter"]),
    ("!local r = resource(1)\nr:use(nil)", 2, &["resource:use(f, ...) needs a function, got nil"]),
    ("!setmetatable(_G, {})", 1, &["the globals have a metatable of their own"]),
    ("!setmetatable({}, 5)", 1, &["setmetatable: its second argument expects a table, got number"]),
    ("!coroutine.wrap(5)", 1, &["coroutine.wrap expects a function, got number"]),
    ("!coroutine.resume(5)", 1, &["coroutine.resume expects a thread, got number"]),
    ("!for k in pairs(nil) do end", 1, &["pairs or ipairs got nil, not a table"]),
    ("!require 'socket'", 1, &["there is no module 'socket' here", "host:tcp()"]),
    ("net:link(a, b):schedule { at = '1s', rate = '1Mbps' }", 2, &["a schedule is a list of changes"]),
    ("net:schedule { at = '1s', link = 'a-b', up = false }", 2, &["a schedule is a list of changes"]),
    ("net:resolver { to = b }", 2, &["a name server is a host, an address or a list of these"]),
    ("a:resolver { to = b }", 2, &["a name server is a host, an address or a list of these"]),
    ("wait_all { worker = spawn(sleep, 1) }", 2, &["wait_all takes a list and timeout, not 'worker'"]),
    (
        "a:tcp():setoption('nodely')",
        2,
        &["unknown option 'nodely' of tcp:setoption; did you mean 'nodelay'?"],
    ),
    ("a:tcp():setoption('nodelay')", 2, &["setoption needs a value for 'nodelay'"]),
    ("!experiment { params = { n = {1, '1'} } }", 1, &["parameter 'n' has the value 1 twice"]),
    ("!experiment { params = { f = { print } } }", 1, &["the values of parameter 'f' are numbers, texts"]),
    ("!experiment { params = { n = {1} }, order = {'m'} }", 1, &["order names no parameter 'm'"]),
    (
        "!experiment { params = { n = {1, 2} }, skip = function() return true end }",
        1,
        &["skip leaves out every point"],
    ),
    (
        "!experiment { params = { a = {1, 2} }, skip = function(p) net:host 'x' return false end }",
        1,
        &["skip can only look at the parameters", "^^^^"],
    ),
    (
        "!experiment { expect = { { 'mean(y) < 9', 'max(y) < 7' } } }",
        1,
        &["expect is a list of conditions", "hold one condition"],
    ),
    (
        "!experiment { params = { a = {1, 2} }, expect = { 'mean(y) < 9', where = { a = 1 } } }",
        1,
        &["expect is a list of conditions", "braces of its own"],
    ),
    (
        "!experiment { params = { loss = {'0%'} }, expect = { { 'x > 1', where = { lss = '0%' } } } }",
        1,
        &["where names no parameter 'lss'; did you mean 'loss'?"],
    ),
    (
        "!experiment { params = { loss = {'0%'} }, expect = { { 'x > 1', where = { loss = '9%' } } } }",
        1,
        &["loss is never 9%; its values are 0%"],
    ),
    (
        "!experiment { plot = { x = 'n', colour = 'n', kid = 'bar' } }",
        1,
        &["unknown option 'kid' of plot; did you mean 'kind'?"],
    ),
    (
        "!experiment { params = { loss = {'0%'} }, plot = { x = 'los', y = 'x_ms' } }",
        1,
        &["plot: x = \"los\" names no parameter; did you mean 'loss'?", "^^^"],
    ),
    (
        "!experiment { params = { proto = {'tcp'} }, plot = { x = 'x_s', y = 'x_ms', color = 'prto' } }",
        1,
        &["plot: color = \"prto\" names no parameter; did you mean 'proto'?"],
    ),
    ("!experiment { plot = { x = 'n' } }", 1, &["a plot needs y"]),
    ("!experiment { name = 'a/b' }", 1, &["'a/b' cannot be the name of a folder"]),
    (
        "!local p = experiment { params = { loss = {'0%'} } }\nprint(p.lss)",
        2,
        &["no parameter 'lss'; did you mean 'loss'?", "parameters: loss"],
    ),
    (
        "!local p = experiment { params = { loss = {'0%'} } }\np.loss = '1%'",
        2,
        &["parameters cannot be changed"],
    ),
    ("!experiment {}\nexperiment {}", 2, &["experiment{} is called twice"]),
    ("!print 'hello'\nexperiment {}", 1, &["print before experiment{} would appear once for every run"]),
    ("!local x = math.random()\nexperiment {}", 1, &["random numbers before experiment{}"]),
    // What networks cannot do.
    ("net:routing('ospf', { hello = '10s', dead = '10s' })", 2, &["is not longer than hello", "^^^^"]),
    ("net:link(a, net:host 'c', { queue = { 'pie', interval = 0 } })", 2, &["a queue's interval is from"]),
    ("net:link(a, net:host 'c', { queue = { 'codel', interval = '1ns' } })", 2, &["a queue's interval is"]),
    ("net:subnet('224.0.0.0/24', { a, b })", 2, &["224.0.0.0/24 cannot be a subnet", "10.1.0.0/24"]),
    ("net:subnet('127.0.0.0/24', { a, b })", 2, &["cannot be a subnet"]),
    ("net:subnet('0.0.0.0/0', { a, b })", 2, &["cannot be a subnet"]),
    (
        "local r, s, t = net:router 'r', net:router 's', net:router 't'; net:link(r, s); net:link(s, t)\nnet:route(r, '203.0.113.0/24', t)\nsleep(1)",
        3,
        &["the route of 'r' to 203.0.113.0/24 goes via 't', which is on none of its networks"],
    ),
    (
        "local l = net:link(a, net:host 'c')\nl:flap { enabled = '1ns', disabled = '1ns' }",
        3,
        &["the least is 1 us"],
    ),
    (
        "local l = net:link(a, net:host 'c', { arq = 'sr' })\nl:set { jitter = '1ms' }",
        3,
        &["it takes no jitter"],
    ),
    ("net:router('r', { ecmp = 'no' })", 2, &["or false"]),
    (
        "net:link(net:switch 's', net:switch 't', { vlan = { trunk = {10, 10} } })",
        2,
        &["the trunk 's-t' names VLAN 10 twice"],
    ),
    ("address('::', 80)", 2, &["'::' is the address of nobody"]),
    ("address('1::2::3', 80)", 2, &["'1::2::3' is not an IPv6 address"]),
    (
        "local n, r, w, c = net:nat 'n', net:router 'r', net:host 'w', net:host 'c'; net:link(c, n); net:link(n, r); net:link(r, w)\nn:forward { port = 80, to = w }",
        3,
        &["is outside of 'n': ports are forwarded to hosts inside"],
    ),
    (
        "local n, r, c = net:nat 'n', net:router 'r', net:host 'c'; net:link(c, n); net:link(n, r)\nn:forward { port = 80, to = c }\nn:forward { port = 80, to = c }",
        4,
        &["port 80 is forwarded to", "already"],
    ),
    (
        "!local r = net:router 'r'\nlocal a = net:host('a', { ip = '10.0.0.10/24' })\nlocal b = net:host('b', { ip = '10.0.1.20/16' })\nnet:link(a, r) net:link(b, r)\na:ping(b)",
        1,
        &[
            "two interfaces of 'r' have the address 10.0.0.1",
            "10.0.0.0/24 (from the address 10.0.0.10/24 of 'a'; ",
            "10.0.0.0/16 (from the address 10.0.1.20/16 of 'b'; ",
            "overlap, but these are two networks",
        ],
    ),
    // Syntax.
    ("!local x = = 5", 1, &["unexpected symbol near '='", "exp.lua:1:  local x = = 5"]),
    ("!if true then\nprint 'x'", 2, &["'end' expected (to close 'if' at line 1) near <eof>"]),
    ("!local s = 'abc", 1, &["unfinished string"]),
];

#[test]
fn every_mistake_says_what_is_wrong_where_and_what_to_write() {
    let mut wrong = Vec::new();
    for (code, line, says) in MISTAKES {
        let text = code.strip_prefix('!').map_or_else(|| format!("{PAIR}{code}"), str::to_owned);
        let error = error_of(&text);
        let missing: Vec<&&str> = says.iter().filter(|part| !error.message.contains(**part)).collect();
        let place = error.place.as_ref().map(|place| (place.file.as_str(), place.line));
        if std::env::var_os("SHOW_MISTAKES").is_some() {
            println!("{}\n", error.message);
        }
        // Exit codes: 3 for the script's mistakes, 5 for files that cannot be read.
        let unread = ["cannot read", "outside the script's folder"];
        let unread = unread.iter().any(|words| error.message.contains(words));
        let fault = if unread { Fault::Io } else { Fault::Script };
        if error.fault != fault
            || !missing.is_empty()
            || place != Some(("exp.lua", *line))
            || !error.message.lines().any(|line| line.trim_start().starts_with('^'))
            || error.message.contains("mlua")
        {
            wrong.push(format!(
                "{code}\n  lacks {missing:?}, is at {place:?}, should be at {line}:\n{error}\n"
            ));
        }
    }
    assert!(MISTAKES.len() >= 230);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), MISTAKES.len(), wrong.join("\n"));
}

#[test]
fn mistakes_are_faults_of_the_script_and_unreadable_files_are_not() {
    assert_eq!(error_of("prnt()").fault, Fault::Script);
    assert_eq!(error_of("read_file 'nothing'").fault, Fault::Io);
    let missing = tidewire_script::load(std::path::Path::new("scripts/nothing.lua")).unwrap_err();
    assert_eq!(missing.fault, Fault::Io);
    assert!(missing.message.contains("there is no script 'scripts/nothing.lua'"), "{missing}");
}

#[test]
fn a_misspelled_script_is_suggested() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hello.lua"), "").unwrap();
    let error = tidewire_script::load(&dir.path().join("helo.lua")).unwrap_err();
    assert!(error.message.contains("did you mean 'hello.lua'?"), "{error}");
    std::fs::write(dir.path().join("bin.lua"), [0xFF, 0xFE]).unwrap();
    let error = tidewire_script::load(&dir.path().join("bin.lua")).unwrap_err();
    assert!(error.message.contains("not a text in UTF-8"), "{error}");
}

#[test]
fn mistakes_that_a_script_catches_are_plain_texts_with_their_place() {
    let printed = common::printed(
        "local ok, e = pcall(function()\n  net:host('a', { x = 1 })\nend)\nprint(type(e), e)",
    );
    assert!(printed[0].starts_with("string\texp.lua:2: unknown option 'x' of net:host"), "{printed:?}");
}

#[test]
fn overrides_that_name_no_parameter_are_refused() {
    let script = common::script("local p = experiment { params = { loss = {'0%', '1%'} } }");
    let refused = |name: &str| {
        tidewire_script::plan(&script, &[(name.to_owned(), vec!["5%".into()])]).map(|plan| plan.points)
    };
    let error = refused("lss").unwrap_err();
    assert!(error.message.contains("no parameter 'lss' to set with -p; did you mean 'loss'?"), "{error}");
    assert_eq!(refused("loss").unwrap(), [vec![("loss".to_owned(), "5%".into())]]);
}

#[test]
fn methods_of_services_say_what_they_need_and_where() {
    for (call, wanted) in [
        ("b:browser {}:open(nil)", "browser:open needs a URL"),
        ("net:trace {}:span(nil, print)", "tracer:span needs a text"),
        ("a:resolve('a.com', 5)", "'5' is not a type of records"),
        ("a:dig('a.com', 7)", "'7' is not a type of records"),
        ("a:cache_client(b):set('a', 'b', { ttl = -1 })", "a time cannot be negative"),
        ("a:cache_client(b):get {}", "argument 1 (key) of cache_client:get must be a text"),
        ("a:queue_client(b):put('x', { priority = -1 })", "priority = -1 is out of range"),
        ("a:http_client {}:get('http://b/', { timout = 1 })", "unknown option 'timout' of http_client:get"),
        ("a:database_client(b).query('x')", "is called with a dot"),
        ("net:dns_tree { root = 5 }", "root is a host or a list of hosts, got a number"),
        ("net:dns_tree { root = a, zones = { com = 5 } }", "com is a host or a list of hosts"),
        ("a:dns_server { origin = 'x.com', zone = {} }:set('w.org', '10.0.0.1')", "is not below 'x.com'"),
        ("a:dns_server { origin = 'x.com', zone = {} }:set('w.x.com', nil)", "needs a record"),
        ("a:dns_server { origin = 'x.com', zone = {} }:delegate('s.x.com', 5)", "got a number"),
        ("a:http_balancer { to = 5 }", "to is a host, a name or an address"),
        ("a:tcp_proxy { port = 80, to = { 5 } }", "to is a host, a name or an address"),
        ("a:http_balancer { to = { b, b }, weights = { -1, 2 } }", "weights are whole numbers"),
        ("a:http_balancer { to = { b, b }, weights = { 1.5, 1 } }", "weights are whole numbers"),
        ("a:http_balancer { to = { b, b }, weights = { 1, 2, 3 } }", "3 weights for 2 servers"),
        ("a:http_balancer { to = b, health = { foo = 1 } }", "unknown option 'foo' of health"),
        ("a:tcp_proxy { port = 80, to = b, health = { failures = 'x' } }", "'failures' of health"),
        ("a:ftp_server { users = { 'kim' } }", "passwords by name"),
        ("a:transfer(b, 'x', '1MB', { checkpoint = 0 })", "after 1 byte or more"),
        ("a:http_get('http://b/', { method = 'G ET' })", "'G ET' is no method"),
    ] {
        let error = error_of(&format!("local a, b = net:host 'a', net:host 'b'\nnet:link(a, b)\n{call}"));
        assert!(error.message.contains(wanted), "{call}: {error}");
        assert!(error.message.contains("exp.lua:3"), "{call}: {error}");
    }
}

#[test]
fn what_a_server_s_function_gives_is_checked_and_shown_where_it_is_written() {
    for (gives, wanted) in [
        ("200, 'x', 7", "as headers a number"),
        ("0/0, ''", "the status"),
        ("200, print", "as body a function"),
        ("", "the status nil"),
    ] {
        let error = error_of(&format!(
            "local a, b = net:host 'a', net:host 'b'
             net:link(a, b)
             b:http_server {{
               ['/'] = function() return {gives} end,
             }}
             a:http_get 'http://b/'"
        ));
        assert!(error.message.contains(wanted) && error.message.contains("exp.lua:4"), "{gives}: {error}");
    }
}
