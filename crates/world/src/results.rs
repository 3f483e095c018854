//! What a run leaves behind: tables of flows, links, the ledger and the series; and the check that the books balance.

use crate::discipline::QueueReport;
use crate::ledger::Place;
use crate::{Flow, Transport, World};
use tidewire_metrics::{Table, Value};
use tidewire_node::SocketView;
use tidewire_units::{DirId, Span};
use tidewire_wire::{Birth, Cause};

const FLOW_COLUMNS: [&str; 23] = [
    "flow",
    "transport",
    "cc",
    "src",
    "dst",
    "sport",
    "dport",
    "start_s",
    "end_s",
    "bytes_delivered",
    "goodput_mbps",
    "packets_lost",
    "retransmits",
    "rtos",
    "rtt_min_ms",
    "rtt_mean_ms",
    "packet_delay_mean_ms",
    "jitter_mean_ms",
    "delay_p50_ms",
    "delay_p95_ms",
    "delay_p99_ms",
    "fct_s",
    "ended",
];

impl World {
    /// One row for each flow, in order of declaration.
    pub fn flow_table(&self) -> Table {
        let mut table = Table::new(FLOW_COLUMNS);
        self.flows.all.iter().for_each(|flow| table.push(self.flow_row(flow)));
        table
    }

    /// One row for each direction of each link, in order of declaration.
    pub fn link_table(&mut self) -> Table {
        let causes = [Cause::QueueFull, Cause::Aqm, Cause::Loss, Cause::Corrupted, Cause::LinkDown];
        let mut columns: Vec<String> =
            ["link", "direction", "tx_bytes", "tx_packets"].into_iter().map(String::from).collect();
        columns.extend(causes.iter().map(|cause| format!("drops_{}", cause.label())));
        columns.extend(
            ["marked", "utilization_pct", "queue_mean_bytes", "queue_p95_bytes"]
                .into_iter()
                .map(String::from),
        );
        let mut table = Table::new(columns);
        let (now, since) = (self.now, self.measured_since());
        for dir in (0..self.plan.links().len() * 2).map(DirId::from_index) {
            let arrow = if dir.is_forward() { "forward" } else { "backward" };
            let name = self.plan.link(dir.link()).name.clone();
            let port = self.port_mut(dir);
            let stats = port.stats(now);
            let utilization = 100.0 * port.utilization(since, now);
            let occupancy = port.occupancy(now);
            let (mean, p95) = (occupancy.mean(now), occupancy.quantile(now, 0.95));
            let mut row: Vec<Value> =
                vec![name.into(), arrow.into(), stats.tx_bytes.into(), stats.tx_packets.into()];
            row.extend(
                [stats.queue_full, stats.aqm, stats.lost, stats.damaged, stats.link_down, stats.marked]
                    .map(Value::from),
            );
            row.extend([utilization, mean, p95].map(|x| Value::from(rounded(x))));
            table.push(row);
        }
        table
    }

    /// One row for each queue that was used of directions whose discipline has several.
    pub fn queue_table(&self) -> Table {
        let mut table = Table::new([
            "link",
            "direction",
            "queue_index",
            "flow",
            "tx_bytes",
            "tx_packets",
            "drops",
            "marked",
            "waiting",
            "wait_mean_ms",
            "wait_max_ms",
        ]);
        for dir in (0..self.plan.links().len() * 2).map(DirId::from_index) {
            let arrow = if dir.is_forward() { "forward" } else { "backward" };
            for QueueReport { queue, flow, stats } in self.queues(dir) {
                let ms = |span: Span| rounded(span.as_secs_f64() * 1e3);
                let mean = stats.mean_wait().map(ms);
                table.push(vec![
                    self.plan.link(dir.link()).name.as_str().into(),
                    arrow.into(),
                    (queue as u64).into(),
                    flow.map_or(Value::Nothing, Value::from),
                    stats.bytes.into(),
                    stats.packets.into(),
                    stats.dropped.into(),
                    stats.marked.into(),
                    stats.waiting.into(),
                    mean.into(),
                    mean.map(|_| ms(stats.longest)).into(),
                ]);
            }
        }
        table
    }

    /// The books: how many packets ended where, and how.
    pub fn ledger(&self) -> &crate::Ledger {
        &self.ledger
    }

