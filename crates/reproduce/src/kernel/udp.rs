//! Datagrams against TCP, and messages over each.

use super::reference::{UdpKind, UdpRow};
use super::replay::lost_ordinals;
use crate::network::{Network, Path, at, kernel_tcp, mbps, rate_of_mbps};
use tidewire_l4_transport::{CcKind, TcpConfig};
use tidewire_l7_application::{Cbr, Pattern, Resume};
use tidewire_metrics::quantile_of_sorted;
use tidewire_units::{Instant, Interest, NodeId, Rate, SocketId, Span};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::{Limit, Pause, ProcessId, Transport};

/// IP and UDP headers, in bytes.
const HEADERS: u32 = 28;
/// Bytes of a message.
const MESSAGE: u32 = 1250;
/// When the datagrams join the TCP flow, in seconds.
pub(crate) const JOIN: f64 = 10.0;
/// Runs that one figure is the mean of.
pub(crate) const PHASES: u32 = 10;
/// How much later than it could a host acts.
const NOISE: Span = Span::from_us(100);

/// The figures of a row, in the order of its expected ones; `None` for a congestion control that there is not.
pub(crate) fn run(row: &UdpRow) -> Option<Vec<f64>> {
    let rtt = Span::from_secs_f64(row.rtt_ms * 1e-3);
    let lost = lost_ordinals(row.seed, row.loss, 4 * row.sent + 10_000);
    let path = Path::new(rate_of_mbps(row.rate)?, rtt, row.queue_pkts).losing(lost);
    match row.kind {
        UdpKind::CbrVsTcp => cbr_vs_tcp(row, &path),
        UdpKind::UdpMessages => udp_messages(row, &path),
        UdpKind::TcpMessages => tcp_messages(row, &path),
    }
}

/// Where datagrams fall between the slots of the link decides who finds room in a full queue. A random time of up to one packet's
/// transmission takes such phase effects away (Floyd and Jacobson, "On Traffic Phase Effects in Packet-Switched Gateways", 1992). How
/// irregular the recorded sender was is not known; with bbr at half the link's rate the result depends on it.
fn cbr_vs_tcp(row: &UdpRow, path: &Path) -> Option<Vec<f64>> {
    let tcp = kernel_tcp(CcKind::from_name(&row.cc)?);
    let spacing = 12_000.0 / (row.offered_mbps * 1e6);
    let slot = Span::from_secs_f64(12_000.0 / (row.rate * 1e6));
    let mut sums = [0.0; 3];
    for phase in 0..PHASES {
        let path = Path { processing: NOISE, seed: u64::from(phase) + 1, ..path.clone() };
        let join = JOIN + spacing * f64::from(phase) / f64::from(PHASES);
        let figures = cbr_joins(row, &mut path.build(&tcp), tcp.clone(), (join, slot))?;
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure / f64::from(PHASES));
    }
    Some(sums.to_vec())
}

fn cbr_joins(
    row: &UdpRow,
    net: &mut Network,
    tcp: TcpConfig,
    (join, jitter): (f64, Span),
) -> Option<[f64; 3]> {
    let flow = net.bulk(tcp, None, Instant::ZERO);
    let offered = rate_of_mbps(row.offered_mbps * f64::from(1500 - HEADERS) / 1500.0)?;
    let datagrams = net.flow(Transport::Udp, None);
    let pattern = pattern(net, datagrams, offered, 1500 - HEADERS, at(join), row.sent);
    net.world.start_flow(datagrams, Box::new(Cbr::new(Pattern { jitter, ..pattern })));
    let seconds = row.sent as f64 * 12_000.0 / (row.offered_mbps * 1e6);
    net.run_until(at(join));
    let before = net.received(flow);
    net.run_until(at(join + seconds));
    let during = net.received(flow) - before;
    let udp = net.received(datagrams);
    Some([mbps(before, join), mbps(during, seconds), mbps(udp, seconds)])
}

fn pattern(
    net: &Network,
    flow: tidewire_world::FlowId,
    rate: Rate,
    size: u32,
    start: Instant,
    count: u64,
) -> Pattern {
    let to = net.world.flow_endpoint(flow).expect("B has an address");
    Pattern { to, rate, size, start, stop: Instant::MAX, count: Some(count), jitter: Span::ZERO }
}

