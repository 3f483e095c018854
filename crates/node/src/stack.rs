//! The IP stack below the sockets: interfaces, ARP, the forwarding table, sending.

use crate::table::Table;
use crate::ways::{Way, Ways};
use crate::{Context, Gate, LOOPBACK, NodeStats};
use rustc_hash::FxHashMap;
use std::net::Ipv4Addr;
use std::rc::Rc;
use tidewire_l2_datalink::{ArpConfig, GivenUp, Neighbors, Resolved};
use tidewire_l3_network::{ErrorLimit, Fib, FibSource, NextHop, Prefix};
use tidewire_units::{IfaceId, Instant, Span};
use tidewire_wire::{AddressBook, ArpOperation, ArpPacket, Cause, Ecn, Hot, HotKind, Ipv4Header, MacKey};

/// How a router spreads flows over equal-cost next hops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ecmp {
    /// The first next hop only.
    Off,
    /// By flow hash: every packet of a flow takes the same way.
    #[default]
    Flow,
    /// In turn, packet by packet.
    Packet,
}

/// A network interface.
#[derive(Debug)]
pub struct Iface {
    /// Its number in the world.
    pub id: IfaceId,
    /// Its address; unspecified while it has none.
    pub addr: Ipv4Addr,
    /// The network that it is on.
    pub prefix: Prefix,
    /// The key of its IPv6 address; unspecified while it has none.
    pub addr6: Ipv4Addr,
    /// The keys of the IPv6 network that it is on.
    pub prefix6: Prefix,
    /// Whether its link carries MAC addresses.
    pub framed: bool,
    /// Largest IP packet that its link carries, in bytes.
    pub mtu: u16,
    /// The neighbours on its link.
    pub neighbors: Neighbors,
}

/// Interfaces, routes and neighbours of a host or router.
#[derive(Debug)]
pub struct IpStack {
    /// Interfaces, by port.
    pub ifaces: Vec<Iface>,
    fib: Table,
    /// The same for keys of IPv6 addresses.
    fib6: Option<Box<Fib>>,
    /// What was found for flows sent or forwarded before.
    pub(crate) ways: Ways,
    /// Counters.
    pub stats: NodeStats,
    /// How equal-cost routes are shared.
    pub ecmp: Ecmp,
    arp: ArpConfig,
    locals: Vec<Ipv4Addr>,
    /// Groups that it is a member of.
    groups: Vec<Ipv4Addr>,
    /// What ICMP has taught it about ways, if anything.
    lessons: Option<Box<Lessons>>,
    salt: u32,
    turn: u32,
    ident: u16,
    /// Whether any address is being asked for, or sockets are to be told something, so that most calls need not look.
    pub(crate) asking: bool,
    /// Whether it forwards for others.
    pub(crate) is_router: bool,
    /// Whether it answers ARP requests for those whom it has a route to (RFC 1027).
    pub proxy_arp: bool,
    /// How many ICMP errors it sends, if not all, and how many it has kept to itself.
    pub(crate) error_limit: Option<Box<(ErrorLimit, u64)>>,
    /// What packets have to pass. With one, no ways are remembered, so that every packet is looked at.
    pub(crate) gate: Option<Box<Gate>>,
}

/// What ICMP messages have said about ways to other hosts.
#[derive(Debug, Default)]
struct Lessons {
    /// Path MTUs, in bytes, and until when they are believed (RFC 1191 section 6.3).
    mtus: FxHashMap<Ipv4Addr, (u16, Instant)>,
    /// Better first hops (RFC 1122 section 3.2.2.2).
    detours: FxHashMap<Ipv4Addr, NextHop>,
}

