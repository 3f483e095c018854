//! Time series: figures of flows and links, looked at in regular intervals.

use crate::{FlowId, World};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tidewire_engine::{Class, Key};
use tidewire_node::SocketView;
use tidewire_units::{DirId, Instant, NodeId, SocketId, Span};
use tidewire_wire::Endpoint;

/// Something that can be watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watched {
    /// A flow.
    Flow(FlowId),
    /// A direction of a link.
    Direction(DirId),
    /// A TCP socket.
    Socket(NodeId, SocketId),
    /// A host or router.
    Host(NodeId),
}

impl Watched {
    /// The state that it has a name for, if it has any: `state` is a connection's, `ca_state` what its sender thinks of the network.
    pub const fn states(self) -> &'static [&'static str] {
        match self {
            Watched::Flow(_) | Watched::Socket(..) => &["state", "ca_state"],
            Watched::Direction(_) | Watched::Host(_) => &[],
        }
    }

    /// Whether a metric is a mean over an interval, which a moment does not have.
    pub fn is_rate(metric: &str) -> bool {
        matches!(
            metric,
            "goodput_mbps" | "sent_mbps" | "received_mbps" | "throughput_mbps" | "utilization_pct"
        )
    }

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
            Watched::Socket(..) => &[
                "cwnd_bytes",
                "cwnd_packets",
                "ssthresh_bytes",
                "srtt_ms",
                "rto_ms",
                "inflight_bytes",
                "delivery_rate_mbps",
                "pacing_rate_mbps",
                "retransmits_count",
            ],
            Watched::Host(_) => &[
                "sent_mbps",
                "received_mbps",
                "sent_packets",
                "received_packets",
                "forwarded_packets",
                "sockets_count",
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

/// A state that a watched thing came into.
#[derive(Clone, PartialEq, Debug)]
pub struct StateChange {
    /// When.
    pub at: Instant,
    /// Of what.
    pub of: Watched,
    /// Which kind of state.
    pub metric: Arc<str>,
    /// Its name.
    pub state: &'static str,
}

/// How often something is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looks {
    /// In regular intervals.
    Every(Span),
    /// After every event; what is as before is not written down.
    OnChange,
}

struct Watch {
    of: Watched,
    metrics: Vec<Arc<str>>,
    every: Span,
    /// With looks after every event, what was seen last.
    seen: Option<Vec<Option<f64>>>,
    /// States that have names, with the one seen last.
    states: Vec<(Arc<str>, Option<&'static str>)>,
    /// Cumulative figures at the last look, for rates.
    last: Totals,
}

/// Cumulative figures, in bytes and picoseconds. Differences wrap: counters begin anew when the warm-up ends.
#[derive(Clone, Copy, Default)]
struct Totals {
    sent: u64,
    received: u64,
    busy_ps: u64,
}

impl Totals {
    fn since(self, last: Totals) -> Totals {
        Totals {
            sent: self.sent.wrapping_sub(last.sent),
            received: self.received.wrapping_sub(last.received),
            busy_ps: self.busy_ps.wrapping_sub(last.busy_ps),
        }
    }
}

#[derive(Default)]
pub(crate) struct Watches {
    all: Vec<Watch>,
    pub samples: Vec<Sample>,
    pub changes: Vec<StateChange>,
    /// Whether something is to be looked at after every event.
    pub eager: bool,
    /// What watched sockets are called, and whether they were connected by then.
    names: BTreeMap<(NodeId, SocketId), (String, bool)>,
}

impl World {
    /// Watches metrics of something from now on; its states are looked at after every event. Unknown metrics are refused with their position. A flow's may also be
    /// variables of its congestion control, such as `cubic.w_max`; those that it does not have give no samples.
    ///
    /// # Errors
    /// The position of a metric that the thing does not have.
    pub fn watch(&mut self, of: Watched, metrics: &[&str], looks: Looks) -> Result<(), usize> {
        let (mut figures, mut states) = (Vec::new(), Vec::new());
        let has_variables = matches!(of, Watched::Flow(_) | Watched::Socket(..));
        for (i, name) in metrics.iter().enumerate() {
            let is_rate = looks == Looks::OnChange && Watched::is_rate(name);
            if of.states().contains(name) {
                states.push((Arc::from(*name), None));
            } else if !is_rate && (of.metrics().contains(name) || has_variables && name.contains('.')) {
                figures.push(Arc::from(*name));
            } else {
                return Err(i);
            }
        }
        let every = match looks {
            Looks::Every(every) if !every.is_zero() => every,
            _ => Span::from_ms(100),
        };
        self.learn_name(of);
        let last = self.totals(of);
        let seen = (looks == Looks::OnChange).then(|| vec![None; figures.len()]);
        let sampled = seen.is_none() && !figures.is_empty();
        self.watches.eager |= seen.is_some() || !states.is_empty();
        self.watches.all.push(Watch { of, metrics: figures, every, seen, states, last });
        if sampled {
            let source = self.watches.all.len() as u64 - 1;
            self.agenda.push(Key::new(self.now + every, Class::Sampler, source).background());
        }
        Ok(())
    }

