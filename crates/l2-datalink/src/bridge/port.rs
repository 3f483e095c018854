//! What a bridge knows of each of its ports.

use tidewire_units::{Instant, Rate, Span};
use tidewire_wire::BridgeId;

/// Which protocol a bridge speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpanningTree {
    /// The spanning tree protocol of IEEE 802.1D-1998: timers alone decide when a port may forward.
    Stp,
    /// The rapid one of IEEE 802.1w: neighbours agree at once. Falls back to the older one on a port where that is heard.
    Rstp,
}

/// How a port takes part. Mirrors the options of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BridgePortConfig {
    /// What the link adds to the distance from the root; see [`BridgePortConfig::cost_of`].
    pub cost: u32,
    /// Which of several equal ports is preferred: lower wins; a multiple of 16 (default 128).
    pub priority: u8,
    /// There is no bridge behind it: forwards at once, until one is heard. Default false.
    pub edge: bool,
    /// Finds out by itself (RSTP only) that there is no bridge behind it: nothing heard for 3 s. Default true.
    pub auto_edge: bool,
    /// There is exactly one neighbour, as on every full-duplex link; agreements need that. Default true.
    pub point_to_point: bool,
}

impl BridgePortConfig {
    /// The default with the cost that the protocol recommends for a rate.
    pub fn of_rate(protocol: SpanningTree, rate: Rate) -> BridgePortConfig {
        BridgePortConfig {
            cost: Self::cost_of(protocol, rate),
            priority: 128,
            edge: false,
            auto_edge: true,
            point_to_point: true,
        }
    }

    /// The recommended cost of a rate: IEEE 802.1D-1998 table 8-5 (10 Mbit/s 100, 100 Mbit/s 19, 1 Gbit/s 4, 10 Gbit/s 2), or
    /// 802.1D-2004 table 17-3 (20 Tbit/s over the rate).
    pub fn cost_of(protocol: SpanningTree, rate: Rate) -> u32 {
        let bits = rate.bits_per_s().max(1);
        match protocol {
            SpanningTree::Rstp => (20_000_000_000_000 / bits).clamp(1, 200_000_000) as u32,
            SpanningTree::Stp => match bits {
                10_000_000_000.. => 2,
                1_000_000_000.. => 4,
                100_000_000.. => 19,
                10_000_000.. => 100,
                4_000_000.. => 250,
                _ => (1_000_000_000 / bits).min(65_535) as u32,
            },
        }
    }
}

/// What a port does in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortRole {
    /// Its link is down.
    Disabled,
    /// The way to the root.
    Root,
    /// This bridge serves the segment behind it.
    Designated,
    /// Another bridge serves the segment: a second way to the root, kept closed.
    Alternate,
    /// Another port of this bridge serves the segment.
    Backup,
}

impl PortRole {
    /// The name in words.
    pub const fn label(self) -> &'static str {
        match self {
            PortRole::Disabled => "disabled",
            PortRole::Root => "root",
            PortRole::Designated => "designated",
            PortRole::Alternate => "alternate",
            PortRole::Backup => "backup",
        }
    }
}

/// What a port lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortState {
    /// Its link is down.
    Disabled,
    /// Nothing but bridge protocol units.
    Blocking,
    /// As blocking, on the way to forwarding (STP; RSTP calls both discarding).
    Listening,
    /// Addresses are learned, nothing is forwarded.
    Learning,
    /// Everything.
    Forwarding,
}

impl PortState {
    /// Whether source addresses are learned from frames that come in.
    pub const fn learns(self) -> bool {
        matches!(self, PortState::Learning | PortState::Forwarding)
    }

    /// Whether frames go in and out.
    pub const fn forwards(self) -> bool {
        matches!(self, PortState::Forwarding)
    }

    /// The name in words.
    pub const fn label(self) -> &'static str {
        match self {
            PortState::Disabled => "disabled",
            PortState::Blocking => "blocking",
            PortState::Listening => "listening",
            PortState::Learning => "learning",
            PortState::Forwarding => "forwarding",
        }
    }
}

/// A priority vector (IEEE 802.1D-2004 section 17.5): the lower is the better offer of a way to the root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Vector {
    pub(super) root: BridgeId,
    pub(super) cost: u32,
    pub(super) bridge: BridgeId,
    pub(super) port: u16,
}

/// Where a port's vector is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Info {
    /// Nobody: nothing was heard, or not for too long.
    Aged,
    /// This bridge.
    Mine,
    /// A better bridge on the segment.
    Received,
}

