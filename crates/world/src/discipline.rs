//! From the queue discipline that a plan asks for to the one that works.

use crate::World;
use tidewire_l2_datalink::qdisc::{
    CeThreshold, CodelSpec, DisciplineSpec, DrrSpec, FqCodelSpec, Kind, Limit, PieSpec, QueueStats, RedSpec,
    TbfSpec,
};
use tidewire_topology::{self as topology, DirectionSpec, DisciplineKind};
use tidewire_units::{Bytes, DirId};

/// What one of the queues of a direction has done since the end of the warm-up.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueReport {
    /// Its number: of a class, 0 the most important, or of a hash of flows.
    pub queue: usize,
    /// The flow that came last, where flows have queues and it is declared.
    pub flow: Option<String>,
    /// Its figures.
    pub stats: QueueStats,
}

impl World {
    /// The queues of a direction whose discipline has several, those that were used.
    pub fn queues(&self, dir: DirId) -> Vec<QueueReport> {
        let Some(discipline) = self.discipline(dir) else { return Vec::new() };
        let used = discipline.queues().iter().enumerate().filter(|(_, stats)| stats.is_used());
        let report = |(queue, stats): (usize, &QueueStats)| {
            // Frames without a flow have no hash, as flows that have not begun.
            let has_one = discipline.tells_flows_apart() && stats.flow != 0;
            let is_its = |flow: &&crate::Flow| has_one && flow.hash == stats.flow;
            let flow = self.flows.all.iter().find(is_its);
            QueueReport { queue, flow: flow.map(|flow| flow.spec.name.clone()), stats: *stats }
        };
        used.map(report).collect()
    }

    /// Queues count anew.
    pub(crate) fn restart_queues(&mut self) {
        let specials = self.directions.iter_mut().filter_map(|direction| direction.special.as_mut());
        let schedulers = specials.filter_map(|special| special.scheduler.as_mut());
        schedulers.for_each(|scheduler| scheduler.discipline_mut().restart_stats());
    }
}

/// Octets of a typical packet, for limits and means that disciplines need in packets or in time.
const TYPICAL: u64 = 1500;
/// Precedences of the differentiated services field (RFC 2474 section 4.2.2).
const PRECEDENCES: usize = 8;

/// The discipline of a direction, with the limit of its queue.
pub(crate) fn discipline_of(spec: &DirectionSpec) -> DisciplineSpec {
    let limit = match spec.queue_limit() {
        topology::QueueLimit::Packets(most) => Limit::Packets(most),
        topology::QueueLimit::Bytes(most) => Limit::Bytes(most.0),
    };
    let Some(asked) = &spec.discipline else {
        return DisciplineSpec { kind: Kind::DropTail, limit, ce_threshold: None };
    };
    let ce_threshold = asked.ce_threshold.map(|threshold| match threshold {
        topology::CeThreshold::Packets(most) => CeThreshold::Packets(most),
        topology::CeThreshold::Time(most) => CeThreshold::Time(most),
    });
    DisciplineSpec { kind: kind_of(asked, spec), limit, ce_threshold }
}

fn kind_of(asked: &topology::DisciplineSpec, spec: &DirectionSpec) -> Kind {
    match asked.kind {
        DisciplineKind::DropTail => Kind::DropTail,
        DisciplineKind::Red => Kind::Red(red_of(asked, spec)),
        DisciplineKind::Codel => Kind::Codel(codel_of(asked, CodelSpec::default())),
        DisciplineKind::FqCodel => {
            let usual = FqCodelSpec::default();
            Kind::FqCodel(FqCodelSpec {
                codel: codel_of(asked, usual.codel),
                flows: asked.flows.unwrap_or(usual.flows),
                quantum: asked.quantum.unwrap_or(usual.quantum),
            })
        }
        DisciplineKind::Pie => {
            let usual = PieSpec::default();
            Kind::Pie(PieSpec {
                target: asked.target.unwrap_or(usual.target),
                update: asked.interval.unwrap_or(usual.update),
                ecn: asked.ecn.unwrap_or(usual.ecn),
                ..usual
            })
        }
        DisciplineKind::Drr => {
            let usual = DrrSpec::default();
            Kind::Drr(DrrSpec {
                quantum: asked.quantum.unwrap_or(usual.quantum),
                weights: asked.classes.clone(),
            })
        }
        DisciplineKind::Prio => Kind::Prio(classes_of(asked) as u8),
        DisciplineKind::Tbf => {
            let (rate, burst) = asked.bucket.unwrap_or((spec.rate, Bytes(10_000)));
            Kind::Tbf(TbfSpec { rate, burst, police: asked.police })
        }
    }
}

fn codel_of(asked: &topology::DisciplineSpec, usual: CodelSpec) -> CodelSpec {
    CodelSpec {
        target: asked.target.unwrap_or(usual.target),
        interval: asked.interval.unwrap_or(usual.interval),
        ecn: asked.ecn.unwrap_or(usual.ecn),
    }
}

fn red_of(asked: &topology::DisciplineSpec, spec: &DirectionSpec) -> RedSpec {
    let usual = RedSpec::default();
    let (min, max) = asked.thresholds.unwrap_or((usual.min, usual.max));
    RedSpec {
        min,
        max,
        max_p: asked.max_p.unwrap_or(usual.max_p),
        packet_time: spec.rate.time_for(TYPICAL),
        ecn: asked.ecn.unwrap_or(usual.ecn),
        ..usual
    }
}

/// Bands of strict priority: as many as asked for, three otherwise, as in Linux.
fn classes_of(asked: &topology::DisciplineSpec) -> usize {
    match asked.classes.len() {
        0 => 3,
        some => some.min(PRECEDENCES),
    }
}

/// How many classes a discipline tells apart.
pub(crate) fn classes(spec: &DisciplineSpec) -> usize {
    match &spec.kind {
        Kind::Prio(bands) => usize::from(*bands),
        Kind::Drr(drr) => drr.weights.len(),
        _ => 0,
    }
}

/// The class of a packet among `classes`, 0 the most important: the eight precedences, highest first, in equal parts.
pub(crate) fn class_of(dscp: u8, classes: usize) -> u8 {
    let rank = PRECEDENCES - 1 - usize::from(dscp >> 3 & 7);
    (rank * classes / PRECEDENCES) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expedited_traffic_comes_first_and_best_effort_last() {
        let (expedited, assured, network, none) = (46, 18, 48, 0);
        for classes in 1..=8 {
            assert_eq!(class_of(network, classes), if classes == 8 { 1 } else { 0 });
            assert_eq!(usize::from(class_of(none, classes)), classes - 1);
            assert!(class_of(expedited, classes) <= class_of(assured, classes));
        }
        assert_eq!([class_of(expedited, 3), class_of(assured, 3), class_of(none, 3)], [0, 1, 2]);
    }
}
