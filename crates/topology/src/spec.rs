//! What nodes and links are like: the options of each, with their defaults.

use crate::{Address6, ArqSpec, DisciplineSpec, IfaceAddr, MediumSpec, RadioSpec, VlanSpec};
use std::net::Ipv4Addr;
use tidewire_units::{Bytes, Probability, Rate, Span};

/// What a node is, without its options.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NodeKind {
    /// An end system: sockets and processes, forwards nothing unless told to.
    Host,
    /// A learning Ethernet switch, without an address.
    Switch,
    /// Forwards IP packets.
    Router,
}

/// What a node is, with its options.
#[derive(Clone, PartialEq, Debug)]
pub enum NodeSpec {
    /// A host.
    Host(HostSpec),
    /// A switch.
    Switch(SwitchSpec),
    /// A router.
    Router(RouterSpec),
}

/// Options of a host.
#[derive(Clone, PartialEq, Debug)]
pub struct HostSpec {
    /// Address of its first interface.
    pub ip: AddressMode,
    /// IPv6 address of its first interface, when IPv6 is used.
    pub ip6: Address6,
    /// Default gateway; by default the router of its network that was declared first.
    pub gateway: Option<Ipv4Addr>,
    /// Time that the host needs for each packet it receives.
    pub processing: Processing,
    /// Processor cores, for work that occupies them.
    pub cores: u32,
    /// Forwards packets that are not for it, as a router does.
    pub forward: bool,
}

/// How a host gets an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddressMode {
    /// The next free address of its network.
    #[default]
    Auto,
    /// This one.
    Fixed(IfaceAddr),
    /// None.
    Unnumbered,
    /// One that it gets from a server while the network runs; its network has room for it.
    Dhcp,
}

/// How long a node works on a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Processing {
    /// Always as long; zero means not at all.
    Fixed(Span),
    /// Uniformly distributed between these two.
    Uniform(Span, Span),
}

/// Options of a switch.
#[derive(Clone, PartialEq, Debug)]
pub struct SwitchSpec {
    /// How long an address is remembered after it was last seen as a source (IEEE 802.1D table 7-5: 300 s).
    pub ageing: Span,
    /// How many addresses are remembered.
    pub table_size: u32,
    /// Whether it takes part in the spanning tree.
    pub stp: SpanningTree,
    /// The lowest of a network becomes the root (default 32768).
    pub priority: u16,
    /// The tree is there when time starts, instead of having to be found. One switch that says no decides for its network.
    pub converge: bool,
    /// Its links share a medium.
    pub medium: Option<MediumSpec>,
    /// The memory that the queues of its ports share; without, each port has its own.
    pub buffer: Option<BufferSpec>,
}

/// Memory that the queues of a switch share.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BufferSpec {
    /// How much may wait in all.
    pub size: Bytes,
    /// A queue may have this many times what is free (Choudhury and Hahne 1998).
    pub alpha: f64,
}

impl BufferSpec {
    /// The usual factor of a queue's share.
    pub const ALPHA: f64 = 1.0;
}

impl SwitchSpec {
    /// A hub: a bus and nothing else.
    pub fn hub() -> SwitchSpec {
        SwitchSpec { stp: SpanningTree::Off, medium: Some(MediumSpec::Hub), ..SwitchSpec::default() }
    }
}

/// Which spanning-tree protocol a switch speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SpanningTree {
    /// The rapid one where the switches form a loop, none where they do not.
    #[default]
    Auto,
    /// None: frames go round a loop for ever.
    Off,
    /// IEEE 802.1D-1998.
    Stp,
    /// IEEE 802.1w.
    Rstp,
}

/// Options of a router.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RouterSpec {
    /// What to do with several equally short paths.
    pub ecmp: Ecmp,
    /// It translates addresses between its outside and the networks on its other links.
    pub nat: Option<NatSide>,
}

/// Which side of an address translator is outside.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NatSide {
    /// The name of the link, the neighbour or any node on the network that is outside. Without one, it is the network with
    /// another router, which must be only one.
    pub outside: Option<String>,
}

/// How a router uses several equally short paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ecmp {
    /// All packets of a flow take the same one (RFC 2992).
    #[default]
    Flow,
    /// Each packet takes the next one, in turn.
    Packet,
    /// Only the first is used.
    Off,
}

/// Options of a link: what is true of both directions, and the two directions.
#[derive(Clone, PartialEq, Debug)]
pub struct LinkSpec {
    /// From the first to the second end.
    pub forward: DirectionSpec,
    /// From the second to the first end.
    pub backward: DirectionSpec,
    /// What the serialiser counts.
    pub framing: Framing,
    /// Largest IP packet, in bytes; at least 68 (RFC 791 section 3.2).
    pub mtu: u16,
    /// What its ends at switches are to VLANs; `None`: the default VLAN where a switch has some.
    pub vlan: Option<VlanSpec>,
    /// How it repairs losses, if it does.
    pub arq: Option<ArqSpec>,
    /// Metres between a station and its access point: the link is a radio link.
    pub distance: Option<f64>,
    /// Its ends ask each other to pause before they must drop (IEEE 802.3 annex 31B).
    pub pause: bool,
}

