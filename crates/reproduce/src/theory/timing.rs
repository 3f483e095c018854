//! Times of single events: transfers, timeouts, links, and that a run repeats itself.

use super::Tolerance::{Absolute, Relative};
use super::windows::wide_link;
use super::{Check, Scenario};
use crate::network::{Network, Path, at, kernel_tcp};
use crate::trace::Recorder;
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use tidewire_l4_transport::{CcKind, TcpConfig, TimerSlack};
use tidewire_l7_application::{Cbr, Pattern};
use tidewire_topology::{LossModel, LossSpec, Match};
use tidewire_units::{Instant, Interest, Probability, Rate, Span, stable_hash};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::{CapturePoint, Limit, Pause, Transport};

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, source, run| Scenario { row, name, source, run };
    vec![
        row("13", "transfer in slow start", "(1 + ceil(log2(n / 10 + 1))) RTT", slow_start),
        row("14", "backoff when the peer vanishes", "2 srtt, then 0.3 s, doubled", backoff),
        row("26", "a packet over a link", "8 L / C + d", link),
        row("27", "the same seed, the same packets", "identical captures", determinism),
    ]
}

/// The server sends when it has accepted; from the client's SYN to the last byte.
fn slow_start(quick: bool) -> Vec<Check> {
    let sizes: &[(u32, f64)] = &[(14_600, 2.0), (100_000, 4.0), (1_000_000, 8.0), (10_000_000, 11.0)];
    let sizes = &sizes[..if quick { 3 } else { 4 }];
    let rtt = Span::from_ms(100);
    sizes
        .iter()
        .map(|(size, rounds)| {
            let tcp = TcpConfig {
                timestamps: false,
                sndbuf: Some(1 << 30),
                rcvbuf: Some(1 << 30),
                ..kernel_tcp(CcKind::Reno)
            };
            let mut net = wide_link(rtt).build(&tcp);
            let took = serve(&mut net, *size).as_secs_f64() / rtt.as_secs_f64();
            // Serialisation and the rounding of ticks stay below a hundredth of a round trip.
            Check::new(format!("{size} bytes: round trips"), *rounds, Absolute(0.01), took)
        })
        .collect()
}

fn serve(net: &mut Network, size: u32) -> Span {
    let process = net.world.spawn_script();
    net.world.run(&Limit::default());
    let listener = net.world.tcp(net.a, None);
    net.world.bind(net.a, listener, 80).expect("port 80 is free");
    net.world.listen(net.a, listener, 1).expect("a bound socket");
    let to = Endpoint::new(net.world.plan().address_of(net.a).expect("A has an address"), 80);
    let client = net.world.tcp(net.b, None);
    net.world.connect(net.b, client, to).expect("a route to A");
    let deadline = at(60.0);
    let wait = |net: &mut Network, node, socket, interest| {
        let ready = net.world.wait(process, deadline, &[(node, socket, interest)]);
        while !ready && !matches!(net.world.run(&Limit::default()), Pause::Process(..) | Pause::Idle) {}
    };
    let (a, b) = (net.a, net.b);
    wait(net, a, listener, Interest::Incoming);
    let server = net.world.accept(a, listener).expect("it is there");
    net.world.send(a, server, Payload::Zeros(size)).expect("an open connection");
    let mut read = 0;
    while read < size as usize && net.world.now() < deadline {
        wait(net, b, client, Interest::Readable);
        while let Ok(Some(data)) = net.world.recv(b, client, 1 << 24) {
            read += data.len();
        }
    }
    net.world.now() - Instant::ZERO
}

