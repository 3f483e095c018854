//! The arrays, the dispatch, building from a plan, the observer seam, scheduled changes.
//!
//! ```text
//!   Plan --sync--> World --run--> Pause::Process | Pause::Control | Pause::Ended     (a script goes on, then run again)
//!                    |
//!                    +-- agenda: who is next?  links: streams of packets  nodes: state machines  processes: programs
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `dispatch.rs` | the run loop, and the whole trip of a packet |
//! | `fifo.rs` | [`fifo::Fifo`], the sorted stream of packets on a link |
//! | `special.rs` | links with queue disciplines, recorded capacity, impairments |
//! | `buffers.rs` | memory that the queues of a switch share, and PAUSE |
//! | `medium.rs` | hubs: media that several nodes share |
//! | `repair.rs` | links that repair losses by themselves |
//! | `radio.rs` | access points and the cells of their stations |
//! | `build.rs` | nodes and links from a plan, addresses and routes |
//! | `processes.rs` | programs: starting, waiting, waking |
//! | `sockets.rs` | the socket calls of scripts and native programs |
//! | `flows.rs` | measured flows |
//! | `workloads.rs` | many connections of one state machine |
//! | `ledger.rs` | how every packet was born and how it ended |
//! | `watch.rs` | time series of flows and links |
//! | `results.rs` | tables of flows, links and the ledger |
//! | `arp.rs` | ARP from a script |
//! | `devices.rs` | devices that are programs of the script |
//! | `failures.rs`, `sabotage.rs` | nodes that crash and boot, networks that fall apart; faults to be found |
//! | `ipv6.rs` | IPv6 addresses as keys, and their routes |
//! | `spanning.rs`, `routing.rs` | which switches and routers run a protocol, who hears whom |
//! | `services.rs` | firewalls, address translation, DHCP |
//! | `capture.rs`, `taps.rs` | packets as pcapng; packets that the script looks at |
//!
//! What is not here: Lua, files, threads, the wall clock.

mod arp;
mod buffers;
mod build;
mod capture;
mod devices;
mod discipline;
mod dispatch;
mod failures;
mod fifo;
mod flows;
mod ipv6;
mod ledger;
mod medium;
mod processes;
mod radio;
mod repair;
mod results;
mod routing;
mod sabotage;
mod services;
mod sockets;
mod spanning;
mod special;
mod taps;
mod watch;
mod workloads;

pub use arp::{ArpConfig, IpOptions};
pub use buffers::BufferReport;
pub use build::BuildError;
pub use capture::CapturePoint;
pub use devices::{DeviceFrame, FrameTrace};
pub use discipline::QueueReport;
pub use flows::{Flow, FlowId, FlowSpec, Transport};
pub use ipv6::Route6;
pub use ledger::{Entry, Ledger, Place};
pub use medium::StationReport;
pub use processes::ProcessId;
pub use routing::RoutingSpec;
pub use taps::{Seen, Sight, Verdict};
pub use tidewire_l1_physical::DeliveryTrace;
pub use tidewire_l2_datalink::arq::ArqStats;
pub use tidewire_l2_datalink::medium::StationStats;
pub use watch::{Looks, Sample, StateChange, Watched};
pub use workloads::{WorkloadId, WorkloadSpec};

use build::NodeRef;
use fifo::Places;
use flows::Flows;
use processes::Processes;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tidewire_engine::Agenda;
use tidewire_l1_physical::Port;
use tidewire_l2_datalink::medium::Heard;
use tidewire_l2_datalink::qdisc::Queued;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::Resume;
use tidewire_node::{IpNode, Outbox, Switch};
use tidewire_topology::Plan;
use tidewire_units::{Instant, LinkId, NodeId, Span, Streams};
use tidewire_wire::{Cause, Hot, MacKey, Packets};

/// How a world is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed of every random stream.
    pub seed: u64,
    /// What is first sent before this is not measured.
    pub warmup: Span,
    /// Send every packet through emit and parse and compare.
    pub check_wire: bool,
    /// Not zero: let ties fall in another, equally legal order.
    pub tie_seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { seed: 1, warmup: Span::ZERO, check_wire: cfg!(debug_assertions), tie_seed: 0 }
    }
}

