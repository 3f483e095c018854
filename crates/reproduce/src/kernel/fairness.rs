//! Two flows that share a link.

use super::reference::FairnessRow;
use crate::network::{Path, at, kernel_tcp, rate_of_mbps};
use tidewire_l4_transport::CcKind;
use tidewire_units::Span;

/// Runs that one figure is the mean of.
pub(crate) const SEEDS: u64 = 10;
/// What is measured, in seconds: goodput from `BEGIN` to `END`.
const BEGIN: f64 = 10.0;
pub(crate) const END: f64 = 60.0;

/// Rows of one configuration.
pub(crate) struct Group<'a> {
    pub rows: Vec<&'a FairnessRow>,
}

impl<'a> Group<'a> {
    /// The rows by configuration, in order of first appearance. Who starts first does not tell them apart: our runs begin as the rows did,
    /// in turn.
    pub fn of(rows: &'a [FairnessRow]) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for row in rows {
            match groups.iter_mut().find(|group| same(group.rows[0], row)) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group { rows: vec![row] }),
            }
        }
        groups
    }

    /// What the kernel's runs had on average.
    pub fn mean(&self, figure: impl Fn(&FairnessRow) -> f64) -> f64 {
        self.rows.iter().map(|row| figure(row)).sum::<f64>() / self.rows.len() as f64
    }
}

fn same(x: &FairnessRow, y: &FairnessRow) -> bool {
    (&x.cc, x.rate, x.rtt_ms, x.queue_pkts) == (&y.cc, y.rate, y.rtt_ms, y.queue_pkts)
}

/// Share of flow A and goodput of both in Mbit/s, in one run; `None` for a congestion control that there is not.
pub(crate) fn run(row: &FairnessRow, seed: u64) -> Option<(f64, f64)> {
    let cc = [CcKind::from_name(&row.cc[0])?, CcKind::from_name(&row.cc[1])?];
    let rtt = Span::from_secs_f64(row.rtt_ms * 1e-3);
    let mut path = Path::new(rate_of_mbps(row.rate)?, rtt, row.queue_pkts);
    // Without any noise, a full queue can lock one of two flows out for ever; a real host is never so regular.
    path.processing = Span::from_us(100);
    path.seed = seed;
    let mut net = path.build(&kernel_tcp(CcKind::Cubic));
    let starts = if row.b_first { [1.0, 0.0] } else { [0.0, 1.0] };
    let [a, b] = [0, 1].map(|i| net.bulk(kernel_tcp(cc[i].clone()), None, at(starts[i])));
    net.run_until(at(BEGIN));
    let before = [a, b].map(|flow| net.received(flow));
    net.run_until(at(END));
    let [a, b] = [(a, before[0]), (b, before[1])].map(|(flow, before)| (net.received(flow) - before) as f64);
    Some((a / (a + b), (a + b) * 8e-6 / (END - BEGIN)))
}
