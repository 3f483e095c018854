//! Measured flows: what was sent, what arrived, when each byte was first sent and when it could be read.

use crate::World;
use crate::workloads::Tracking;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::Process;
use tidewire_l7_application::voice::Playout;
use tidewire_metrics::Histogram;
use tidewire_node::{Progress, SocketView, TRACKED};
use tidewire_units::{Instant, NodeId, Refusal, SocketId, Span};
use tidewire_wire::Endpoint;

/// A measured flow, in order of declaration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowId(pub u32);

/// What carries a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// A TCP connection.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// `tcp` or `udp`.
    pub const fn label(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// What is known of a flow before it starts.
#[derive(Clone, Debug)]
pub struct FlowSpec {
    /// Its name; unique names are the caller's business.
    pub name: String,
    /// What carries it.
    pub transport: Transport,
    /// The congestion control, for TCP.
    pub cc: Option<String>,
    /// Who sends.
    pub src: NodeId,
    /// Who receives.
    pub dst: NodeId,
    /// The port that it goes to.
    pub dport: u16,
    /// TCP options of the sender; the host's by default.
    pub tcp: Option<Arc<TcpConfig>>,
}

/// A flow and everything measured of it.
#[derive(Clone, Debug)]
pub struct Flow {
    /// What it is.
    pub spec: FlowSpec,
    /// The address that it goes to, if not the destination's first.
    to: Option<Ipv4Addr>,
    /// Differentiated services code point of its datagrams.
    pub(crate) dscp: u8,
    /// Where it arrives.
    pub(crate) sink: SocketId,
    /// The sending socket, once there is one.
    pub socket: Option<SocketId>,
    /// The port that it comes from, once it has one.
    pub sport: u16,
    /// When its first byte was sent.
    pub started: Option<Instant>,
    /// When its last byte was read, and when its connection ended.
    pub last_received: Option<Instant>,
    /// When the sender's connection was over.
    pub ended: Option<Instant>,
    /// Why its connection failed, if it did.
    pub failure: Option<Refusal>,
    /// Stream or payload bytes sent (once) and received, in all.
    pub sent: u64,
    /// Received in order, in all.
    pub received: u64,
    /// Datagrams sent and received, in all.
    pub packets_sent: u64,
    /// Datagrams received, in all.
    pub packets_received: u64,
    /// Second copies of datagrams, made by links; they count nowhere else.
    pub packets_doubled: u64,
    /// Bytes first sent in the measured time.
    pub offered_measured: u64,
    /// Bytes first sent in the measured time that have arrived.
    pub delivered_measured: u64,
    /// Bytes received in the measured time.
    pub received_measured: u64,
    /// Packets first sent in the measured time, and those of them that have arrived.
    pub packets_measured: (u64, u64),
    /// From a byte's first transmission to its in-order delivery, in seconds.
    pub delay: Histogram,
    /// One-way time of packets in the network, in seconds; see [`Flow::packet_delay`].
    tcp_packet_delay: Histogram,
    /// Smoothed round-trip times as the sender saw them, in seconds.
    pub rtt: Histogram,
    /// Retransmissions and retransmission timeouts of the sender before the measured time.
    pub(crate) before: (u32, u32),
    /// The hash of its packets.
    pub hash: u32,
    /// Sum and number of differences of successive packet delays.
    jitter: (Span, u64),
    last_packet_delay: Option<Span>,
    /// Stream positions and when they were first sent, not yet received.
    track: VecDeque<(u64, Instant)>,
    /// What listens to a call.
    pub voice: Option<Box<Playout>>,
}

/// All flows of a world.
pub(crate) struct Flows {
    pub all: Vec<Flow>,
    /// Connections of workloads.
    pub tracking: Tracking,
    warmup: Instant,
}

impl Flow {
    fn new(spec: FlowSpec, sink: SocketId) -> Flow {
        Flow {
            spec,
            to: None,
            dscp: 0,
            sink,
            socket: None,
            sport: 0,
            started: None,
            last_received: None,
            ended: None,
            failure: None,
            sent: 0,
            received: 0,
            packets_sent: 0,
            packets_received: 0,
            packets_doubled: 0,
            offered_measured: 0,
            delivered_measured: 0,
            received_measured: 0,
            packets_measured: (0, 0),
            delay: Histogram::new(),
            tcp_packet_delay: Histogram::new(),
            rtt: Histogram::new(),
            jitter: (Span::ZERO, 0),
            before: (0, 0),
            hash: 0,
            last_packet_delay: None,
            track: VecDeque::new(),
            voice: None,
        }
    }

    /// Bytes read in order by the receiver per second of the measured time, in bit/s: from the flow's start or the end of the
    /// warm-up, whichever is later, to `now` or, if the connection is over, its last byte.
    pub fn goodput_bps(&self, now: Instant, warmup: Instant) -> Option<f64> {
        let from = self.started?.max(warmup);
        let to = if self.ended.is_some() { self.last_received.unwrap_or(now) } else { now };
        let time = to.since(from).as_secs_f64();
        (time > 0.0).then(|| self.received_measured as f64 * 8.0 / time)
    }

    /// From the first byte sent to the last byte read, once the connection is over; `None` if it failed.
    pub fn completion_time(&self) -> Option<Span> {
        self.ended.filter(|_| self.failure.is_none())?;
        Some(self.last_received?.since(self.started?))
    }

    /// One-way time of packets in the network, in seconds; of datagrams it is their delay.
    pub fn packet_delay(&self) -> &Histogram {
        match self.spec.transport {
            Transport::Tcp => &self.tcp_packet_delay,
            Transport::Udp => &self.delay,
        }
    }

    /// Mean difference of successive packet delays (RFC 3550 section 6.4.1, without smoothing), in seconds.
    pub fn jitter_mean(&self) -> Option<f64> {
        let (sum, n) = self.jitter;
        (n > 0).then(|| sum.as_secs_f64() / n as f64)
    }

    fn note_jitter(&mut self, delay: Span) {
        if let Some(last) = self.last_packet_delay {
            self.jitter.0 += if delay > last { delay - last } else { last - delay };
            self.jitter.1 += 1;
        }
        self.last_packet_delay = Some(delay);
    }
}

impl Flows {
    pub fn new(warmup: Instant) -> Flows {
        Flows { all: Vec::new(), tracking: Tracking::default(), warmup }
    }

    pub fn add(&mut self, spec: FlowSpec, sink: SocketId) -> FlowId {
        self.all.push(Flow::new(spec, sink));
        FlowId(self.all.len() as u32 - 1)
    }

    #[inline]
    pub fn note(&mut self, now: Instant, progress: Progress) {
        match progress {
            Progress::Sent { flow, total, srtt } => {
                let flow = &mut self.all[flow as usize];
                if now >= self.warmup && !srtt.is_zero() {
                    flow.rtt.add_span(srtt);
                }
                flow.started.get_or_insert(now);
                flow.sent = total;
                flow.track.push_back((total, now));
            }
            Progress::Received { flow, total } if flow >= TRACKED => self.tracking.received(flow, total),
            Progress::Received { flow, total } => self.note_received(now, flow, total),
            Progress::Packet { flow, sent_at } => {
                if sent_at >= self.warmup {
                    let flow = &mut self.all[flow as usize];
                    flow.tcp_packet_delay.add_span(now - sent_at);
                    flow.note_jitter(now - sent_at);
                }
            }
            Progress::DatagramSent { flow, bytes } => {
                let flow = &mut self.all[flow as usize];
                flow.started.get_or_insert(now);
                flow.sent += u64::from(bytes);
                flow.packets_sent += 1;
                if let Some(voice) = &mut flow.voice {
                    voice.sent(now, now >= self.warmup);
                }
                if now >= self.warmup {
                    flow.offered_measured += u64::from(bytes);
                    flow.packets_measured.0 += 1;
                }
            }
            Progress::Datagram { flow, bytes, sent_at } => {
                let flow = &mut self.all[flow as usize];
                flow.received += u64::from(bytes);
                flow.packets_received += 1;
                if let Some(voice) = &mut flow.voice {
                    voice.arrived(sent_at, now);
                }
                flow.last_received = Some(now);
                if now >= self.warmup {
                    flow.received_measured += u64::from(bytes);
                }
                if sent_at >= self.warmup {
                    flow.delivered_measured += u64::from(bytes);
                    flow.packets_measured.1 += 1;
                    flow.delay.add_span(now - sent_at);
                    flow.note_jitter(now - sent_at);
                }
            }
            Progress::Twin { flow } => self.all[flow as usize].packets_doubled += 1,
            Progress::Ended { flow, failure } if flow >= TRACKED => self.tracking.ended(flow, failure),
            Progress::Ended { flow, failure } => {
                let flow = &mut self.all[flow as usize];
                if flow.ended.is_none() {
                    (flow.ended, flow.failure) = (Some(now), failure);
                }
            }
        }
    }

    fn note_received(&mut self, now: Instant, flow: u32, total: u64) {
        let flow = &mut self.all[flow as usize];
        if now >= self.warmup {
            flow.received_measured += total - flow.received;
        }
        let mut done = flow.received;
        flow.received = total;
        flow.last_received = Some(now);
        // One delay for each stretch of bytes that was first sent at one time and can now be read.
        while let Some((end, first_sent)) = flow.track.front().copied().filter(|_| done < total) {
            let upto = end.min(total);
            if first_sent >= self.warmup {
                flow.delay.add_span(now - first_sent);
                flow.offered_measured += upto - done;
                flow.delivered_measured += upto - done;
            }
            done = upto;
            if end <= total {
                flow.track.pop_front();
            }
        }
    }
}

impl World {
    /// Declares a flow and opens its sink, unless something listens there already. Start it with [`World::start_flow`].
    ///
    /// # Errors
    /// The destination's port is taken by a socket that cannot receive the flow.
    pub fn add_flow(&mut self, spec: FlowSpec) -> Result<FlowId, Refusal> {
        let rcvbuf = spec.tcp.as_ref().and_then(|tcp| tcp.rcvbuf);
        let sink = match spec.transport {
            Transport::Tcp => self.tcp_sink_with(spec.dst, spec.dport, rcvbuf),
            Transport::Udp => self.udp_sink(spec.dst, spec.dport),
        };
        let sink = match sink {
            Err(Refusal::InUse) => {
                self.listener_on(spec.dst, spec.dport, spec.transport).ok_or(Refusal::InUse)?
            }
            other => other?,
        };
        Ok(self.flows.add(spec, sink))
    }

    /// Starts the program that sends a flow.
    pub fn start_flow(&mut self, flow: FlowId, process: Box<dyn Process>) -> crate::ProcessId {
        let spec = &self.flows.all[flow.0 as usize].spec;
        let (src, name) = (spec.src, spec.name.clone());
        self.spawn_native(src, process, Some(flow), &name)
    }

    /// Sends a flow to another address of its destination than the first one.
    pub fn set_flow_address(&mut self, flow: FlowId, to: Ipv4Addr) {
        self.flows.all[flow.0 as usize].to = Some(to);
    }

    /// Where a flow goes to, once its destination has an address.
    pub fn flow_endpoint(&self, flow: FlowId) -> Option<Endpoint> {
        let spec = &self.flows.all[flow.0 as usize].spec;
        let addr = self.flows.all[flow.0 as usize].to.or(self.address_towards(spec.src, spec.dst))?;
        Some(Endpoint::new(addr, spec.dport))
    }

    /// A flow and everything measured of it.
    pub fn flow(&self, flow: FlowId) -> &Flow {
        &self.flows.all[flow.0 as usize]
    }

    /// All flows, in order of declaration.
    pub fn flows(&self) -> &[Flow] {
        &self.flows.all
    }

    /// Stops a flow that a program sends: its connection is closed, no further datagram is sent.
    pub fn stop_flow(&mut self, flow: FlowId, process: crate::ProcessId) {
        let flow = &self.flows.all[flow.0 as usize];
        let (src, socket) = (flow.spec.src, flow.socket);
        self.end_process(process);
        if let Some(socket) = socket {
            self.on_host(src, |_, sockets, cx| sockets.withdraw(socket, cx.now));
            self.close(src, socket);
        }
    }

    /// The datagrams of a flow are frames of a call, and this plays them.
    pub fn set_flow_voice(&mut self, flow: FlowId, voice: Playout) {
        self.flows.all[flow.0 as usize].voice = Some(Box::new(voice));
    }

    pub(crate) fn flow_tcp(&self, flow: &Flow) -> Option<Arc<TcpConfig>> {
        flow.spec.tcp.clone()
    }

    /// What the datagrams of a flow ask for (RFC 2474), to be set before it starts; a TCP flow has its own in `spec.tcp`.
    pub fn set_flow_dscp(&mut self, flow: FlowId, dscp: u8) {
        self.flows.all[flow.0 as usize].dscp = dscp;
    }

    pub(crate) fn bind_flow(&mut self, id: FlowId, host: u32, socket: SocketId) {
        let (_, sockets) = self.hosts[host as usize].parts();
        let Some(hash) = sockets.measure(socket, id.0) else { return };
        sockets.set_dscp(socket, self.flows.all[id.0 as usize].dscp);
        let sport = match sockets.view(socket) {
            Some(SocketView::Tcp(local, ..)) => local.port,
            Some(SocketView::Udp(port, ..)) => port,
            _ => 0,
        };
        let flow = &mut self.flows.all[id.0 as usize];
        (flow.hash, flow.socket, flow.sport) = (hash, Some(socket), sport);
        let (dst, sink) = (flow.spec.dst, flow.sink);
        let receiver = self.host_index(dst).expect("flows end at hosts");
        self.hosts[receiver as usize].parts().1.expect_flow(sink, hash, id.0);
    }

    /// The socket that listens on a port.
    pub fn listener_on(&self, node: NodeId, port: u16, transport: Transport) -> Option<SocketId> {
        let sockets = self.sockets(node)?;
        sockets.ids().find(|id| match sockets.view(*id) {
            Some(SocketView::Listener(bound, _)) => transport == Transport::Tcp && bound == port,
            Some(SocketView::Udp(bound, ..)) => transport == Transport::Udp && bound == port,
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Span::from_ms(ms)
    }

    fn flows(warmup: Instant) -> Flows {
        let mut flows = Flows::new(warmup);
        let (src, dst) = (NodeId(0), NodeId(1));
        let spec =
            FlowSpec { name: "f".into(), transport: Transport::Tcp, cc: None, src, dst, dport: 9, tcp: None };
        flows.add(spec, SocketId(0));
        flows
    }

    #[test]
    fn a_byte_is_delayed_from_its_first_transmission_to_its_delivery_in_order() {
        let mut flows = flows(Instant::ZERO);
        flows.note(at(0), Progress::Sent { flow: 0, total: 100, srtt: Span::ZERO });
        flows.note(at(10), Progress::Sent { flow: 0, total: 200, srtt: Span::ZERO });
        flows.note(at(50), Progress::Received { flow: 0, total: 200 });
        let flow = &flows.all[0];
        assert_eq!((flow.delay.max(), flow.delay.min()), (Some(0.05), Some(0.04)));
        assert_eq!(flow.goodput_bps(at(100), Instant::ZERO), Some(200.0 * 8.0 / 0.1));
        assert_eq!((flow.offered_measured, flow.delivered_measured), (200, 200));
    }

    #[test]
    fn bytes_sent_in_one_burst_and_received_one_by_one_are_all_counted() {
        let mut flows = flows(Instant::ZERO);
        flows.note(at(0), Progress::Sent { flow: 0, total: 300, srtt: Span::ZERO });
        for (ms, total) in [(20, 100), (21, 200), (22, 300)] {
            flows.note(at(ms), Progress::Received { flow: 0, total });
        }
        let flow = &flows.all[0];
        assert_eq!((flow.delay.count(), flow.delivered_measured), (3, 300));
        assert_eq!((flow.delay.min(), flow.delay.max()), (Some(0.02), Some(0.022)));
    }

    #[test]
    fn what_was_first_sent_before_the_warm_up_ended_is_not_measured() {
        let mut flows = flows(at(5));
        flows.note(at(0), Progress::Sent { flow: 0, total: 100, srtt: Span::ZERO });
        flows.note(at(10), Progress::Sent { flow: 0, total: 150, srtt: Span::ZERO });
        flows.note(at(20), Progress::Received { flow: 0, total: 150 });
        let flow = &flows.all[0];
        assert_eq!((flow.delay.count(), flow.delivered_measured, flow.received_measured), (1, 50, 150));
    }

    #[test]
    fn datagrams_lost_or_in_flight_are_offered_but_not_delivered() {
        let mut flows = flows(Instant::ZERO);
        for ms in [0, 10, 20] {
            flows.note(at(ms), Progress::DatagramSent { flow: 0, bytes: 100 });
        }
        flows.note(at(30), Progress::Datagram { flow: 0, bytes: 100, sent_at: at(0) });
        flows.note(at(45), Progress::Datagram { flow: 0, bytes: 100, sent_at: at(10) });
        let flow = &flows.all[0];
        assert_eq!((flow.offered_measured, flow.delivered_measured), (300, 200));
        assert_eq!(flow.jitter_mean(), Some(0.005));
    }
}