impl IpStack {
    /// A stack without interfaces. `salt` makes its equal-cost choices independent of other routers'.
    pub fn new(arp: ArpConfig, salt: u32) -> IpStack {
        IpStack {
            ifaces: Vec::new(),
            fib: Table::default(),
            fib6: None,
            ways: Ways::default(),
            stats: NodeStats::default(),
            ecmp: Ecmp::default(),
            arp,
            locals: Vec::new(),
            groups: Vec::new(),
            lessons: None,
            salt,
            turn: 0,
            ident: 0,
            asking: false,
            is_router: false,
            proxy_arp: false,
            error_limit: None,
            gate: None,
        }
    }

    /// Resolves addresses in another way from now on.
    pub fn set_arp(&mut self, config: ArpConfig) {
        self.arp = config;
        self.ifaces.iter_mut().for_each(|iface| iface.neighbors.configure(config));
    }

    /// Sends no more ICMP errors than this; messages about the path MTU are always sent.
    pub fn set_error_limit(&mut self, limit: ErrorLimit) {
        self.error_limit = Some(Box::new((limit, 0)));
    }

    /// ICMP errors that it has not sent because of its limit.
    pub fn errors_withheld(&self) -> u64 {
        self.error_limit.as_ref().map_or(0, |limit| limit.1)
    }

    /// Adds an interface without an address and says its port number.
    pub fn add_iface(&mut self, id: IfaceId, framed: bool, mtu: u16) -> u32 {
        if self.ifaces.is_empty() {
            // Most hosts have one.
            self.ifaces.reserve_exact(1);
        }
        let neighbors = Neighbors::new(self.arp);
        let (addr, prefix) = (Ipv4Addr::UNSPECIFIED, Prefix::DEFAULT);
        self.ifaces.push(Iface { id, addr, prefix, addr6: addr, prefix6: prefix, framed, mtu, neighbors });
        self.ifaces.len() as u32 - 1
    }

    /// Gives an interface its address.
    pub fn set_address(&mut self, port: u32, addr: Ipv4Addr, prefix: Prefix) {
        let iface = &mut self.ifaces[port as usize];
        (iface.addr, iface.prefix) = (addr, prefix);
        self.list_addresses();
    }

    /// Gives an interface its IPv6 address, by keys; `group` is the one that is asked when somebody looks for it.
    pub fn set_address6(&mut self, port: u32, addr: Ipv4Addr, prefix: Prefix, group: Ipv4Addr) {
        let iface = &mut self.ifaces[port as usize];
        (iface.addr6, iface.prefix6) = (addr, prefix);
        self.join(group);
        self.join(AddressBook::ALL_NODES);
        self.list_addresses();
    }

    /// Packets for this IPv6 group concern the node.
    pub(crate) fn join(&mut self, group: Ipv4Addr) {
        if !self.groups.contains(&group) {
            self.groups.push(group);
        }
    }

    fn list_addresses(&mut self) {
        let all = self.ifaces.iter().flat_map(|iface| [iface.addr, iface.addr6]);
        self.locals = all.filter(|addr| !addr.is_unspecified()).collect();
        self.locals.sort_unstable();
        self.ways.clear();
    }

    /// The forwarding table.
    #[inline]
    pub fn fib(&self) -> &Fib {
        self.fib.get()
    }

    /// Replaces the forwarding table.
    pub fn set_fib(&mut self, fib: Fib) {
        self.fib = Table::from(fib);
        self.ways.clear();
    }

    /// Replaces the forwarding table by one that is worked out when it is first needed.
    pub fn set_fib_source(&mut self, source: Rc<dyn FibSource>, node: u32) {
        self.fib = Table::from((source, node));
        self.ways.clear();
    }

    /// The forwarding table for keys of IPv6 addresses, if there is one.
    pub fn fib6(&self) -> Option<&Fib> {
        self.fib6.as_deref()
    }

    /// Replaces the forwarding table for keys of IPv6 addresses.
    pub fn set_fib6(&mut self, fib: Fib) {
        self.fib6 = Some(Box::new(fib));
        self.ways.clear();
    }