fn udp_messages(row: &UdpRow, path: &Path) -> Option<Vec<f64>> {
    let mut net = path.build(&TcpConfig::linux());
    let flow = net.flow(Transport::Udp, None);
    let pattern = pattern(&net, flow, rate_of_mbps(row.offered_mbps)?, MESSAGE, Instant::ZERO, row.sent);
    net.world.start_flow(flow, Box::new(Cbr::new(pattern)));
    net.world.run(&Limit::default());
    let flow = net.world.flow(flow);
    let ms = |q| flow.delay.quantile(q).unwrap_or(f64::NAN) * 1e3;
    Some(vec![flow.packets_received as f64 / row.sent as f64, ms(0.5), ms(0.95)])
}

fn tcp_messages(row: &UdpRow, path: &Path) -> Option<Vec<f64>> {
    let tcp = TcpConfig { nodelay: true, ..kernel_tcp(CcKind::from_name(&row.cc)?) };
    let spacing = rate_of_mbps(row.offered_mbps)?.time_for(u64::from(MESSAGE));
    let mut delays = Messages::connect(path.build(&tcp), tcp).exchange(row.sent, spacing);
    delays.sort_by(f64::total_cmp);
    let delivered = delays.len() as f64 / row.sent as f64;
    let quantile = |q| quantile_of_sorted(&delays, q).unwrap_or(f64::NAN);
    Some(vec![delivered, quantile(0.5), quantile(0.95)])
}

/// A connection on which A writes messages and B reads them.
struct Messages {
    net: Network,
    process: ProcessId,
    client: SocketId,
    server: SocketId,
}

impl Messages {
    fn connect(mut net: Network, tcp: TcpConfig) -> Messages {
        let process = net.world.spawn_script();
        net.world.run(&Limit::default());
        let listener = net.world.tcp(net.b, None);
        net.world.bind(net.b, listener, 80).expect("port 80 is free");
        net.world.listen(net.b, listener, 1).expect("a bound socket");
        let to = Endpoint::new(net.world.plan().address_of(net.b).expect("B has an address"), 80);
        let client = net.world.tcp(net.a, Some(tcp.into()));
        net.world.connect(net.a, client, to).expect("a route to B");
        let mut messages = Messages { net, process, client, server: listener };
        messages.wait(Instant::MAX, messages.net.b, listener, Interest::Incoming);
        messages.server = messages.net.world.accept(messages.net.b, listener).expect("it is there");
        messages
    }

    /// Waits for a socket or a time.
    fn wait(&mut self, deadline: Instant, node: NodeId, socket: SocketId, interest: Interest) -> Resume {
        if self.net.world.wait(self.process, deadline, &[(node, socket, interest)]) {
            return Resume::Ready(socket);
        }
        loop {
            match self.net.world.run(&Limit::default()) {
                Pause::Process(_, why) => return why,
                Pause::Idle => return Resume::Timer,
                _ => {}
            }
        }
    }

    /// Writes `n` messages at this spacing, and gives the time from each write to the read of its last byte, in ms.
    fn exchange(&mut self, n: u64, spacing: Span) -> Vec<f64> {
        let begin = self.net.world.now();
        let due = |k: u64| begin + Span::from_ps(spacing.as_ps() * k);
        let (mut written, mut read, mut delays) = (0u64, 0u64, Vec::with_capacity(n as usize));
        let give_up = due(n) + Span::from_secs(300);
        let size = u64::from(MESSAGE);
        while (delays.len() as u64) < n && self.net.world.now() < give_up {
            let deadline = if written < n { due(written) } else { give_up };
            if self.wait(deadline, self.net.b, self.server, Interest::Readable) == Resume::Timer
                && written < n
            {
                self.net
                    .world
                    .send(self.net.a, self.client, Payload::Zeros(MESSAGE))
                    .expect("an open connection");
                written += 1;
            }
            while let Ok(Some(data)) = self.net.world.recv(self.net.b, self.server, 1 << 20) {
                read += data.len() as u64;
            }
            while (delays.len() as u64) < read / size {
                delays.push((self.net.world.now() - due(delays.len() as u64)).as_ms_f64());
            }
        }
        delays
    }
}
