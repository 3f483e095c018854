//! One bulk flow, its goodput after the warm-up.

use super::reference::GoodputRow;
use super::replay::{goodput_seed, lost_ordinals};
use crate::network::{Path, kernel_tcp, mbps, rate_of_mbps};
use tidewire_l4_transport::{CcKind, TcpConfig, TcpInfo};
use tidewire_units::{Instant, Span};

/// What a flow did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// In Mbit/s.
    pub goodput: f64,
    /// None when the connection has given up.
    pub retransmits: Option<u64>,
    pub rtos: Option<u64>,
}

/// What a row's flow did; `None` for a congestion control that there is not.
pub(crate) fn run(row: &GoodputRow) -> Option<Measured> {
    let cc = CcKind::from_name(&row.cc)?;
    let rate = rate_of_mbps(row.rate)?;
    let tcp = TcpConfig { sack: row.sack, rack: row.rack, offload: !row.no_offload, ..kernel_tcp(cc) };
    // Nobody sends for long at more than twice the rate of the link.
    let packets = (row.rate * 1e6 * row.duration / 12_000.0 * 2.0) as u64 + 10_000;
    let lost = lost_ordinals(goodput_seed(row.seed, row.loss, row.rtt_ms), row.loss, packets);
    let path = Path::new(rate, Span::from_secs_f64(row.rtt_ms * 1e-3), row.queue_pkts).losing(lost);
    let mut net = path.build(&tcp);
    let flow = net.bulk(tcp, None, Instant::ZERO);
    // The clock of the measurement starts when connect returns.
    let connected = net.connected(flow);
    net.run_until(connected + Span::from_secs_f64(row.warmup_s));
    let before = net.received(flow);
    net.run_until(connected + Span::from_secs_f64(row.duration));
    let goodput = mbps(net.received(flow) - before, row.duration - row.warmup_s);
    let info = net.info(flow);
    let count = |figure: fn(&TcpInfo) -> u32| info.as_ref().map(|info| figure(info).into());
    Some(Measured {
        goodput,
        retransmits: count(|info| info.total_retrans),
        rtos: count(|info| info.total_rto),
    })
}