/// Options of one direction of a link.
#[derive(Clone, PartialEq, Debug)]
pub struct DirectionSpec {
    /// How fast it sends.
    pub rate: Rate,
    /// Propagation delay.
    pub delay: Span,
    /// Which packets it loses.
    pub loss: LossSpec,
    /// How much may wait to be sent; the packet being sent is not counted.
    pub queue: QueueSpec,
    /// Who among those that wait is sent, marked or dropped; `None` for first in, first out and drop-tail.
    pub discipline: Option<Box<DisciplineSpec>>,
    /// What else happens to packets on their way; `None` for nothing, as on most links.
    pub impairments: Option<Box<ImpairmentSpec>>,
    /// Times in milliseconds at which one packet may be delivered, ascending, repeated for ever; used instead of the rate.
    pub trace: Option<std::sync::Arc<[u64]>>,
    /// What routing pays for sending this way, at least 1.
    pub cost: u32,
}

/// What may happen to a packet on its way, besides loss.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ImpairmentSpec {
    /// Variation of the delay.
    pub jitter: Option<JitterSpec>,
    /// Noise.
    pub corrupt: CorruptSpec,
    /// How many packets arrive twice.
    pub duplicate: Probability,
    /// How many packets skip the delay, and so overtake others.
    pub reorder: Probability,
}

/// Variation of a link's delay.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct JitterSpec {
    /// Its distribution.
    pub shape: JitterShape,
    /// Correlation of successive packets, from 0 to below 1.
    pub correlation: f64,
    /// No packet overtakes another.
    pub keep_order: bool,
}

/// How the delay varies.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum JitterShape {
    /// Up to so much is added.
    Uniform(Span),
    /// Normal around the delay, with this standard deviation.
    Normal(Span),
    /// Pareto: this is added on average, with this exponent (above 1).
    Pareto(Span, f64),
}

/// Which frames noise damages.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum CorruptSpec {
    /// None.
    #[default]
    None,
    /// Each with this probability.
    Packets(Probability),
    /// Each bit with this probability.
    Bits(f64),
    /// Those with these ordinals, counted from 1 as they are sent.
    Listed(Vec<u64>),
}

/// Which packets are lost.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LossSpec {
    /// How the victims are chosen.
    pub model: LossModel,
    /// Among which packets; others are neither lost nor counted.
    pub among: Match,
}

/// How lost packets are chosen.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum LossModel {
    /// None is.
    #[default]
    None,
    /// Each with this probability, independently.
    Bernoulli(Probability),
    /// Every n-th.
    Every(u64),
    /// Exactly those with these ordinals, counted from 1 as packets arrive at the port.
    Listed(Vec<u64>),
    /// Those with these ordinals of every so many packets: a recording, over and over.
    Repeated {
        /// The ordinals, from 1.
        lost: Vec<u64>,
        /// After so many packets it begins again.
        of: u64,
    },
    /// In bursts (Gilbert and Elliott).
    Gilbert {
        /// Probability of leaving the good state, before each packet.
        good_to_bad: Probability,
        /// Probability of leaving the bad state.
        bad_to_good: Probability,
        /// Loss in the good state.
        loss_good: Probability,
        /// Loss in the bad state.
        loss_bad: Probability,
    },
}

/// A kind of packet that a loss model is restricted to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Match {
    /// Every packet.
    #[default]
    Any,
    /// Carries application data.
    Data,
    /// A TCP acknowledgment without data.
    Ack,
    /// A TCP SYN without ACK.
    Syn,
    /// A TCP SYN with ACK.
    SynAck,
    /// A TCP FIN.
    Fin,
    /// TCP data sent before.
    Retransmit,
    /// Chosen by whoever watches the link: a function of a script. In a document without one, no packet is.
    Chosen,
}

/// How much may wait at a port, worked out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueLimit {
    /// So many packets.
    Packets(u32),
    /// So many bytes of IP packets.
    Bytes(Bytes),
}

/// How much may wait at a port, as the user says it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum QueueSpec {
    /// So many packets.
    Packets(u32),
    /// So many bytes of IP packets.
    Bytes(Bytes),
    /// A multiple of the bandwidth-delay product, in packets of 1500 bytes; see [`DirectionSpec::queue_limit`].
    Bdp {
        /// The multiple.
        factor: f64,
        /// The round-trip time of the product.
        rtt: Span,
    },
}

/// What a link's serialiser counts for each IP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Framing {
    /// An Ethernet frame with preamble and gap: 38 bytes more, at least 84.
    #[default]
    Ethernet,
    /// The IP packet alone; no MAC layer, no ARP.
    Ip,
    /// Two bytes more; no MAC layer, no ARP.
    Ppp,
}

