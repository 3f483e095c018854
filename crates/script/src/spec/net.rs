//! The network: nodes, links, shapes.

use super::{COUNT, Func, Kind, Opt, WHOLE, func, need, tcp::TCP};

const HOST: &[Opt] = &[
    Opt::new(
        "ip",
        Kind::InterfaceAddress,
        "automatic",
        "address of the first interface, with the length of its netmask: \"10.0.0.5/24\", \"none\", or \"dhcp\": from a server",
    ),
    Opt::new(
        "ip6",
        Kind::Text,
        "automatic once net:ipv6() was called",
        "IPv6 address of the first interface: \"2001:db8:5::10/64\", \"slaac\": of its own making from what a router advertises, or \"none\"",
    ),
    Opt::new("gateway", Kind::Text, "the first router of its network", "default gateway"),
    Opt::new(
        "delay",
        Kind::Processing,
        "0",
        "time to process each packet received: \"50us\" or {\"uniform\", \"0us\", \"100us\"}",
    ),
    Opt::new("cores", COUNT, "1", "processor cores, for work that occupies them"),
    Opt::new("cpu", Kind::Number, "1", "how fast its cores are: work that takes 1 s takes 1 s / cpu"),
    Opt::new("memory", Kind::Size, "no limit", "main memory, for what host:allocate and servers take of it"),
    Opt::new("forward", Kind::Bool, "false", "forwards packets that are not for it"),
    Opt::new("tcp", Kind::Options(&[TCP]), "{}", "TCP options of its sockets"),
];
/// How a host or router resolves addresses and speaks of trouble.
const IP: &[Opt] = &[
    Opt::new("arp", Kind::Options(&[ARP]), "{}", "how it resolves addresses, by ARP or neighbour discovery"),
    Opt::new("icmp", Kind::Options(&[ICMP]), "no limit", "how many ICMP errors it sends"),
];
const ARP: &[Opt] = &[
    Opt::new("timeout", Kind::Time, "1200s", "how long an answer is believed"),
    Opt::new("retries", Kind::Int(1, 255), "3", "requests before it gives up"),
    Opt::new("interval", Kind::Time, "1s", "between two requests"),
    Opt::new("queue", COUNT, "100", "packets that wait for one address; more push out the oldest"),
    Opt::new("proxy", Kind::Bool, "false", "it answers for everybody whom it has a route to"),
];
const ICMP: &[Opt] = &[
    Opt::new("rate", Kind::Number, "required", "errors a second; those about the path MTU do not count"),
    Opt::new("burst", Kind::Int(1, 1_000_000), "6", "errors at once"),
];
const SWITCH: &[Opt] = &[
    Opt::new("ageing", Kind::Time, "300s", "how long an address is remembered").or(&["aging"]),
    Opt::new("table_size", COUNT, "8192", "how many addresses are remembered; frames for others are flooded"),
    Opt::new(
        "stp",
        Kind::ChoiceOrFalse(&["auto", "rstp", "stp"]),
        "\"auto\"",
        "spanning tree: the rapid one where switches form a loop; always that, or the old one; or false: frames go round for ever",
    ),
    Opt::new("priority", Kind::Int(0, 65535), "32768", "the lowest becomes the root of the tree"),
    Opt::new("converge", Kind::Bool, "true", "the tree is there when time starts"),
    Opt::new(
        "buffer",
        Kind::Size,
        "none",
        "memory that the queues of all its ports share; without, each has its own",
    ),
    Opt::new(
        "alpha",
        Kind::Number,
        "1",
        "a queue may have this many times what is free of the shared memory",
    ),
];
const ROUTER: &[Opt] = &[Opt::new(
    "ecmp",
    Kind::ChoiceOrFalse(&["flow", "packet"]),
    "\"flow\"",
    "how equally short paths are used: one per flow, packets in turn, or only the first",
)];
/// Options of one direction of a link.
pub(crate) const DIRECTION: &[Opt] = &[
    Opt::new("rate", Kind::Rate, "1Gbps", "how fast it sends").or(&["bw", "bandwidth", "speed"]),
    Opt::new("delay", Kind::Time, "0", "propagation delay").or(&["latency"]),
    Opt::new(
        "loss",
        Kind::Loss,
        "0%",
        "which packets are lost: \"1%\", { every = 100 }, { seq = {5, 9} }, { trace = \"losses.txt\" } (a 0 or 1 for each packet, over and over), { \"gilbert\", good_to_bad =, bad_to_good =, loss_bad = }; match = \"data\" | \"ack\" | \"syn\" | \"synack\" | \"fin\" | \"retransmit\" | fn(pkt)",
    ),
    Opt::new(
        "jitter",
        Kind::Jitter,
        "0",
        "variation of the delay: \"2ms\" adds up to 2 ms; { \"normal\" | \"pareto\" | \"uniform\", \"2ms\", correlation = \"25%\", keep_order = true, exponent = 3 }",
    ),
    Opt::new(
        "corrupt",
        Kind::Corrupt,
        "0%",
        "which packets noise damages: \"0.01%\", { ber = 1e-7 } for each bit, {3, 7} for these; the frame check or checksum finds them",
    ),
    Opt::new("duplicate", Kind::Probability, "0%", "which packets arrive twice"),
    Opt::new("reorder", Kind::Probability, "0%", "which packets skip the delay and overtake others"),
    Opt::new(
        "queue",
        Kind::Queue,
        "1000pkt",
        "how much may wait: \"100pkt\", \"64KiB\", \"1bdp\" (with an rtt: { \"droptail\", limit = \"1bdp\", rtt = \"40ms\" }); or a discipline: { \"codel\" | \"fq_codel\" | \"pie\" | \"red\" | \"drr\" | \"prio\" | \"tbf\", limit =, ecn =, target =, interval =, min =, max =, ce_threshold =, classes =, rtt =, rate =, burst = }",
    ),
    Opt::new(
        "trace",
        Kind::Trace,
        "none",
        "a recorded link: a file of packet-delivery times in milliseconds (Mahimahi), used instead of the rate, or { file = \"lte.csv\", time = \"t_s\", rate = \"rate_mbps\" }: rates over time",
    ),
    Opt::new("cost", Kind::Int(1, 1 << 24), "1", "what routing pays for this way"),
];
/// Options of a link.
pub(crate) const LINK: &[Opt] = &[
    Opt::new(
        "framing",
        Kind::Choice(&["ethernet", "ip", "ppp"]),
        "\"ethernet\"",
        "what the serialiser counts",
    ),
    Opt::new("mtu", Kind::Int(68, 65535), "1500", "largest IP packet, in bytes"),
    Opt::new(
        "arq",
        Kind::Arq,
        "none",
        "repairs losses on the link: \"stop_and_wait\", { \"gbn\", window = 7 }, { \"sr\", window = 7, timeout = \"30ms\" }",
    ),
    Opt::new(
        "pause",
        Kind::Bool,
        "false",
        "a switch with a shared buffer asks its neighbour to pause before it must drop (IEEE 802.3 PAUSE)",
    ),
    Opt::new(
        "distance",
        Kind::Distance,
        "none",
        "from a station to its access point: \"20m\"; the link is a radio link",
    ),
    Opt::new(
        "vlan",
        Kind::Vlan,
        "1 on a switch where another link has one",
        "VLAN of its ends at switches: 10, or { trunk = {10, 20}, native = 1 }: tagged but for the native one; a router or host at a trunk has an interface for each",
    ),
    Opt::new(
        "schedule",
        Kind::Any,
        "none",
        "what changes when: { {\"20s\", rate = \"20Mbps\"}, {\"40s\", loss = \"2%\"} } or a CSV file, as link:schedule takes them",
    ),
    Opt::new("forward", Kind::Options(&[DIRECTION]), "{}", "overrides for the direction a -> b"),
    Opt::new("backward", Kind::Options(&[DIRECTION]), "{}", "overrides for the direction b -> a"),
];