/// Why [`World::run`] came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    /// A process of the script goes on.
    Process(ProcessId, Resume),
    /// A scheduled callback is due.
    Control(u64),
    /// The time limit was reached; the clock stands at it.
    TimeUp,
    /// Nothing is left that keeps the run alive.
    Idle,
    /// The event limit was reached.
    EventLimit,
    /// Frames go round a loop for ever, past this switch among others: nobody breaks the loop.
    Storm(NodeId),
    /// Somebody asked for a stop from outside.
    Stopped,
}

/// How far to run.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Until this time, inclusive of what happens before it; [`Instant::MAX`] for no limit.
    pub until: Instant,
    /// At most so many events in all.
    pub events: u64,
    /// Looked at now and then.
    pub stop: Arc<AtomicBool>,
    /// As `stop`, for what fails inside the world: a congestion control that cannot go on.
    pub halt: Arc<AtomicBool>,
}

impl Default for Limit {
    fn default() -> Self {
        Limit { until: Instant::MAX, events: u64::MAX, stop: Arc::default(), halt: Arc::default() }
    }
}

/// One direction of a link: the port that sends, and the packets on their way.
pub(crate) struct Direction {
    pub port: Port,
    pub stream: fifo::Fifo,
    pub to: NodeRef,
    pub to_port: u32,
    /// The MAC address that the link leads to, where it carries any.
    pub to_mac: Option<MacKey>,
    /// Something looks at every packet here: a capture.
    pub observed: bool,
    /// What it does besides sending in order at a constant rate.
    pub special: Option<Box<special::Special>>,
}

impl Direction {
    /// Whether a packet is addressed to the interface that the link leads to, and to no other.
    #[inline]
    pub fn takes(&self, packet: &Hot) -> bool {
        self.to_mac.is_none_or(|mac| packet.dst_mac == mac)
    }
}

/// When an IP node is woken next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wake {
    pub at: Instant,
    pub foreground: bool,
}

/// A simulated network and everything that happens in it.
pub struct World {
    pub(crate) now: Instant,
    pub(crate) options: Options,
    pub(crate) streams: Streams,
    pub(crate) agenda: Agenda,
    pub(crate) packets: Packets,
    pub(crate) places: Places,
    /// What a queue discipline has dropped, until it is entered in the books.
    pub(crate) dropped: Vec<(Queued, Cause)>,
    pub(crate) directions: Vec<Direction>,
    pub(crate) media: Vec<medium::Medium>,
    pub(crate) repairs: Vec<repair::Repair>,
    pub(crate) radios: Vec<radio::Radio>,
    /// What was heard on a medium, until it is acted on.
    pub(crate) heard: Vec<Heard>,
    /// What each node is, by node id.
    pub(crate) nodes: Vec<NodeRef>,
    pub(crate) hosts: Vec<IpNode>,
    /// By position in `hosts`: its node id, its next wake.
    pub(crate) host_ids: Vec<NodeId>,
    pub(crate) wakes: Vec<Wake>,
    /// How many hosts have a timer that keeps the run alive.
    pub(crate) busy_hosts: usize,
    pub(crate) loopbacks: FxHashMap<u32, u32>,
    pub(crate) host_tcp: Vec<Option<Arc<TcpConfig>>>,
    pub(crate) processing: FxHashMap<u32, build::Processing>,
    pub(crate) switches: Vec<Switch>,
    pub(crate) switch_ids: Vec<NodeId>,
    pub(crate) switch_ports: Vec<Vec<u32>>,
    pub(crate) buffers: Vec<buffers::Buffer>,
    /// By position in `switches`: its shared memory.
    pub(crate) buffer_of: Vec<Option<u32>>,
    /// The port of a switch that the last frame came in through.
    pub(crate) ingress: u32,
    /// By position in `switches`: its next wake.
    pub(crate) switch_wakes: Vec<Instant>,
    /// Some loop of switches is not broken by a spanning tree.
    pub(crate) storm_watch: bool,
    /// The routers whose routes are not computed from the whole plan.
    pub(crate) routing: routing::RoutingSpecs,
    /// Why links are down, as far as any was.
    pub(crate) faults: Vec<failures::Fault>,
    pub(crate) nodes_down: BTreeSet<NodeId>,
    /// Nodes that run with their interfaces down.
    pub(crate) nodes_cut_off: BTreeSet<NodeId>,
    /// How often links have gone down.
    pub(crate) outages: BTreeMap<LinkId, u64>,
    pub(crate) inbox: devices::Inbox,
    pub(crate) bgp: routing::BgpPlan,
    pub(crate) told: routing::Told,
    pub(crate) nats: BTreeMap<NodeId, services::Translator>,
    pub(crate) multicast: BTreeSet<NodeId>,
    pub(crate) out: Outbox,
    pub(crate) ledger: Ledger,
    pub(crate) flows: Flows,
    pub(crate) processes: Processes,
    pub(crate) workloads: workloads::Workloads,
    pub(crate) watches: watch::Watches,
    pub(crate) captures: capture::Captures,
    pub(crate) taps: taps::Taps,
    pub(crate) plan: Rc<Plan>,
    /// The plan with keys of IPv6 addresses, when there are some.
    pub(crate) keyed: Option<Box<Plan>>,
    pub(crate) started: bool,
    pub(crate) measuring: bool,
    pub(crate) default_tcp: Arc<TcpConfig>,
    events: u64,
    hops: u64,
}

