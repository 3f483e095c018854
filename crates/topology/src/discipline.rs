//! What queue a direction of a link has, besides how much may wait.

use tidewire_units::{Bytes, Probability, Rate, Span};

/// A queue discipline. What is not given takes the value that the discipline's specification or Linux gives it.
#[derive(Clone, PartialEq, Debug)]
pub struct DisciplineSpec {
    /// Which one.
    pub kind: DisciplineKind,
    /// Mark packets that allow it instead of dropping them.
    pub ecn: Option<bool>,
    /// CoDel and PIE: how long packets may wait.
    pub target: Option<Span>,
    /// CoDel: for how long before anything is dropped. PIE: time between updates.
    pub interval: Option<Span>,
    /// RED: lower and upper threshold of the mean queue, in packets.
    pub thresholds: Option<(f64, f64)>,
    /// RED: the probability of dropping at the upper threshold.
    pub max_p: Option<Probability>,
    /// FQ-CoDel and DRR: bytes that a flow may send in a round.
    pub quantum: Option<u32>,
    /// FQ-CoDel: how many flows are told apart.
    pub flows: Option<u32>,
    /// Mark everything above this, whatever the discipline does.
    pub ce_threshold: Option<CeThreshold>,
    /// DRR: weights of the classes. Strict priority: as many bands.
    pub classes: Vec<u32>,
    /// Token bucket: rate and burst.
    pub bucket: Option<(Rate, Bytes)>,
    /// Token bucket: drop what exceeds the rate instead of holding it back.
    pub police: bool,
}

impl DisciplineSpec {
    /// Between updates of PIE, and before CoDel drops anything: less would be all that a simulation does, more would be never.
    const INTERVALS: [Span; 2] = [Span::from_us(10), Span::from_secs(1000)];

    /// A bucket that holds no packet lets none through (tc-tbf(8)).
    const LEAST_BURST: u64 = 1500;

    /// What cannot be done about its times and sizes, or an option that another discipline has, if anything.
    pub fn problem(&self) -> Option<String> {
        if let Some(stray) = self.stray() {
            return Some(stray);
        }
        let [least, most] = DisciplineSpec::INTERVALS;
        match (self.interval, self.target) {
            (Some(interval), _) if !(least..=most).contains(&interval) => {
                Some(format!("interval = {interval}: a queue's interval is from {least} to {most}"))
            }
            _ if self.bucket.is_some_and(|(_, burst)| burst.0 < DisciplineSpec::LEAST_BURST) => {
                Some(format!(
                    "burst = {}: a bucket must hold a packet at least, {} bytes",
                    self.bucket.map_or(0, |(_, burst)| burst.0),
                    DisciplineSpec::LEAST_BURST
                ))
            }
            (_, Some(target)) if target.is_zero() => Some(
                "target = 0s: packets would have to wait for no time at all; write target = \"5ms\""
                    .to_owned(),
            ),
            (_, Some(target)) if target > most => {
                Some(format!("target = {target}: packets may wait for at most {most}"))
            }
            _ => None,
        }
    }

    /// An option that this discipline does not know.
    fn stray(&self) -> Option<String> {
        use DisciplineKind::{Codel, Drr, FqCodel, Pie, Prio, Red, Tbf};
        let options: [(&str, bool, &[DisciplineKind]); 10] = [
            ("ecn", self.ecn == Some(true), &[Red, Codel, FqCodel, Pie]),
            ("target", self.target.is_some(), &[Codel, FqCodel, Pie]),
            ("interval", self.interval.is_some(), &[Codel, FqCodel, Pie]),
            ("min", self.thresholds.is_some(), &[Red]),
            ("max_p", self.max_p.is_some(), &[Red]),
            ("quantum", self.quantum.is_some(), &[FqCodel, Drr]),
            ("flows", self.flows.is_some(), &[FqCodel]),
            ("classes", !self.classes.is_empty(), &[Drr, Prio]),
            ("rate", self.bucket.is_some(), &[Tbf]),
            ("police", self.police, &[Tbf]),
        ];
        let stray = options.iter().find(|(_, given, owners)| *given && !owners.contains(&self.kind));
        stray.map(|(option, _, owners)| {
            let owners: Vec<&str> = owners.iter().map(|kind| kind.name()).collect();
            format!("{option} belongs to {}, not to {}", owners.join(", "), self.kind.name())
        })
    }
}

/// The queue disciplines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DisciplineKind {
    /// First in, first out.
    DropTail,
    /// Random early detection (Floyd and Jacobson 1993).
    Red,
    /// RFC 8289.
    Codel,
    /// RFC 8290.
    FqCodel,
    /// RFC 8033.
    Pie,
    /// Deficit round robin (Shreedhar and Varghese 1995).
    Drr,
    /// Strict priority.
    Prio,
    /// Token bucket.
    Tbf,
}

impl DisciplineKind {
    /// As scripts and documents call it.
    pub const fn name(self) -> &'static str {
        match self {
            DisciplineKind::DropTail => "droptail",
            DisciplineKind::Red => "red",
            DisciplineKind::Codel => "codel",
            DisciplineKind::FqCodel => "fq_codel",
            DisciplineKind::Pie => "pie",
            DisciplineKind::Drr => "drr",
            DisciplineKind::Prio => "prio",
            DisciplineKind::Tbf => "tbf",
        }
    }
}

/// Where step marking begins (RFC 8257 section 3.1).
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum CeThreshold {
    /// So many packets waiting.
    Packets(u32),
    /// So long a wait.
    Time(Span),
}