pub(crate) static NET_HOST: Func =
    func("net:host", "Adds a host.").with(&[need("name", Kind::Text)]).opts(&[HOST, IP]).gives("host");
pub(crate) static NET_HOSTS: Func = func("net:hosts", "Adds hosts prefix1 to prefixN.")
    .with(&[need("prefix", Kind::Text), need("n", COUNT)])
    .opts(&[HOST, IP])
    .gives("list of hosts");
pub(crate) static NET_SWITCH: Func = func("net:switch", "Adds a learning switch.")
    .with(&[need("name", Kind::Text)])
    .opts(&[SWITCH])
    .gives("switch");
pub(crate) static NET_HUB: Func = func(
    "net:hub",
    "Adds a hub: a half-duplex bus with collisions that its links share. Their delays are the distances, their rates are equal.",
)
.with(&[need("name", Kind::Text)])
.gives("hub");
const RADIO: &[Opt] = &[
    Opt::new("rate", Kind::Rate, "54Mbps", "how fast data is sent"),
    Opt::new("basic_rate", Kind::Rate, "24Mbps", "how fast acknowledgments are sent"),
    Opt::new("preamble", Kind::Time, "20us", "preamble and header of the physical layer"),
    Opt::new("slot", Kind::Time, "9us", "one slot of the backoff"),
    Opt::new("sifs", Kind::Time, "16us", "between a frame and its acknowledgment; DIFS is two slots more"),
    Opt::new("cw_min", Kind::Int(1, 65535), "15", "the smallest contention window, in slots"),
    Opt::new("cw_max", Kind::Int(1, 65535), "1023", "the largest"),
    Opt::new("attempts", Kind::Int(1, 255), "7", "how often a frame is sent before it is given up"),
    Opt::new("power", Kind::Number, "16", "sending power, in dBm"),
    Opt::new("noise", Kind::Number, "-93", "noise, in dBm"),
    Opt::new("loss_1m", Kind::Number, "40", "path loss over the first metre, in dB"),
    Opt::new("exponent", Kind::Number, "3", "path loss exponent: 2 in free space, 3 to 4 in buildings"),
];
pub(crate) static NET_AP: Func = func(
    "net:ap",
    "Adds a wireless access point: a switch whose links with a distance share a radio channel (IEEE 802.11 DCF).",
)
.with(&[need("name", Kind::Text)])
.opts(&[RADIO])
.gives("ap");
pub(crate) static NET_ROUTER: Func = func("net:router", "Adds a router.")
    .with(&[need("name", Kind::Text)])
    .opts(&[ROUTER, IP])
    .gives("router");