    /// The way of a packet that needs no more than what was found for its flow before.
    #[inline(always)]
    pub(crate) fn known_way(&self, now: Instant, packet: &Hot) -> Option<&Way> {
        self.ways.find(now, packet)
    }

    /// Whether `addr` is one of the node's own, loopback included.
    #[inline]
    pub fn is_local(&self, addr: Ipv4Addr) -> bool {
        let own = match self.locals.len() {
            0..=8 => self.locals.contains(&addr),
            _ => self.locals.binary_search(&addr).is_ok(),
        };
        own || addr.is_loopback() || addr == AddressBook::LOOPBACK
    }

    /// Whether `addr` means everybody on the link of `port`.
    pub fn is_broadcast(&self, port: u32, addr: Ipv4Addr) -> bool {
        let is_group = AddressBook::is_v6_group(addr) || addr.is_multicast();
        if addr.is_broadcast() || is_group && self.groups.contains(&addr) {
            return true;
        }
        let iface = self.ifaces.get(port as usize);
        iface.is_some_and(|iface| iface.prefix.bits() < 31 && iface.prefix.broadcast() == addr)
    }

    /// Whether a frame for this group of hosts concerns the node.
    pub fn listens(&self, mac: MacKey) -> bool {
        (mac.is_v6_group() || mac.is_ip_group())
            && self.groups.iter().any(|group| MacKey::of_any_group(*group) == mac)
    }

    /// Packets for this IPv4 group concern the node from now on, or no longer.
    pub(crate) fn set_listening(&mut self, group: Ipv4Addr, on: bool) {
        self.groups.retain(|known| *known != group);
        if on {
            self.groups.push(group);
        }
    }

    /// No IPv4 group concerns the node.
    pub(crate) fn forget_listening(&mut self) {
        self.groups.retain(|group| AddressBook::is_v6_group(*group));
    }