    /// Takes the changes of states so far, by time and then by order of watching.
    pub fn take_state_changes(&mut self) -> Vec<StateChange> {
        std::mem::take(&mut self.watches.changes)
    }

    /// Writes down what the event before has changed.
    #[cold]
    #[inline(never)]
    pub(crate) fn notice_changes(&mut self) {
        let at = self.now;
        for n in 0..self.watches.all.len() {
            let watch = &mut self.watches.all[n];
            if watch.seen.is_none() && watch.states.is_empty() {
                continue;
            }
            let (of, last) = (watch.of, watch.last);
            self.learn_name(of);
            let watch = &mut self.watches.all[n];
            let (mut seen, mut states) = (watch.seen.take(), std::mem::take(&mut watch.states));
            let metrics = watch.metrics.clone();
            for (before, metric) in seen.iter_mut().flatten().zip(metrics) {
                let now = self.measure(of, &metric, &last, Span::ZERO);
                if let Some(value) = now.filter(|_| now != *before) {
                    *before = now;
                    self.watches.samples.push(Sample { at, of, metric, value });
                }
            }
            for (metric, before) in &mut states {
                let now = self.state_of(of, metric);
                if let Some(state) = now.filter(|_| now != *before) {
                    self.watches.changes.push(StateChange { at, of, metric: metric.clone(), state });
                }
                *before = now;
            }
            (self.watches.all[n].seen, self.watches.all[n].states) = (seen, states);
        }
    }

    /// What results call something that is watched.
    pub fn watched_name(&self, of: Watched) -> String {
        match of {
            Watched::Flow(flow) => self.flow(flow).spec.name.clone(),
            Watched::Direction(dir) => crate::build::direction_name(&self.plan, dir),
            Watched::Host(node) => self.plan.node(node).name.clone(),
            Watched::Socket(node, socket) => {
                self.watches.names.get(&(node, socket)).map_or_else(String::new, |(name, _)| name.clone())
            }
        }
    }

    /// A socket is called by its host and its two ends, which it may not have yet.
    fn learn_name(&mut self, of: Watched) {
        let Watched::Socket(node, socket) = of else { return };
        if self.watches.names.get(&(node, socket)).is_some_and(|(_, connected)| *connected) {
            return;
        }
        let end = |end: Endpoint| SocketAddr::new(self.shown(end.addr), end.port);
        let host = &self.plan.node(node).name;
        let name = match self.view(node, socket) {
            Some(SocketView::Tcp(local, remote, _)) => {
                (format!("{host} tcp {} > {}", end(local), end(remote)), true)
            }
            Some(SocketView::Listener(port, _) | SocketView::Unbound(port)) => {
                (format!("{host} tcp *:{port}"), false)
            }
            _ => (format!("{host} tcp"), false),
        };
        self.watches.names.insert((node, socket), name);
    }

    /// The socket behind what is watched, if it has one now.
    fn socket_of(&self, of: Watched) -> Option<(NodeId, SocketId)> {
        match of {
            Watched::Flow(id) => {
                let flow = &self.flows.all[id.0 as usize];
                Some((flow.spec.src, flow.socket?))
            }
            Watched::Socket(node, socket) => Some((node, socket)),
            Watched::Direction(_) | Watched::Host(_) => None,
        }
    }