pub(crate) static NET_LINK: Func = func("net:link", "Joins two nodes.")
    .with(&[need("a", Kind::Node), need("b", Kind::Node)])
    .opts(&[DIRECTION, LINK])
    .gives("link");
pub(crate) static NET_LAN: Func = func("net:lan", "Adds a switch and a link from it to each node.")
    .with(&[need("name", Kind::Text), need("nodes", Kind::Nodes)])
    .opts(&[DIRECTION, LINK])
    .gives("switch");
pub(crate) static NET_SUBNET: Func = func("net:subnet", "Gives the network that these nodes share a subnet.")
    .with(&[need("subnet", Kind::Text), need("nodes", Kind::Nodes)]);
pub(crate) static NET_IPV6: Func =
    func("net:ipv6", "Gives every network an IPv6 prefix of 64 bits and every interface an address.").opts(
        &[&[
            Opt::new("prefix", Kind::Text, "\"2001:db8::/48\"", "the first 48 bits of all networks"),
            Opt::new("prefer", Kind::Bool, "false", "hosts named by name are reached by IPv6"),
        ]],
    );
pub(crate) static NET_FIND: Func = func("net:find", "The node or link with this name, or nil.")
    .with(&[need("name", Kind::Text)])
    .gives("node or link");
pub(crate) static NET_PATH: Func =
    func("net:path", "The nodes that a packet from a to b visits; of equally short paths the first.")
        .with(&[need("a", Kind::Node), need("b", Kind::Node)])
        .gives("list of nodes, or nil");
const BASICS: &[Opt] = &[
    Opt::new("prefix", Kind::Text, "\"\"", "put before the name of every node"),
    Opt::new("host", Kind::Options(&[HOST]), "{}", "options of the hosts"),
    Opt::new("access", Kind::Options(&[DIRECTION, LINK]), "as link", "the links of the hosts"),
];
const SHAPE: &[Opt] = &[
    Opt::new("link", Kind::Options(&[DIRECTION, LINK]), "{}", "options of the links"),
    Opt::new(
        "node",
        Kind::Choice(&["router", "switch"]),
        "\"router\"",
        "what the nodes are; switches must not form loops",
    ),
];
const HOSTS_EACH: &[Opt] = &[Opt::new("hosts", WHOLE, "1", "hosts at each node")];
pub(crate) static NET_DUMBBELL: Func =
    func("net:dumbbell", "Pairs of hosts that share a bottleneck: left1.. - l - r - right1..")
        .opts(&[
            BASICS,
            &[
                Opt::new("pairs", COUNT, "1", "pairs of hosts"),
                Opt::new("bottleneck", Kind::Options(&[DIRECTION, LINK]), "{}", "the link in the middle"),
                Opt::new("rtt", Kind::Table, "none", "round-trip times of the pairs without queues; sets the delays of their left links"),
                Opt::new("tcp", Kind::Options(&[TCP]), "{}", "TCP options of the hosts"),
            ],
        ])
        .gives("{ left = {hosts}, right = {hosts}, bottleneck = link, l = router, r = router, left_access = {links}, right_access = {links} }");