    /// How every packet was born and how it ended, and where; packets still under way end as `in_flight`.
    pub fn ledger_table(&self) -> Table {
        let mut table = Table::new(["birth", "cause", "link_or_node", "packets", "bytes"]);
        for (place, entry) in self.ledger.entries() {
            table.push(vec![
                entry.birth.label().into(),
                entry.cause.label().into(),
                self.place_name(place).into(),
                entry.packets.into(),
                entry.bytes.into(),
            ]);
        }
        for birth in Birth::ALL {
            let alive = self.alive(*birth);
            if alive > 0 {
                let cells =
                    [birth.label().into(), "in_flight".into(), Value::Nothing, alive.into(), Value::Nothing];
                table.push(cells.into());
            }
        }
        table
    }

    /// The time series of everything watched, by time and then by order of watching.
    pub fn series_table(&self) -> Table {
        let mut table = Table::new(["t_s", "object", "metric", "value", "in_warmup"]);
        for sample in self.samples() {
            let object = self.watched_name(sample.of);
            let at = sample.at.as_secs_f64();
            let in_warmup = sample.at < self.warmup();
            table.push(vec![
                at.into(),
                object.into(),
                (&*sample.metric).into(),
                sample.value.into(),
                in_warmup.into(),
            ]);
        }
        table
    }

    /// Checks that every packet that was born has ended or is still under way.
    ///
    /// # Panics
    /// When the books do not balance: a bug in Tidewire, never in a script.
    pub fn assert_balanced(&self) {
        for birth in Birth::ALL {
            let (born, ended) = (self.packets.born(*birth), self.ledger.ended(*birth));
            let alive = self.alive(*birth);
            assert_eq!(
                born,
                ended + alive,
                "seed {}: {born} packets were {}, {ended} ended and {alive} are under way",
                self.streams.seed(),
                birth.label()
            );
        }
    }

    /// Packets born so that are somewhere now.
    fn alive(&self, birth: Birth) -> u64 {
        self.in_flight().filter(|hot| self.packets.body(hot).birth == birth).count() as u64
    }

    /// Packets of a flow that were sent in the measured time and are still under way.
    fn measured_on_the_way(&self, flow: &Flow) -> impl Iterator<Item = &tidewire_wire::Hot> {
        let (hash, warmup) = (flow.hash, self.warmup());
        self.in_flight().filter(move |hot| {
            hot.flow_hash == hash && self.packets.sent_at(hot).is_some_and(|at| at >= warmup)
        })
    }

    /// Kept out of the event loop, whose registers are few.
    #[cold]
    #[inline(never)]
    pub(crate) fn begin_measuring(&mut self, at: tidewire_units::Instant) {
        self.measuring = true;
        self.carry_over(at);
        self.directions.iter_mut().for_each(|direction| direction.port.restart_stats(at));
        self.restart_queues();
        self.media.iter_mut().for_each(|medium| medium.bus.restart_stats());
        self.radios.iter_mut().for_each(|radio| radio.cell.restart_stats());
        self.repairs.iter_mut().for_each(|repair| repair.arq.restart_stats());
        for i in 0..self.flows.all.len() {
            self.flows.all[i].before = self.repairs(&self.flows.all[i]);
        }
    }

    /// Retransmissions and retransmission timeouts of a flow's sender since it began.
    fn repairs(&self, flow: &Flow) -> (u32, u32) {
        let info = flow.socket.and_then(|socket| match self.view(flow.spec.src, socket) {
            Some(SocketView::Tcp(_, _, conn)) => Some(conn.info(self.now)),
            _ => None,
        });
        info.map_or((0, 0), |info| (info.total_retrans, info.total_rto))
    }

    /// Retransmissions of a TCP flow in the measured time.
    pub fn retransmits(&self, flow: &Flow) -> Option<u64> {
        flow.socket.filter(|_| flow.spec.transport == Transport::Tcp)?;
        Some(u64::from(self.repairs(flow).0 - flow.before.0))
    }

    /// Retransmission timeouts of a TCP flow in the measured time.
    pub fn rtos(&self, flow: &Flow) -> Option<u64> {
        flow.socket.filter(|_| flow.spec.transport == Transport::Tcp)?;
        Some(u64::from(self.repairs(flow).1 - flow.before.1))
    }