/// The times that a root prescribes, in 1/256 s as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Times {
    pub(super) message_age: u16,
    pub(super) max_age: u16,
    pub(super) hello: u16,
    pub(super) forward_delay: u16,
}

/// 1/256 s, the unit of the wire.
pub(super) fn ticks(ticks: u16) -> Span {
    Span::from_ps(u64::from(ticks) * (1_000_000_000_000 / 256))
}

pub(super) fn to_ticks(span: Span) -> u16 {
    u16::try_from(span.as_ps() / (1_000_000_000_000 / 256)).unwrap_or(u16::MAX)
}

#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) id: u16,
    pub(super) config: BridgePortConfig,
    pub(super) up: bool,
    pub(super) role: PortRole,
    pub(super) state: PortState,
    pub(super) info: Info,
    pub(super) vector: Vector,
    pub(super) times: Times,
    /// When what was received was received, and when it is forgotten.
    pub(super) received: Instant,
    pub(super) expires: Instant,
    /// When the next state on the way to forwarding is due.
    pub(super) forward_at: Instant,
    pub(super) edge: bool,
    /// When a silent port counts as one without a bridge behind it.
    pub(super) edge_at: Instant,
    /// The neighbour speaks RSTP, as far as is known; not reconsidered before `migrate_at`.
    pub(super) rapid: bool,
    pub(super) migrate_at: Instant,
    pub(super) proposing: bool,
    pub(super) proposed: bool,
    pub(super) agreed: bool,
    pub(super) agree: bool,
    pub(super) synced: bool,
    pub(super) recent_root_until: Instant,
    pub(super) recent_backup_until: Instant,
    /// Topology changes are announced until then.
    pub(super) change_until: Instant,
    pub(super) change_ack: bool,
    /// A unit is to be sent as soon as the hold time allows.
    pub(super) new_info: bool,
    pub(super) sent: u8,
    pub(super) sent_tick: Instant,
}

impl Port {
    pub(super) fn new(number: usize, config: BridgePortConfig, own: Vector, times: Times) -> Port {
        let id = u16::from(config.priority & 0xF0) << 8 | (number as u16 + 1) & 0xFFF;
        Port {
            id,
            config,
            up: false,
            role: PortRole::Disabled,
            state: PortState::Disabled,
            info: Info::Aged,
            vector: own,
            times,
            received: Instant::ZERO,
            expires: Instant::MAX,
            forward_at: Instant::MAX,
            edge: false,
            edge_at: Instant::MAX,
            rapid: true,
            migrate_at: Instant::ZERO,
            proposing: false,
            proposed: false,
            agreed: false,
            agree: false,
            synced: false,
            recent_root_until: Instant::ZERO,
            recent_backup_until: Instant::ZERO,
            change_until: Instant::ZERO,
            change_ack: false,
            new_info: false,
            sent: 0,
            sent_tick: Instant::ZERO,
        }
    }

    /// As new, with the link up or down.
    pub(super) fn reset(&mut self, number: usize, now: Instant, up: bool) {
        let fresh = Port::new(number, self.config, self.vector, self.times);
        *self = Port { up, sent: self.sent, sent_tick: self.sent_tick, ..fresh };
        if up {
            (self.role, self.state) = (PortRole::Designated, PortState::Blocking);
            self.edge = self.config.edge;
            self.migrate_at = now + MIGRATE;
            self.edge_at = now + MIGRATE;
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.state.forwards() && !self.edge
    }

    /// At most `limit` units at once, then one a second: the hold time of STP (1), the transmit hold count of RSTP (6).
    pub(super) fn may_send_at(&self, now: Instant, limit: u8) -> Instant {
        let regained = now.since(self.sent_tick).as_ms() / 1000;
        if u64::from(self.sent) < u64::from(limit) + regained { now } else { self.sent_tick + SECOND }
    }

    pub(super) fn note_sent(&mut self, now: Instant) {
        let regained = now.since(self.sent_tick).as_ms() / 1000;
        self.sent = u64::from(self.sent).saturating_sub(regained) as u8;
        self.sent_tick = if self.sent == 0 { now } else { self.sent_tick + Span::from_secs(regained) };
        self.sent += 1;
    }
}

/// How long a port waits before it believes that the neighbour speaks the other version, or that there is none.
pub(super) const MIGRATE: Span = Span::from_secs(3);
pub(super) const SECOND: Span = Span::from_secs(1);