pub(crate) static NET_LINE: Func = func("net:line", "Nodes in a line, with hosts at each.")
    .opts(&[BASICS, SHAPE, HOSTS_EACH, &[Opt::new("n", COUNT, "3", "how many nodes").or(&["routers"])]])
    .gives("{ hosts = {..}, nodes = {..}, links = {..}, access = {..} }");
pub(crate) static NET_STAR: Func = func("net:star", "Hosts around a node in the middle.")
    .opts(&[BASICS, SHAPE, &[Opt::new("hosts", COUNT, "4", "how many hosts").or(&["n"])]])
    .gives("{ hosts = {..}, nodes = {..}, links = {..}, access = {..} }");
pub(crate) static NET_RING: Func = func("net:ring", "Nodes in a ring, with hosts at each.")
    .opts(&[
        BASICS,
        SHAPE,
        HOSTS_EACH,
        &[Opt::new("n", Kind::Int(3, 100_000), "4", "how many nodes").or(&["routers"])],
    ])
    .gives("{ hosts = {..}, nodes = {..}, links = {..}, access = {..} }");
pub(crate) static NET_GRID: Func = func("net:grid", "Nodes in a grid, with hosts at each.")
    .opts(&[
        BASICS,
        SHAPE,
        HOSTS_EACH,
        &[Opt::new("rows", COUNT, "3", "rows"), Opt::new("columns", COUNT, "3", "columns").or(&["cols"])],
    ])
    .gives("{ hosts = {..}, nodes = {..}, links = {..}, access = {..} }, row by row");
pub(crate) static NET_TREE: Func = func("net:tree", "A tree of nodes, with hosts at the lowest level.")
    .opts(&[
        BASICS,
        SHAPE,
        HOSTS_EACH,
        &[
            Opt::new("depth", Kind::Int(1, 16), "2", "levels of nodes"),
            Opt::new("fanout", Kind::Int(1, 1000), "2", "children of each node"),
        ],
    ])
    .gives("{ hosts = {..}, nodes = {..}, links = {..}, access = {..} }");
pub(crate) static NET_PARKING_LOT: Func = func(
    "net:parking_lot",
    "A chain of bottlenecks: one long path over all of them, one short path over each.",
)
.opts(&[
    BASICS,
    &[
        Opt::new("hops", COUNT, "3", "bottlenecks"),
        Opt::new("bottleneck", Kind::Options(&[DIRECTION, LINK]), "{}", "the links between routers"),
    ],
])
.gives("{ src = host, dst = host, from = {hosts}, to = {hosts}, routers = {..}, bottlenecks = {links}, access = {links} }");
pub(crate) static NET_FAT_TREE: Func =
    func("net:fat_tree", "A k-ary fat tree (Al-Fares et al. 2008): k^3/4 hosts.")
        .opts(&[BASICS, SHAPE, &[Opt::new("k", Kind::Int(2, 128), "4", "ports of each router; even")]])
        .gives("{ hosts = {..}, edge = {..}, aggregation = {..}, core = {..}, links = {..}, access = {..} }");
pub(crate) static NET_LEAF_SPINE: Func = func("net:leaf_spine", "Every leaf is linked to every spine.")
    .opts(&[
        BASICS,
        SHAPE,
        &[
            Opt::new("leaves", COUNT, "4", "leaf routers"),
            Opt::new("spines", COUNT, "2", "spine routers"),
            Opt::new("hosts", COUNT, "4", "hosts at each leaf"),
        ],
    ])
    .gives("{ hosts = {..}, leaves = {..}, spines = {..}, links = {..}, access = {..} }");