    fn measured_since(&self) -> tidewire_units::Instant {
        if self.measuring { self.warmup() } else { tidewire_units::Instant::ZERO }
    }

    fn place_name(&self, place: Place) -> String {
        match place {
            Place::Node(node) => self.plan.node(node).name.clone(),
            Place::Link(dir) if dir.index() < self.plan.links().len() * 2 => {
                crate::build::direction_name(&self.plan, dir)
            }
            Place::Link(dir) => {
                let owner = self.loopbacks.iter().find(|(_, own)| **own == dir.0).map(|(host, _)| *host);
                let id = self.host_ids[owner.expect("a direction beyond the plan is a loopback") as usize];
                format!("{} loopback", self.plan.node(id).name)
            }
        }
    }

    fn flow_row(&self, flow: &Flow) -> Vec<Value> {
        let spec = &flow.spec;
        let conn = flow.socket.and_then(|socket| match self.view(spec.src, socket) {
            Some(SocketView::Tcp(_, _, conn)) => Some(conn),
            _ => None,
        });
        let info = conn.as_ref().map(|conn| conn.info(self.now));
        let name = |node| Value::from(self.plan.node(node).name.as_str());
        let ms = |x: Option<f64>| Value::from(x.map(|s| rounded(s * 1e3)));
        let lost = (spec.transport == Transport::Udp).then(|| self.packets_lost(flow));
        let ended = match (flow.started, flow.ended, flow.failure) {
            (None, None, _) => "not_started".to_owned(),
            (_, Some(_), Some(why)) => why.to_string().replace(' ', "_"),
            (_, Some(_), None) => "closed".to_owned(),
            (_, None, _) => "open".to_owned(),
        };
        let [p50, p95, p99] = match flow.delay.quantiles([0.5, 0.95, 0.99]) {
            Some(delays) => delays.map(Some),
            None => [None; 3],
        };
        let min_rtt = info.as_ref().map(|info| info.min_rtt).filter(|rtt| *rtt > Span::ZERO);
        vec![
            spec.name.as_str().into(),
            spec.transport.label().into(),
            spec.cc.clone().into(),
            name(spec.src),
            name(spec.dst),
            Value::Int(flow.sport.into()),
            Value::Int(spec.dport.into()),
            flow.started.map(|at| at.as_secs_f64()).into(),
            flow.ended.map(|at| at.as_secs_f64()).into(),
            flow.delivered_measured.into(),
            flow.goodput_bps(self.now, self.warmup()).map(|bps| rounded(bps / 1e6)).into(),
            lost.into(),
            self.retransmits(flow).into(),
            self.rtos(flow).into(),
            ms(min_rtt.map(|rtt| rtt.as_secs_f64())),
            ms(flow.rtt.mean()),
            ms(flow.packet_delay().mean()),
            ms(flow.jitter_mean()),
            ms(p50),
            ms(p95),
            ms(p99),
            flow.completion_time().map(|span| span.as_secs_f64()).into(),
            ended.into(),
        ]
    }

    /// Datagrams of a flow that were sent in the measured time and have ended without arriving.
    pub fn packets_lost(&self, flow: &Flow) -> u64 {
        let (sent, received) = flow.packets_measured;
        (sent - received).saturating_sub(self.measured_on_the_way(flow).count() as u64)
    }

    /// Datagrams of a flow have neither arrived nor been lost.
    pub fn has_datagrams_under_way(&self, flow: &Flow) -> bool {
        flow.spec.transport == Transport::Udp && self.in_flight().any(|hot| hot.flow_hash == flow.hash)
    }

    /// Bytes first sent in the measured time, without what is still under way.
    pub fn bytes_offered(&self, flow: &Flow) -> u64 {
        match flow.spec.transport {
            Transport::Tcp => flow.offered_measured,
            Transport::Udp => {
                let on_the_way = self.in_flight().filter(|hot| hot.flow_hash == flow.hash);
                let counted =
                    on_the_way.filter(|hot| self.packets.sent_at(hot).is_some_and(|at| at >= self.warmup()));
                flow.offered_measured - counted.map(|hot| u64::from(hot.len) - 28).sum::<u64>()
            }
        }
    }
}

/// Nine significant digits: sums of doubles need not show their last bits.
fn rounded(x: f64) -> f64 {
    format!("{x:.8e}").parse().unwrap_or(x)
}