    /// The first address of the node; unspecified without any.
    pub fn address(&self) -> Ipv4Addr {
        self.ifaces
            .iter()
            .map(|iface| iface.addr)
            .find(|addr| !addr.is_unspecified())
            .unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// The address that packets to `dst` are sent from, and the MTU of the way there; `None` without a route.
    pub fn source_for(&self, dst: Ipv4Addr) -> Option<(Ipv4Addr, u16)> {
        if self.is_local(dst) {
            return Some((dst, LOOPBACK_MTU));
        }
        if dst.is_broadcast() || dst.is_multicast() {
            return self.ifaces.first().map(|iface| (iface.addr, iface.mtu));
        }
        let fib = if AddressBook::is_v6(dst) { self.fib6.as_deref()? } else { self.fib() };
        let hop = fib.choose(dst, 0)?;
        let iface = &self.ifaces[hop.port as usize];
        let addr = if AddressBook::is_v6(dst) { iface.addr6 } else { iface.addr };
        Some((addr, iface.mtu))
    }

    /// What fits on the way to `dst`, of what fits on the first link (RFC 1191, RFC 8201).
    #[inline]
    pub fn path_mtu(&self, now: Instant, dst: Ipv4Addr, first: u16) -> u16 {
        let Some(lessons) = &self.lessons else { return first };
        lessons
            .mtus
            .get(&dst)
            .map_or(first, |(mtu, until)| if now < *until { first.min(*mtu) } else { first })
    }

    /// A router says what fits on the way to `dst`.
    pub fn learn_path_mtu(&mut self, now: Instant, dst: Ipv4Addr, mtu: u16) {
        let least = if AddressBook::is_v6(dst) { tidewire_wire::Ipv6Header::MIN_MTU } else { MIN_MTU };
        let lessons = self.lessons.get_or_insert_default();
        let known =
            lessons.mtus.get(&dst).filter(|(_, until)| now < *until).map_or(u16::MAX, |(mtu, _)| *mtu);
        lessons.mtus.insert(dst, (mtu.max(least).min(known), now + MTU_EXPIRES));
        self.ways.clear();
    }

    /// The path MTUs that are believed, sorted by destination: (destination, bytes, time until it is forgotten).
    pub fn path_mtus(&self, now: Instant) -> Vec<(Ipv4Addr, u16, Span)> {
        let all = self.lessons.iter().flat_map(|lessons| &lessons.mtus);
        let live = all.filter(|(_, (_, until))| now < *until);
        let mut rows: Vec<_> = live.map(|(dst, (mtu, until))| (*dst, *mtu, until.since(now))).collect();
        rows.sort_unstable();
        rows
    }

    /// A router says that another one on the same link is a better first hop to `dst` (RFC 1122 section 3.2.2.2). Believed when it comes
    /// from the first hop in use and names a neighbour.
    pub fn learn_detour(&mut self, from: Ipv4Addr, dst: Ipv4Addr, gateway: Ipv4Addr) {
        let Some(hop) = self.fib().choose(dst, 0).filter(|hop| hop.gateway == Some(from)) else { return };
        if self.ifaces[hop.port as usize].prefix.contains(gateway) && !self.is_local(gateway) {
            let better = NextHop { port: hop.port, gateway: Some(gateway) };
            self.lessons.get_or_insert_default().detours.insert(dst, better);
            self.ways.clear();
        }
    }

    /// An IP header for a packet of the node's own.
    #[inline]
    pub fn header(&mut self, src: Ipv4Addr, dst: Ipv4Addr, ecn: Ecn) -> Ipv4Header {
        self.ident = self.ident.wrapping_add(1);
        Ipv4Header {
            src,
            dst,
            ttl: DEFAULT_TTL,
            ident: self.ident,
            dscp: 0,
            ecn,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
        }
    }

    /// Sends a packet of the node's own. Ends it when there is no way; says whether there was one.
    #[inline]
    pub fn output(&mut self, mut packet: Hot, cx: &mut Context<'_>) -> bool {
        self.stats.tx_packets += 1;
        self.stats.tx_bytes += u64::from(packet.len);
        if let Some(way) = self.known_way(cx.now, &packet) {
            packet.dst_mac = way.dst_mac;
            packet.src_mac = MacKey::of(way.out);
            cx.send(way.out.0, packet);
            return true;
        }
        self.output_slowly(packet, cx)
    }

    #[inline(never)]
    fn output_slowly(&mut self, packet: Hot, cx: &mut Context<'_>) -> bool {
        if self.gate.is_none() {
            return self.output_unscreened(packet, cx);
        }
        // What may not leave was sent all the same, as far as its sender knows.
        self.screen_output(packet, cx).is_none_or(|packet| self.output_unscreened(packet, cx))
    }

    /// Sends a packet of the node's own that no rule is asked about.
    pub(crate) fn output_unscreened(&mut self, mut packet: Hot, cx: &mut Context<'_>) -> bool {
        if self.is_local(packet.dst) {
            cx.send(LOOPBACK, packet);
            return true;
        }
        let hop = if packet.dst.is_broadcast() || packet.dst.is_multicast() {
            (!self.ifaces.is_empty()).then_some(NextHop { port: 0, gateway: None })
        } else {
            self.next_hop(&packet)
        };
        let Some(hop) = hop else {
            cx.end(packet, Cause::NoRoute);
            return false;
        };
        let mtu = self.ifaces[hop.port as usize].mtu;
        let path = self.path_mtu(cx.now, packet.dst, mtu);
        // TCP's segments get no smaller than its least MSS: where not even these fit, they are cut, as in Linux (`min_pmtu`).
        if path < LEAST_PATH && packet.kind() == HotKind::Tcp && !AddressBook::is_v6(packet.dst) {
            packet.allow_fragments();
        }
        let fits = if packet.dont_fragment() { mtu } else { path };
        if packet.len > fits {
            self.send_in_parts(hop, packet, fits, cx);
        } else {
            self.send_via(hop, packet, cx);
        }
        true
    }

    /// Cuts a packet and sends the parts (RFC 791 section 2.3), or ends it when it must not be cut.
    pub fn send_in_parts(&mut self, hop: NextHop, packet: Hot, mtu: u16, cx: &mut Context<'_>) {
        let parts = if packet.dont_fragment() { Vec::new() } else { cx.packets.fragment(&packet, mtu) };
        let cause = if parts.is_empty() { Cause::TooBig } else { Cause::Merged };
        self.stats.fragments_made += parts.len() as u64;
        self.stats.split += (parts.len() as u64).saturating_sub(1);
        cx.end(packet, cause);
        for part in parts {
            self.send_via(hop, part, cx);
        }
    }

    /// Whether any way leads to an address.
    pub(crate) fn has_way(&self, dst: Ipv4Addr) -> bool {
        let fib = if AddressBook::is_v6(dst) { self.fib6.as_deref() } else { Some(self.fib.get()) };
        fib.is_some_and(|fib| !fib.hops(fib.find(dst)).is_empty())
    }

    /// The next hop of a packet.
    #[inline]
    pub fn next_hop(&mut self, packet: &Hot) -> Option<NextHop> {
        if let Some(lessons) = &self.lessons
            && let Some(hop) = lessons.detours.get(&packet.dst)
        {
            return Some(*hop);
        }
        let fib = if AddressBook::is_v6(packet.dst) { self.fib6.as_deref()? } else { self.fib.get() };
        match fib.hops(fib.find(packet.dst)) {
            [] => None,
            [only] => Some(*only),
            hops => Some(hops[pick(self.ecmp, &mut self.turn, packet.flow_hash ^ self.salt, hops.len())]),
        }
    }

    /// Puts a packet on the link towards a next hop, once its MAC address is known.
    #[inline]
    pub fn send_via(&mut self, hop: NextHop, mut packet: Hot, cx: &mut Context<'_>) {
        let iface = &mut self.ifaces[hop.port as usize];
        let (id, mtu) = (iface.id, iface.mtu);
        let mtu = match &self.lessons {
            None => mtu,
            Some(lessons) => lessons.mtus.get(&packet.dst).map_or(mtu, |(path, _)| mtu.min(*path)),
        };
        // Packet by packet, the next one of the flow takes another way.
        let is_lasting = self.ecmp != Ecmp::Packet && self.gate.is_none();
        packet.src_mac = MacKey::of(id);
        if !iface.framed {
            if is_lasting {
                self.ways.remember(&packet, id, MacKey::ZERO, mtu, Instant::MAX);
            }
            packet.dst_mac = MacKey::ZERO;
            return cx.send(id.0, packet);
        }
        let ip = hop.gateway.unwrap_or(packet.dst);
        if hop.gateway.is_none()
            && (ip.is_broadcast() || ip == iface.prefix.broadcast() && iface.prefix.bits() < 31)
        {
            packet.dst_mac = MacKey::BROADCAST;
            return cx.send(id.0, packet);
        }
        if ip.is_multicast() {
            packet.dst_mac = MacKey::of_group(ip);
            return cx.send(id.0, packet);
        }
        match iface.neighbors.resolve(cx.now, ip, &packet) {
            Resolved::To(mac, until) => {
                if AddressBook::is_v6(ip) {
                    // It may have to be tested soon.
                    self.asking = true;
                    cx.out.timers = true;
                }
                if is_lasting {
                    self.ways.remember(&packet, id, mac, mtu, until);
                }
                packet.dst_mac = mac;
                cx.send(id.0, packet);
            }
            Resolved::Waits { ask, dropped } => {
                if ask {
                    self.ask(hop.port, ip, None, cx);
                }
                if let Some(oldest) = dropped {
                    cx.end(oldest, Cause::NoArpReply);
                }
            }
        }
    }

    /// When an ARP request is due.
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        if !self.asking {
            return Instant::MAX;
        }
        if self.has_news() {
            return Instant::ZERO;
        }
        self.ifaces.iter().map(|iface| iface.neighbors.next_timeout()).min().unwrap_or(Instant::MAX)
    }