impl NodeSpec {
    /// What the node is, without the options.
    pub const fn kind(&self) -> NodeKind {
        match self {
            NodeSpec::Host(_) => NodeKind::Host,
            NodeSpec::Switch(_) => NodeKind::Switch,
            NodeSpec::Router(_) => NodeKind::Router,
        }
    }

    /// Which side of an address translator is outside; none for everything else.
    pub const fn nat(&self) -> Option<&NatSide> {
        match self {
            NodeSpec::Router(router) => router.nat.as_ref(),
            _ => None,
        }
    }

    /// Its radio, if it is an access point.
    pub const fn radio(&self) -> Option<&RadioSpec> {
        match self {
            NodeSpec::Switch(SwitchSpec { medium: Some(MediumSpec::Radio(radio)), .. }) => Some(radio),
            _ => None,
        }
    }

    /// Whether it is a hub.
    pub const fn is_hub(&self) -> bool {
        matches!(self, NodeSpec::Switch(SwitchSpec { medium: Some(MediumSpec::Hub), .. }))
    }

    /// Whether the node passes IP packets on: a router, or a host told to.
    pub const fn forwards(&self) -> bool {
        match self {
            NodeSpec::Host(host) => host.forward,
            NodeSpec::Switch(_) => false,
            NodeSpec::Router(_) => true,
        }
    }
}

impl Default for HostSpec {
    fn default() -> Self {
        HostSpec {
            ip: AddressMode::Auto,
            ip6: Address6::Auto,
            gateway: None,
            processing: Processing::Fixed(Span::ZERO),
            cores: 1,
            forward: false,
        }
    }
}

impl Default for SwitchSpec {
    fn default() -> Self {
        SwitchSpec {
            ageing: Span::from_secs(300),
            table_size: 8192,
            stp: SpanningTree::Auto,
            priority: 32768,
            converge: true,
            medium: None,
            buffer: None,
        }
    }
}

impl Default for DirectionSpec {
    /// 1 Gbit/s, no delay, no loss, 1000 packets (as a Linux interface), cost 1.
    fn default() -> Self {
        DirectionSpec {
            rate: Rate::from_mbps(1000),
            delay: Span::ZERO,
            loss: LossSpec::default(),
            queue: QueueSpec::Packets(1000),
            discipline: None,
            impairments: None,
            trace: None,
            cost: 1,
        }
    }
}

impl Default for LinkSpec {
    /// Both directions at their defaults, Ethernet framing, an MTU of 1500 bytes.
    fn default() -> Self {
        LinkSpec {
            forward: DirectionSpec::default(),
            backward: DirectionSpec::default(),
            framing: Framing::Ethernet,
            mtu: 1500,
            vlan: None,
            arq: None,
            distance: None,
            pause: false,
        }
    }
}

impl LinkSpec {
    /// A link with this rate and delay in both directions, all else at the defaults.
    pub fn new(rate: Rate, delay: Span) -> LinkSpec {
        LinkSpec::default().both(|direction| {
            direction.rate = rate;
            direction.delay = delay;
        })
    }

    /// Changes both directions alike.
    pub fn both(mut self, change: impl Fn(&mut DirectionSpec)) -> LinkSpec {
        change(&mut self.forward);
        change(&mut self.backward);
        self
    }

    /// The same link with this queue limit in both directions.
    pub fn with_queue(self, queue: QueueSpec) -> LinkSpec {
        self.both(|direction| direction.queue = queue)
    }

    /// The same link with this routing cost in both directions.
    pub fn with_cost(self, cost: u32) -> LinkSpec {
        self.both(|direction| direction.cost = cost)
    }
}

impl DirectionSpec {
    /// The queue limit in packets or bytes, a bandwidth-delay product worked out:
    /// `round(factor x rate x rtt / (1500 x 8 bit))` packets, at least 1.
    pub fn queue_limit(&self) -> QueueLimit {
        match self.queue {
            QueueSpec::Packets(packets) => QueueLimit::Packets(packets),
            QueueSpec::Bytes(bytes) => QueueLimit::Bytes(bytes),
            QueueSpec::Bdp { factor, rtt } => {
                let packets = factor * self.rate.bits_per_s() as f64 * rtt.as_secs_f64() / 12_000.0;
                QueueLimit::Packets((packets.round() as u32).max(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bdp_is_rate_times_rtt_in_packets_of_1500_bytes() {
        let mut direction = DirectionSpec { rate: Rate::from_mbps(10), ..DirectionSpec::default() };
        let mut packets = |factor, ms| {
            direction.queue = QueueSpec::Bdp { factor, rtt: Span::from_ms(ms) };
            direction.queue_limit()
        };
        assert_eq!(packets(1.0, 50), QueueLimit::Packets(42));
        assert_eq!(packets(0.5, 50), QueueLimit::Packets(21));
        assert_eq!(packets(1.0, 0), QueueLimit::Packets(1));
    }
}