fn backoff(quick: bool) -> Vec<Check> {
    let (cut, rtt) = (Span::from_secs(1), Span::from_ms(100));
    let mut checks = Vec::new();
    for (slack, name) in [(TimerSlack::None, "exact timers"), (TimerSlack::Wheel, "timer wheel")] {
        let tcp = TcpConfig { timer_slack: slack, ..kernel_tcp(CcKind::Reno) };
        let mut net = wide_link(rtt).build(&tcp);
        let recorder = Recorder::default();
        let points = [(CapturePoint::Sent(net.forward), "a".to_owned())];
        net.world.capture(&points, Box::new(recorder.clone())).expect("memory can be written");
        // Ten packets before the peer vanishes, ten after.
        let first = net.bulk(tcp.clone(), Some(14_480), Instant::ZERO);
        net.run_until(Instant::ZERO + cut);
        let nothing = LossSpec { model: LossModel::Bernoulli(Probability::ONE), among: Match::Any };
        net.world.set_loss(net.forward, &nothing);
        let socket = net.world.flow(first).socket.expect("it is connected");
        net.world.send(net.a, socket, Payload::Zeros(14_480)).expect("an open connection");
        net.run_until(at(if quick { 12.0 } else { 100.0 }));
        let sent: Vec<f64> =
            recorder.records().iter().filter(|r| r.ms >= 1000.0).map(|r| r.ms * 1e-3).collect();
        // The ten leave together.
        let mut last = sent.iter().copied().take_while(|s| *s < 1.05).fold(1.0, f64::max);
        let expected = std::iter::once(0.2).chain((0..8).map(|k| 0.3 * f64::from(1u32 << k)));
        let later = sent.iter().copied().filter(|s| *s >= 1.05);
        for (i, (now, gap)) in later.zip(expected).enumerate() {
            let what = if i == 0 { "probe".to_owned() } else { format!("timeout {i}") };
            let tolerance = if slack == TimerSlack::None { Absolute(0.004) } else { Relative(0.125) };
            checks.push(Check::new(format!("{name}, {what}: gap, s"), gap, tolerance, now - last));
            last = now;
        }
    }
    checks
}

fn link(_quick: bool) -> Vec<Check> {
    [(10_000_000u64, 20.0, 972u32), (1_000_000, 300.0, 1472), (10_000_000_000, 0.05, 100)]
        .iter()
        .map(|(rate, ms, size)| {
            let rate = Rate::from_bits_per_s(*rate).expect("not zero");
            let rtt = Span::from_secs_f64(2e-3 * ms);
            let mut net = Path::new(rate, rtt, 100).build(&TcpConfig::linux());
            let flow = net.flow(Transport::Udp, None);
            let to = net.world.flow_endpoint(flow).expect("B has an address");
            let pattern = Pattern {
                to,
                rate,
                size: *size,
                start: Instant::ZERO,
                stop: Instant::MAX,
                count: Some(1),
                jitter: Span::ZERO,
            };
            net.world.start_flow(flow, Box::new(Cbr::new(pattern)));
            net.world.run(&Limit::default());
            let took = net.world.flow(flow).delay.max().unwrap_or(f64::NAN);
            let expected = f64::from(8 * (size + 28)) / rate.bits_per_s() as f64 + ms * 1e-3;
            let case = format!("{} bytes at {} bit/s: delay, ns", size + 28, rate.bits_per_s());
            Check::new(case, expected * 1e9, Absolute(1.0), took * 1e9)
        })
        .collect()
}

fn determinism(_quick: bool) -> Vec<Check> {
    let capture = |seed| {
        let loss =
            LossSpec { model: LossModel::Bernoulli(Probability::new(0.01).expect("1 %")), among: Match::Any };
        let mut path = Path::new(Rate::from_mbps(10), Span::from_ms(20), 20);
        path = Path { loss, seed, processing: Span::from_us(100), ..path };
        let tcp = TcpConfig::linux();
        let mut net = path.build(&tcp);
        let bytes = Bytes::default();
        let points = [
            (CapturePoint::Sent(net.forward), "a".to_owned()),
            (CapturePoint::Received(net.forward), "b".to_owned()),
        ];
        net.world.capture(&points, Box::new(bytes.clone())).expect("memory can be written");
        net.bulk(tcp, None, Instant::ZERO);
        net.run_until(at(3.0));
        let bytes = bytes.0.borrow();
        (bytes.len(), stable_hash(&[&bytes]))
    };
    let (first, second, other) = (capture(1), capture(1), capture(2));
    let equal = |x: bool| f64::from(u8::from(x));
    vec![
        Check::new("seed 1 twice: identical", 1.0, Absolute(0.0), equal(first == second)),
        Check::new("seeds 1 and 2: identical", 0.0, Absolute(0.0), equal(first == other)),
    ]
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Bytes(Rc<RefCell<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