    /// Wakes the node at once, to tell its sockets something.
    pub(crate) fn wake_soon(&mut self, cx: &mut Context<'_>) {
        self.asking = true;
        cx.out.timers = true;
    }

    fn has_news(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.has_news())
    }

    /// Every packet is looked at anew.
    pub fn forget_ways(&mut self) {
        self.ways.clear();
    }

    /// Repeats ARP requests that are due; gives back those that nobody answered.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Vec<GivenUp> {
        let mut all = Vec::new();
        for port in 0..self.ifaces.len() as u32 {
            let (ask, given_up) = self.ifaces[port as usize].neighbors.handle_timeout(cx.now);
            for (ip, mac) in ask {
                self.ask(port, ip, mac, cx);
            }
            all.extend(given_up);
        }
        self.look_who_is_asked_for();
        all
    }

    /// Forgets neighbours, ways and what ICMP has said. Packets that wait are the caller's.
    pub(crate) fn forget(&mut self) {
        self.ifaces.iter_mut().for_each(|iface| drop(iface.neighbors.clear()));
        self.lessons = None;
        self.asking = false;
        self.ways.clear();
        if let Some(gate) = &mut self.gate {
            gate.forget();
        }
    }

    /// Whether any packet waits for the address of a neighbour, or a socket for news.
    pub fn has_waiting(&self) -> bool {
        self.asking && (self.has_news() || self.ifaces.iter().any(|iface| iface.neighbors.has_waiting()))
    }

    pub(crate) fn look_who_is_asked_for(&mut self) {
        self.asking =
            self.has_news() || self.ifaces.iter().any(|iface| iface.neighbors.next_timeout() < Instant::MAX);
    }

    /// Asks for the MAC address of a neighbour: everybody, or the one who had the address.
    fn ask(&mut self, port: u32, ip: Ipv4Addr, mac: Option<MacKey>, cx: &mut Context<'_>) {
        self.asking = true;
        cx.out.timers = true;
        if AddressBook::is_v6(ip) {
            return self.solicit(port, ip, mac, cx);
        }
        let iface = &self.ifaces[port as usize];
        let mut request = cx.packets.insert_arp(ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: MacKey::of(iface.id).mac(),
            sender_ip: iface.addr,
            target_mac: MacKey::ZERO.mac(),
            target_ip: ip,
        });
        (request.src_mac, request.dst_mac) = (MacKey::of(iface.id), MacKey::BROADCAST);
        cx.send(iface.id.0, request);
    }
}

/// Which of `n` equal-cost next hops a packet takes; `hash` mixes its flow's with the router's own.
fn pick(ecmp: Ecmp, turn: &mut u32, hash: u32, n: usize) -> usize {
    match ecmp {
        Ecmp::Off => 0,
        Ecmp::Flow => {
            // Multiplying mixes upwards and the choice reads the top bits: routers choose independently of each other.
            let mixed = hash.wrapping_mul(0x9E37_79B1);
            ((u64::from((mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA77)) * n as u64) >> 32) as usize
        }
        Ecmp::Packet => {
            *turn = turn.wrapping_add(1);
            *turn as usize % n
        }
    }
}

const DEFAULT_TTL: u8 = 64;
/// The smallest path MTU that is believed (RFC 1191 section 3), and for how long any is (section 6.3; Linux's).
const MIN_MTU: u16 = 68;
/// Below this, segments of TCP may be cut.
const LEAST_PATH: u16 = 552;
const MTU_EXPIRES: Span = Span::from_secs(600);
/// As Linux' `lo`.
const LOOPBACK_MTU: u16 = u16::MAX;