pub(crate) static NET_BCUBE: Func = func(
    "net:bcube",
    "BCube (Guo et al. 2009): n^(k+1) hosts that forward, with k+1 ports each, and k+1 levels of switches.",
)
.opts(&[
    BASICS,
    &[
        Opt::new("link", Kind::Options(&[DIRECTION, LINK]), "{}", "options of the links"),
        Opt::new("n", Kind::Int(2, 64), "4", "ports of each switch"),
        Opt::new("k", Kind::Int(0, 7), "1", "the highest level"),
    ],
])
.gives("{ hosts = {..}, levels = {{switches}, ..}, links = {..} }");
pub(crate) static NET_LOAD: Func = func(
    "net:load",
    "Adds the network in a file: GraphML, GML, DOT, JSON, TOML, CSV, Rocketfuel, BRITE. Options hold where the file says nothing.",
)
.with(&[need("file", Kind::Text)])
.opts(&[
    BASICS,
    SHAPE,
    &[Opt::new("hosts", WHOLE, "1, or 0 if the file has hosts", "hosts at each node of the file that forwards")],
])
.gives("{ hosts = {..}, nodes = {..}, links = {..}, access = {..}, notes = {what was left out or guessed} }");
pub(crate) static NET_RANDOM: Func =
    func("net:random", "A random connected network, with hosts at each node.")
        .opts(&[
            BASICS,
            SHAPE,
            HOSTS_EACH,
            &[
                Opt::new("n", Kind::Int(2, 100_000), "20", "how many nodes"),
                Opt::new(
                    "model",
                    Kind::Choice(&["waxman", "gnp", "ba"]),
                    "\"waxman\"",
                    "Waxman, Erdos-Renyi, or Barabasi-Albert",
                ),
                Opt::new(
                    "alpha",
                    Kind::Number,
                    "5 links a node; 0.4 with beta",
                    "waxman: probability of a link between two nodes at the same place",
                ),
                Opt::new(
                    "beta",
                    Kind::Number,
                    "0.2",
                    "waxman: at this part of the square's diagonal a link is e times less likely",
                ),
                Opt::new(
                    "delay",
                    Kind::Time,
                    "0",
                    "waxman: delay added to a link for each unit of its length",
                ),
                Opt::new("p", Kind::Probability, "5 links a node", "gnp: probability of each link"),
                Opt::new("m", Kind::Int(1, 1000), "2", "ba: links of each new node"),
            ],
        ])
        .gives("{ hosts = {..}, nodes = {..}, links = {..}, access = {..} }");
pub(crate) static NET_DOT: Func = func("net:dot", "The network as a drawing for Graphviz.").gives("text");
pub(crate) static SWITCH_MAC_TABLE: Func =
    func("switch:mac_table", "The addresses that the switch has learned.")
        .opts(&[&[Opt::new("vlan", Kind::Int(1, 4094), "all", "only those of this VLAN")]])
        .gives("{ [mac] = port }, printable with VLANs and ages");
pub(crate) static SWITCH_VLANS: Func = func("switch:vlans", "The VLANs of the switch.")
    .gives("{ [vlan] = { access = {ports}, tagged = {ports} } }, printable; or nil without VLANs");
pub(crate) static SWITCH_STP: Func = func("switch:stp", "The switch's part in the spanning tree.")
    .gives("{ root = name, cost =, bridge =, ports = { [port] = { to = name, role =, state = } }, changes = }, printable; or nil");
pub(crate) static CIDR: Func = func(
    "cidr",
    "A network of IPv4 addresses to calculate with: fields network broadcast mask length size private hosts, and contains(addr) and split(length).",
)
.with(&[need("network", Kind::Text)])
.gives("table; #hosts is how many hosts there is room for, hosts[1] the first address");

pub(crate) const ALL: &[&Func] = &[
    &CIDR,
    &NET_HOST,
    &NET_HOSTS,
    &NET_SWITCH,
    &NET_HUB,
    &NET_AP,
    &NET_ROUTER,
    &NET_LINK,
    &NET_LAN,
    &NET_SUBNET,
    &NET_IPV6,
    &NET_FIND,
    &NET_PATH,
    &NET_DUMBBELL,
    &NET_LINE,
    &NET_STAR,
    &NET_RING,
    &NET_GRID,
    &NET_TREE,
    &NET_PARKING_LOT,
    &NET_FAT_TREE,
    &NET_LEAF_SPINE,
    &NET_BCUBE,
    &NET_LOAD,
    &NET_RANDOM,
    &NET_DOT,
    &SWITCH_MAC_TABLE,
    &SWITCH_VLANS,
    &SWITCH_STP,
];