    fn state_of(&self, of: Watched, metric: &str) -> Option<&'static str> {
        let (node, socket) = self.socket_of(of)?;
        match self.view(node, socket) {
            Some(SocketView::Tcp(_, _, conn)) if metric == "ca_state" => {
                Some(conn.info(self.now).ca_state.name())
            }
            Some(SocketView::Tcp(_, _, conn)) => Some(conn.state().name()),
            Some(SocketView::Listener(..)) if metric == "state" => Some("LISTEN"),
            _ if metric == "state" => Some("CLOSED"),
            _ => None,
        }
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
        self.learn_name(of);
        for metric in metrics {
            if let Some(value) = self.measure(of, &metric, &last, every) {
                self.watches.samples.push(Sample { at, of, metric, value });
            }
        }
        self.watches.all[source].last = self.totals(of);
        self.agenda.push(Key::new(at + every, Class::Sampler, source as u64).background());
    }

    /// The counters of links are about to begin anew: what they have counted by then belongs to the next samples.
    pub(crate) fn carry_over(&mut self, at: Instant) {
        for i in 0..self.watches.all.len() {
            let of = self.watches.all[i].of;
            if let Watched::Direction(_) = of {
                let counted = self.totals_at(of, at);
                self.watches.all[i].last = self.watches.all[i].last.since(counted);
            }
        }
    }

    fn totals(&self, of: Watched) -> Totals {
        self.totals_at(of, self.now)
    }

    fn totals_at(&self, of: Watched, at: Instant) -> Totals {
        match of {
            Watched::Flow(flow) => {
                let flow = &self.flows.all[flow.0 as usize];
                Totals { sent: flow.sent, received: flow.received, busy_ps: 0 }
            }
            Watched::Direction(dir) => {
                let port = self.port(dir);
                let stats = port.stats(at);
                Totals { sent: stats.tx_bytes, received: 0, busy_ps: stats.busy.as_ps() }
            }
            Watched::Socket(..) => Totals::default(),
            Watched::Host(node) => self.ip_node(node).map_or_else(Totals::default, |ip| {
                let stats = &ip.stack.stats;
                Totals { sent: stats.tx_bytes, received: stats.rx_bytes, busy_ps: 0 }
            }),
        }
    }

    fn measure(&mut self, of: Watched, metric: &str, last: &Totals, every: Span) -> Option<f64> {
        let now = self.now;
        let totals = self.totals(of);
        let new = totals.since(*last);
        let rate = |bytes: u64| (!every.is_zero()).then(|| bytes as f64 * 8e-6 / every.as_secs_f64());
        match of {
            Watched::Direction(dir) => {
                let port = self.port_mut(dir);
                let stats = port.stats(now);
                match metric {
                    "queue_bytes" => Some(port.backlog(now).1 as f64),
                    "queue_packets" => Some(port.backlog(now).0 as f64),
                    "throughput_mbps" => rate(new.sent),
                    "utilization_pct" if !every.is_zero() => {
                        let busy = Span::from_ps(new.busy_ps).as_secs_f64() / every.as_secs_f64();
                        Some(100.0 * busy.min(1.0))
                    }
                    "drops_count" => Some(stats.dropped() as f64),
                    _ => None,
                }
            }
            Watched::Host(node) => {
                let ip = self.ip_node(node)?;
                let stats = &ip.stack.stats;
                match metric {
                    "sent_mbps" => rate(new.sent),
                    "received_mbps" => rate(new.received),
                    "sent_packets" => Some(stats.tx_packets as f64),
                    "received_packets" => Some(stats.rx_packets as f64),
                    "forwarded_packets" => Some(stats.forwarded as f64),
                    "sockets_count" => Some(ip.sockets().map_or(0, |sockets| sockets.ids().count()) as f64),
                    _ => None,
                }
            }
            Watched::Flow(_) | Watched::Socket(..) => {
                match metric {
                    "goodput_mbps" => return rate(new.received),
                    "sent_mbps" => return rate(new.sent),
                    "received_bytes" => return Some(totals.received as f64),
                    _ => {}
                }
                let (node, socket) = self.socket_of(of)?;
                let Some(SocketView::Tcp(_, _, conn)) = self.view(node, socket) else {
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
