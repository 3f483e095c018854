//! What disciplines can be told, and what holds otherwise.

use tidewire_units::{Bytes, Probability, Rate, Span};

/// How much may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// So many packets.
    Packets(u32),
    /// So many bytes of IP packets.
    Bytes(u64),
}

impl Limit {
    /// Whether one more packet of `len` bytes may join `packets` of `bytes` bytes. An empty queue takes any packet: everything that is
    /// sent goes through it.
    #[inline]
    pub fn allows(self, packets: usize, bytes: u64, len: u16) -> bool {
        match self {
            Limit::Packets(most) => packets == 0 || packets < most as usize,
            Limit::Bytes(most) => packets == 0 || bytes + u64::from(len) <= most,
        }
    }

    /// Whether so much is too much; a single packet never is.
    pub fn is_exceeded(self, packets: usize, bytes: u64) -> bool {
        match self {
            Limit::Packets(most) => packets > 1.max(most as usize),
            Limit::Bytes(most) => packets > 1 && bytes > most,
        }
    }
}

/// Where step marking begins (RFC 8257 section 3.1: everything above K is marked).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CeThreshold {
    /// So many packets waiting when another arrives.
    Packets(u32),
    /// Having waited longer than this.
    Time(Span),
}

/// A discipline with its parameters.
#[derive(Clone, PartialEq, Debug)]
pub struct DisciplineSpec {
    /// Which one.
    pub kind: Kind,
    /// How much may wait in all.
    pub limit: Limit,
    /// Step marking, on top of whatever the discipline does.
    pub ce_threshold: Option<CeThreshold>,
}

/// The disciplines.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    /// First in, first out.
    DropTail,
    /// Random early detection.
    Red(RedSpec),
    /// Controlled delay.
    Codel(CodelSpec),
    /// CoDel for each flow, in fair turns.
    FqCodel(FqCodelSpec),
    /// Proportional integral controller enhanced.
    Pie(PieSpec),
    /// Deficit round robin.
    Drr(DrrSpec),
    /// So many bands, the first always before the second.
    Prio(u8),
    /// Token bucket.
    Tbf(TbfSpec),
}

/// RED (Floyd and Jacobson 1993), with Floyd's "gentle" slope above the upper threshold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RedSpec {
    /// Mean queue in packets at which dropping begins.
    pub min: f64,
    /// Mean queue at which `max_p` is reached; at twice that everything is dropped.
    pub max: f64,
    /// Probability of dropping at `max`.
    pub max_p: Probability,
    /// Weight of the newest sample in the mean.
    pub weight: f64,
    /// How long a typical packet takes to be sent: the mean decays by one sample for each while nothing waits.
    pub packet_time: Span,
    /// Mark instead of dropping below `max`.
    pub ecn: bool,
}

impl Default for RedSpec {
    /// 5 and 15 packets, 10 %, weight 0.002 (Floyd's recommendations of 1997).
    fn default() -> Self {
        RedSpec {
            min: 5.0,
            max: 15.0,
            max_p: Probability::new(0.1).unwrap_or(Probability::ONE),
            weight: 0.002,
            packet_time: Span::from_us(120),
            ecn: false,
        }
    }
}

/// CoDel (RFC 8289 section 4.2 and 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodelSpec {
    /// Acceptable standing delay.
    pub target: Span,
    /// How long the delay may exceed it before something is dropped; about the longest round trip.
    pub interval: Span,
    /// Mark instead of dropping.
    pub ecn: bool,
}

impl Default for CodelSpec {
    /// 5 ms, 100 ms, no marking.
    fn default() -> Self {
        CodelSpec { target: Span::from_ms(5), interval: Span::from_ms(100), ecn: false }
    }
}

/// FQ-CoDel (RFC 8290 section 4.1.4 and 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FqCodelSpec {
    /// What governs each flow's queue.
    pub codel: CodelSpec,
    /// Queues that flows are hashed to.
    pub flows: u32,
    /// Bytes of a turn.
    pub quantum: u32,
}

impl Default for FqCodelSpec {
    /// 1024 queues, 1514 bytes, CoDel with marking, as in Linux.
    fn default() -> Self {
        FqCodelSpec { codel: CodelSpec { ecn: true, ..CodelSpec::default() }, flows: 1024, quantum: 1514 }
    }
}

/// PIE (RFC 8033 section 4 and appendix A).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PieSpec {
    /// Reference delay.
    pub target: Span,
    /// Time between updates of the probability.
    pub update: Span,
    /// Bursts of this length pass untouched.
    pub burst: Span,
    /// Mark instead of dropping while the probability is at most 10 %.
    pub ecn: bool,
}

impl Default for PieSpec {
    /// 15 ms, 15 ms, 150 ms, no marking.
    fn default() -> Self {
        PieSpec {
            target: Span::from_ms(15),
            update: Span::from_ms(15),
            burst: Span::from_ms(150),
            ecn: false,
        }
    }
}

/// Deficit round robin (Shreedhar and Varghese 1995).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DrrSpec {
    /// Bytes of a turn, times the weight.
    pub quantum: u32,
    /// Weights of the classes; empty for a queue per flow.
    pub weights: Vec<u32>,
}

impl Default for DrrSpec {
    /// 1514 bytes, a queue per flow.
    fn default() -> Self {
        DrrSpec { quantum: 1514, weights: Vec::new() }
    }
}

/// A token bucket: tokens are bytes of IP packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TbfSpec {
    /// How fast tokens come.
    pub rate: Rate,
    /// How many there can be.
    pub burst: Bytes,
    /// Drop what finds no tokens, instead of holding it back.
    pub police: bool,
}
