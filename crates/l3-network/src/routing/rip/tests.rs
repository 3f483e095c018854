use super::*;
use tidewire_units::{Purpose, Streams};

/// Routers in a line, r0 - r1 - ...; the first and the last have a network of their own on port 0 and 1.
struct Line {
    rips: Vec<Rip>,
    now: Instant,
    messages: usize,
    /// The links between routers that are cut without anybody noticing, by the router before them.
    cut: Vec<usize>,
}

fn net(i: usize) -> Prefix {
    Prefix::new(Ipv4Addr::new(10, 0, i as u8, 0), 24).unwrap()
}

fn addr(net: usize, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, net as u8, host)
}

impl Line {
    fn new(n: usize, config: RipConfig) -> Line {
        let port = |on: usize, host: u8, passive: bool| RoutingPort {
            addr: addr(on, host),
            prefix: net(on),
            cost: 1,
            mtu: 1500,
            up: true,
            passive,
        };
        let rips = (0..n).map(|i| {
            let ports = vec![port(i, 2, i == 0), port(i + 1, 1, i + 1 == n)];
            let stream = Streams::new(1).stream(Purpose::Routing, &format!("r{i}"));
            Rip::new(config, ports, &[], stream, Instant::ZERO)
        });
        Line { rips: rips.collect(), now: Instant::ZERO, messages: 0, cut: Vec::new() }
    }

    fn deliver(&mut self) {
        loop {
            let sent: Vec<(usize, RoutingMessage)> = (0..self.rips.len())
                .flat_map(|i| {
                    std::iter::from_fn(|| self.rips[i].poll_transmit()).map(|m| (i, m)).collect::<Vec<_>>()
                })
                .collect();
            if sent.is_empty() {
                return;
            }
            for (i, message) in sent {
                self.messages += 1;
                let (to, port, link) = if message.port == 1 { (i + 1, 0, i) } else { (i - 1, 1, i - 1) };
                let src = self.rips[i].ports()[message.port as usize].addr;
                if !self.cut.contains(&link) {
                    assert!(self.rips[to].handle_message(port, src, &message.bytes, self.now));
                }
            }
        }
    }

    fn run(&mut self, until: Span) {
        let end = Instant::ZERO + until;
        self.deliver();
        while let Some(at) = self.rips.iter().map(Rip::next_timeout).min().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            for i in 0..self.rips.len() {
                if self.rips[i].next_timeout() <= self.now {
                    self.rips[i].handle_timeout(self.now);
                    self.deliver();
                }
            }
        }
        self.now = end;
    }

    fn metrics(&self, prefix: Prefix) -> Vec<Option<u32>> {
        self.rips.iter().map(|rip| rip.metric(prefix)).collect()
    }
}

