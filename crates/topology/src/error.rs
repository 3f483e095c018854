//! What cannot be built, as sentences for the person who asked for it.

use crate::Prefix;
use crate::prefix::NOT_FOR_HOSTS;
use std::fmt;
use tidewire_units::{NodeId, Rate};

/// Why a plan refuses an addition, or cannot be numbered. Displays as one sentence.
#[derive(Clone, PartialEq, Debug)]
pub enum PlanError {
    /// Two nodes of one name.
    DuplicateName(String),
    /// A name that is empty, too long or holds control characters.
    BadName(String),
    /// An id that belongs to no node of this plan.
    UnknownNode(NodeId),
    /// A link from a node to itself.
    SelfLink(String),
    /// An MTU below 68 bytes.
    MtuTooSmall {
        /// The link, as `a-b`.
        link: String,
        /// The MTU asked for, in bytes.
        mtu: u16,
    },
    /// A link without a MAC layer at a switch.
    NoMacLayer {
        /// The link, as `a-b`.
        link: String,
        /// The switch.
        switch: String,
    },
    /// A number that no VLAN has.
    VlanNumber {
        /// The link, as `a-b`.
        link: String,
        /// The number.
        vlan: u16,
    },
    /// A VLAN that a trunk names twice.
    VlanTwice {
        /// The link, as `a-b`.
        link: String,
        /// The VLAN.
        vlan: u16,
    },
    /// A subnet of addresses that no host can have.
    NoSubnet(Prefix),
    /// A trunk that does not join two switches.
    TrunkEnd {
        /// The link, as `a-b`.
        link: String,
        /// The end that reads no tags.
        node: String,
    },
    /// A VLAN on a link without a switch.
    VlanWithoutSwitch(String),
    /// Two hubs joined by a link.
    TwoHubs([String; 2]),
    /// A link to a hub with another rate than the others there.
    HubRates {
        /// The link, as `a-b`.
        link: String,
        /// The hub.
        hub: String,
        /// Its rate, and that of the others.
        rates: [Rate; 2],
    },
    /// A link to a hub with a queue discipline, impairments, a trace or no rate.
    NotAtHub {
        /// The link, as `a-b`.
        link: String,
        /// The hub.
        hub: String,
    },
    /// A link with repair and something that repair does not go with.
    NotWithArq(String),
    /// A link with PAUSE that cannot have it.
    NotWithPause(String),
    /// A distance on a link that is no radio link, or a radio link with something that it cannot have.
    NotByRadio(String),
    /// A distance that is none.
    BadDistance {
        /// The link, as `a-b`.
        link: String,
        /// The distance, in metres.
        metres: f64,
    },
    /// A routing cost of zero.
    ZeroCost(String),
    /// A queue as a multiple of the bandwidth-delay product that cannot be worked out.
    BadBdp(String),
    /// The network of a subnet has more members than the subnet has addresses.
    SubnetFull {
        /// The subnet.
        prefix: Prefix,
        /// How many addresses are needed.
        needed: u64,
    },
    /// The nodes given for a subnet do not share a network.
    NotOneNetwork {
        /// The subnet.
        prefix: Prefix,
        /// A node outside the network of the others, or without any.
        node: String,
    },
    /// The nodes given for a subnet share several networks.
    AmbiguousNetwork(Prefix),
    /// A network was given two subnets.
    TwoSubnets {
        /// The one it has.
        first: Prefix,
        /// The one it was given now.
        second: Prefix,
    },
    /// A network with hosts of two IPv6 networks.
    TwoNetworks6 {
        /// The one it has.
        first: std::net::Ipv6Addr,
        /// The one another host brings.
        second: std::net::Ipv6Addr,
    },
    /// Two hosts with one IPv6 address.
    SameAddress6 {
        /// The address.
        address: std::net::Ipv6Addr,
        /// Their names.
        nodes: [String; 2],
    },
    /// No private addresses are left for automatic numbering.
    AddressesExhausted {
        /// How many networks need a subnet.
        networks: usize,
    },
    /// A generator's parameter is out of range.
    BadShape(String),
    /// It cannot be told which side of an address translator is outside.
    NatSide {
        /// The translator.
        nat: String,
        /// The name given for its outside, which none of its links has.
        unknown: Option<String>,
        /// Those that are on its links.
        neighbors: Vec<String>,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::NatSide { nat, unknown: Some(name), neighbors } => write!(
                f,
                "the outside of '{nat}' is said to be '{name}', which is on none of its links (they lead to {})",
                neighbors.join(", ")
            ),
            PlanError::NatSide { nat, unknown: None, neighbors } => write!(
                f,
                "which side of '{nat}' is outside? It is where one other router is; write outside = \"{}\" (its links lead to {})",
                neighbors.last().map_or("", String::as_str),
                neighbors.join(", ")
            ),
            PlanError::DuplicateName(name) => write!(f, "there is already a node named '{name}'"),
            PlanError::BadName(name) => write!(
                f,
                "{name:?} cannot be a node's name: a name has 1 to 100 characters and no control characters"
            ),
            PlanError::UnknownNode(id) => write!(f, "there is no node with number {}", id.0),
            PlanError::SelfLink(name) => write!(f, "'{name}' cannot be linked to itself"),
            PlanError::MtuTooSmall { link, mtu } => {
                write!(f, "link '{link}' has an MTU of {mtu} bytes; IPv4 needs at least 68")
            }
            PlanError::NoMacLayer { link, switch } => write!(
                f,
                "link '{link}' has no MAC layer, but '{switch}' is a switch; use framing = \"ethernet\" there"
            ),
            PlanError::NotWithArq(link) => write!(
                f,
                "link '{link}' repairs losses (arq): it takes a window of at least 1, rate, delay, loss, noise and a limit of the queue, but no discipline, jitter, duplicates, reordering or trace"
            ),
            PlanError::NotWithPause(link) => write!(
                f,
                "link '{link}' has pause: it must be an Ethernet link of a switch with a shared buffer (net:switch(name, {{ buffer = \"1MB\" }})), without trace, arq and distance"
            ),
            PlanError::NotByRadio(link) => write!(
                f,
                "link '{link}' has a distance: it joins a station and one access point (net:ap) and takes delay, loss and a limit of the queue, but no discipline, jitter, noise, trace, arq or vlan"
            ),
            PlanError::BadDistance { link, metres } => {
                write!(
                    f,
                    "link '{link}' has a distance of {metres} m; a distance is a number of metres, at least 0"
                )
            }
            PlanError::TwoHubs([a, b]) => {
                write!(f, "'{a}' and '{b}' are hubs; use one hub with longer links, or a switch between them")
            }
            PlanError::HubRates { link, hub, rates: [own, others] } => write!(
                f,
                "link '{link}' has a rate of {own}, but the others at hub '{hub}' have {others}; all stations of a hub share one rate"
            ),
            PlanError::NotAtHub { link, hub } => write!(
                f,
                "link '{link}' leads to hub '{hub}': it takes rate, one delay for both ways, loss and a limit of the queue, but no discipline, jitter, noise, trace or arq"
            ),
            PlanError::VlanNumber { link, vlan } => {
                write!(f, "link '{link}' is in VLAN {vlan}; VLANs have the numbers 1 to 4094")
            }
            PlanError::TrunkEnd { link, node } => write!(
                f,
                "link '{link}' is a trunk, but '{node}' is a hub and reads no tags; give it a link of its own for each VLAN, such as vlan = 10"
            ),
            PlanError::VlanWithoutSwitch(link) => {
                write!(f, "link '{link}' is in a VLAN, but ends at no switch; leave vlan out")
            }
            PlanError::ZeroCost(link) => write!(f, "link '{link}' has a cost of 0; a cost is at least 1"),
            PlanError::BadBdp(link) => write!(
                f,
                "the queue of link '{link}' is given in bandwidth-delay products, which needs a finite rate and a positive factor"
            ),
            PlanError::SubnetFull { prefix, needed } => write!(
                f,
                "subnet {prefix} has {} addresses for hosts, but {needed} are needed; use a shorter prefix",
                prefix.hosts()
            ),
            PlanError::NotOneNetwork { prefix, node } => write!(
                f,
                "'{node}' is not on the same network as the other nodes of subnet {prefix}; join them with a switch"
            ),
            PlanError::AmbiguousNetwork(prefix) => write!(
                f,
                "the nodes of subnet {prefix} share more than one network; name more nodes, or a switch, to say which"
            ),
            PlanError::TwoSubnets { first, second } => {
                write!(f, "the network of subnet {first} cannot also have subnet {second}")
            }
            PlanError::AddressesExhausted { networks } => write!(
                f,
                "the private address space is too small for {networks} networks; join hosts with switches, or give subnets"
            ),
            PlanError::TwoNetworks6 { first, second } => write!(
                f,
                "the hosts of one network ask for addresses of two: {first}/64 and {second}/64; a router stands between networks"
            ),
            PlanError::SameAddress6 { address, nodes: [a, b] } => {
                write!(f, "'{a}' and '{b}' both ask for the address {address}; give one of them another ip6")
            }
            PlanError::VlanTwice { link, vlan } => write!(f, "the trunk '{link}' names VLAN {vlan} twice"),
            PlanError::NoSubnet(prefix) => write!(
                f,
                "{prefix} cannot be a subnet: it holds addresses that are not for hosts ({NOT_FOR_HOSTS}); use one such as 10.1.0.0/24"
            ),
            PlanError::BadShape(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for PlanError {}
