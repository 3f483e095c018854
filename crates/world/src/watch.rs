//! Time series: figures of flows and links, looked at in regular intervals.

use crate::{FlowId, World};
use std::sync::Arc;
use tidewire_engine::{Class, Key};
use tidewire_node::SocketView;
use tidewire_units::{DirId, Instant, Span};

/// Something that can be watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watched {
    /// A flow.
    Flow(FlowId),
    /// A direction of a link.
    Direction(DirId),
}

impl Watched {
    /// The metrics that it has.
    pub const fn metrics(self) -> &'static [&'static str] {
        match self {
            Watched::Flow(_) => &[
                "cwnd_bytes",
                "cwnd_packets",
                "ssthresh_bytes",
                "srtt_ms",
                "rto_ms",
                "inflight_bytes",
                "delivery_rate_mbps",
                "pacing_rate_mbps",
                "goodput_mbps",
                "sent_mbps",
                "received_bytes",
                "retransmits_count",
            ],
            Watched::Direction(_) => {
                &["queue_bytes", "queue_packets", "throughput_mbps", "utilization_pct", "drops_count"]
            }
        }
    }
}

/// One value of a time series.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// Of what.
    pub of: Watched,
    /// Which metric.
    pub metric: Arc<str>,
    /// The value.
    pub value: f64,
}

struct Watch {
    of: Watched,
    metrics: Vec<Arc<str>>,
    every: Span,
    /// Cumulative figures at the last look, for rates.
    last: Totals,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    sent: u64,
    received: u64,
    busy: Span,
}

#[derive(Default)]
pub(crate) struct Watches {
    all: Vec<Watch>,
    pub samples: Vec<Sample>,
}

impl World {
    /// Watches metrics of something every so often, from now on. Unknown metrics are refused with their position. A flow's may also be
    /// variables of its congestion control, such as `cubic.w_max`; those that it does not have give no samples.
    ///
    /// # Errors
    /// The position of a metric that the thing does not have.
    pub fn watch(&mut self, of: Watched, metrics: &[&str], every: Span) -> Result<(), usize> {
        let known = of.metrics();
        let is_flow = matches!(of, Watched::Flow(_));
        let find = |(i, name): (usize, &&str)| {
            let fits = known.contains(name) || is_flow && name.contains('.');
            if fits { Ok(Arc::from(*name)) } else { Err(i) }
        };
        let metrics = metrics.iter().enumerate().map(find).collect::<Result<Vec<_>, _>>()?;
        let every = if every.is_zero() { Span::from_ms(100) } else { every };
        let last = self.totals(of);
        self.watches.all.push(Watch { of, metrics, every, last });
        let source = self.watches.all.len() as u64 - 1;
        self.agenda.push(Key::new(self.now + every, Class::Sampler, source).background());
        Ok(())
    }

    /// The time series so far, by time and then by order of watching.
    pub fn samples(&self) -> &[Sample] {
        &self.watches.samples
    }

    /// One figure as it is now; rates are over no time and therefore missing.
    pub fn figure(&mut self, of: Watched, metric: &str) -> Option<f64> {
        let totals = self.totals(of);
        self.measure(of, metric, &totals, Span::ZERO)
    }

    pub(crate) fn sample(&mut self, source: usize) {
        let watch = &self.watches.all[source];
        let (of, every, last, metrics) = (watch.of, watch.every, watch.last, watch.metrics.clone());
        let at = self.now;
        for metric in metrics {
            if let Some(value) = self.measure(of, &metric, &last, every) {
                self.watches.samples.push(Sample { at, of, metric, value });
            }
        }
        self.watches.all[source].last = self.totals(of);
        self.agenda.push(Key::new(at + every, Class::Sampler, source as u64).background());
    }

    fn totals(&self, of: Watched) -> Totals {
        match of {
            Watched::Flow(flow) => {
                let flow = &self.flows.all[flow.0 as usize];
                Totals { sent: flow.sent, received: flow.received, busy: Span::ZERO }
            }
            Watched::Direction(dir) => {
                let port = self.port(dir);
                let stats = port.stats();
                Totals { sent: stats.tx_bytes, received: 0, busy: stats.busy }
            }
        }
    }

    fn measure(&mut self, of: Watched, metric: &str, last: &Totals, every: Span) -> Option<f64> {
        let now = self.now;
        let totals = self.totals(of);
        let rate = |bytes: u64| (!every.is_zero()).then(|| bytes as f64 * 8e-6 / every.as_secs_f64());
        match of {
            Watched::Direction(dir) => {
                let port = self.port_mut(dir);
                let stats = port.stats();
                match metric {
                    "queue_bytes" => Some(port.backlog(now).1 as f64),
                    "queue_packets" => Some(port.backlog(now).0 as f64),
                    "throughput_mbps" => rate(totals.sent.saturating_sub(last.sent)),
                    "utilization_pct" if !every.is_zero() => {
                        let busy = totals.busy.saturating_sub(last.busy).as_secs_f64() / every.as_secs_f64();
                        Some(100.0 * busy.min(1.0))
                    }
                    "drops_count" => Some((stats.queue_full + stats.lost + stats.link_down) as f64),
                    _ => None,
                }
            }
            Watched::Flow(id) => {
                match metric {
                    "goodput_mbps" => return rate(totals.received.saturating_sub(last.received)),
                    "sent_mbps" => return rate(totals.sent.saturating_sub(last.sent)),
                    "received_bytes" => return Some(totals.received as f64),
                    _ => {}
                }
                let flow = &self.flows.all[id.0 as usize];
                let Some(SocketView::Tcp(_, _, conn)) = self.view(flow.spec.src, flow.socket?) else {
                    return None;
                };
                match metric {
                    "cwnd_bytes" => Some(conn.cwnd_bytes() as f64),
                    "cwnd_packets" => Some(f64::from(conn.info(now).snd_cwnd)),
                    "rto_ms" => Some(conn.info(now).rto.as_ms_f64()),
                    "ssthresh_bytes" => conn.ssthresh_bytes().map(|bytes| bytes as f64),
                    "srtt_ms" => Some(conn.srtt().as_ms_f64()).filter(|ms| *ms > 0.0),
                    "inflight_bytes" => Some(conn.inflight_bytes() as f64),
                    "delivery_rate_mbps" => Some(conn.delivery_rate() as f64 * 8e-6),
                    "pacing_rate_mbps" => conn.pacing_rate().map(|bytes| bytes as f64 * 8e-6),
                    variable if variable.contains('.') => conn.cc_state(variable),
                    "retransmits_count" => Some(conn.info(now).total_retrans as f64),
                    _ => None,
                }
            }
        }
    }
}