#[test]
fn distances_spread_through_a_line_at_once_when_changes_are_triggered() {
    let mut line = Line::new(4, RipConfig::default());
    line.run(Span::from_secs(20));
    assert_eq!(line.metrics(net(0)), [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(line.metrics(net(4)), [Some(4), Some(3), Some(2), Some(1)]);
    let hop = NextHop { port: 1, gateway: Some(addr(1, 2)) };
    assert!(line.rips[0].routes().iter().all(|route| *route.hops == [hop]));
}

#[test]
fn a_network_that_is_gone_is_out_of_reach_everywhere_after_triggered_updates() {
    let mut line = Line::new(4, RipConfig::default());
    line.run(Span::from_secs(100));
    line.rips[0].set_port_up(0, false, line.now);
    line.run(Span::from_secs(120));
    assert_eq!(line.metrics(net(0)), [Some(16); 4]);
    line.run(Span::from_secs(300));
    assert_eq!(line.metrics(net(0)), [None; 4], "forgotten after the time for garbage");
}

#[test]
fn without_split_horizon_and_triggered_updates_two_routers_count_to_infinity() {
    // What comes first decides: the update of the one that knows, or that of the other, which it believes.
    let counted = |split_horizon, fails: u64| {
        let config = RipConfig { split_horizon, triggered: false, ..RipConfig::default() };
        let mut line = Line::new(2, config);
        line.run(Span::from_secs(fails));
        line.rips[0].set_port_up(0, false, line.now);
        let mut seen = vec![line.metrics(net(0))];
        for second in fails + 1..fails + 400 {
            line.run(Span::from_secs(second));
            if seen.last() != Some(&line.metrics(net(0))) {
                seen.push(line.metrics(net(0)));
            }
            if line.metrics(net(0)).iter().all(|metric| metric.is_none_or(|metric| metric == 16)) {
                return (second - fails, seen.len());
            }
        }
        panic!("never over: {seen:?}");
    };
    let worst =
        |split_horizon| (200..230).step_by(5).map(|fails| counted(split_horizon, fails)).max().unwrap();
    let (seconds, steps) = worst(SplitHorizon::Off);
    assert!(steps > 12 && (150..400).contains(&seconds), "{steps} steps in {seconds} s");
    assert!(worst(SplitHorizon::Poison).0 <= 35, "the next regular update says it");
    assert!(worst(SplitHorizon::Simple).0 <= 35);
}

#[test]
fn a_neighbour_that_falls_silent_is_given_up_after_the_timeout() {
    let mut line = Line::new(3, RipConfig::default());
    line.run(Span::from_secs(100));
    line.cut.push(0);
    line.run(Span::from_secs(245));
    assert_eq!(line.metrics(net(0))[1], Some(2));
    line.run(Span::from_secs(285));
    assert_eq!(line.metrics(net(0)), [Some(1), Some(16), Some(16)]);
    assert!(line.rips[1].neighbors(line.now).iter().all(|neighbor| neighbor.port == 1));
}

#[test]
fn convergence_computed_at_once_is_what_the_protocol_finds() {
    let mut line = Line::new(5, RipConfig::default());
    line.run(Span::from_secs(40));
    let mut silent = Line::new(5, RipConfig::default());
    let segments: Vec<Vec<(usize, u32)>> = (0..4).map(|i| vec![(i, 1), (i + 1, 0)]).collect();
    converge(&mut silent.rips.iter_mut().enumerate().collect(), &segments, Instant::ZERO);
    for (a, b) in line.rips.iter().zip(&silent.rips) {
        assert_eq!(a.routes(), b.routes());
    }
    silent.run(Span::from_secs(200));
    assert_eq!(silent.metrics(net(0)), line.metrics(net(0)));
}

#[test]
fn nonsense_is_not_believed() {
    let mut line = Line::new(2, RipConfig::default());
    let rip = &mut line.rips[0];
    let tell = |rip: &mut Rip, from, entry: RipEntry| {
        let message = RipMessage { command: RipCommand::Response, entries: vec![entry] };
        rip.handle_message(1, from, &message.emit(), Instant::ZERO);
    };
    let good = entry_of(net(77), 3);
    let mask = Ipv4Addr::new(255, 0, 255, 0);
    for (from, entry) in [
        (Ipv4Addr::new(192, 0, 2, 1), good),
        (addr(1, 2), RipEntry { metric: 17, ..good }),
        (addr(1, 2), RipEntry { metric: 0, ..good }),
        (addr(1, 2), RipEntry { mask, ..good }),
        (addr(1, 2), RipEntry { family: 0xFFFF, ..good }),
        (addr(1, 2), RipEntry { addr: Ipv4Addr::LOCALHOST, ..good }),
    ] {
        tell(rip, from, entry);
        assert_eq!(rip.routes(), [], "{from} {entry:?}");
    }
    tell(rip, addr(1, 2), good);
    assert_eq!(rip.metric(net(77)), Some(4));
    assert!(!rip.handle_message(1, addr(1, 2), &[9], Instant::ZERO));
}