impl World {
    /// An empty world at time zero.
    pub fn new(options: Options) -> World {
        World {
            now: Instant::ZERO,
            streams: Streams::new(options.seed),
            agenda: Agenda::with_ties(options.tie_seed),
            packets: Packets::new(),
            places: Places::default(),
            dropped: Vec::new(),
            directions: Vec::new(),
            media: Vec::new(),
            repairs: Vec::new(),
            radios: Vec::new(),
            heard: Vec::new(),
            nodes: Vec::new(),
            hosts: Vec::new(),
            host_ids: Vec::new(),
            wakes: Vec::new(),
            busy_hosts: 0,
            loopbacks: FxHashMap::default(),
            host_tcp: Vec::new(),
            processing: FxHashMap::default(),
            switches: Vec::new(),
            switch_ids: Vec::new(),
            switch_ports: Vec::new(),
            buffers: Vec::new(),
            buffer_of: Vec::new(),
            ingress: 0,
            switch_wakes: Vec::new(),
            storm_watch: false,
            routing: routing::RoutingSpecs::new(),
            faults: Vec::new(),
            nodes_down: BTreeSet::new(),
            nodes_cut_off: BTreeSet::new(),
            outages: BTreeMap::new(),
            inbox: devices::Inbox::default(),
            bgp: routing::BgpPlan::default(),
            told: routing::Told::default(),
            nats: BTreeMap::new(),
            multicast: BTreeSet::new(),
            out: Outbox::default(),
            ledger: Ledger::default(),
            flows: Flows::new(Instant::ZERO + options.warmup),
            processes: Processes::default(),
            workloads: workloads::Workloads::default(),
            watches: watch::Watches::default(),
            captures: capture::Captures::default(),
            taps: taps::Taps::default(),
            plan: Rc::new(Plan::new()),
            keyed: None,
            started: false,
            measuring: options.warmup.is_zero(),
            default_tcp: Arc::new(TcpConfig::linux()),
            events: 0,
            hops: 0,
            options,
        }
    }

    /// The simulated time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The plan that the world was built from, with its addresses.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The random streams of the run.
    pub fn streams(&self) -> Streams {
        self.streams
    }

    /// When the measured time begins.
    pub fn warmup(&self) -> Instant {
        Instant::ZERO + self.options.warmup
    }

    /// Whether the clock has moved or packets have been sent: the topology is fixed.
    pub fn has_started(&self) -> bool {
        self.started
    }

    /// Events handled.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Transmissions of one packet over one link.
    pub fn packet_hops(&self) -> u64 {
        self.hops
    }
}
