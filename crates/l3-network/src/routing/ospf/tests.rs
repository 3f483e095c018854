use super::*;
use crate::routing::Origin;
use crate::{NextHop, Prefix};
use tidewire_units::{Purpose, Streams};

/// Routers joined by links; each link is a network of its own. Messages take a millisecond.
struct Net {
    ospfs: Vec<Ospf>,
    links: Vec<[(usize, u32); 2]>,
    /// Links that are cut without anybody noticing.
    cut: Vec<usize>,
    now: Instant,
    wire: VecDeque<(Instant, usize, u32, Ipv4Addr, Bytes)>,
    /// Each n-th message is lost.
    loss: Option<usize>,
    sent: usize,
}

fn net(link: usize) -> Prefix {
    Prefix::new(Ipv4Addr::new(10, 0, link as u8, 0), 24).unwrap()
}

fn addr(link: usize, side: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, link as u8, side + 1)
}

impl Net {
    fn new(n: usize, links: &[(usize, usize, u32)]) -> Net {
        let mut ports: Vec<Vec<RoutingPort>> = vec![Vec::new(); n];
        let mut ends = Vec::new();
        for (link, (a, b, cost)) in links.iter().enumerate() {
            let mut end = |router: usize, side: u8| {
                let (addr, prefix) = (addr(link, side), net(link));
                ports[router].push(RoutingPort {
                    addr,
                    prefix,
                    cost: *cost,
                    mtu: 1500,
                    up: true,
                    passive: false,
                });
                (router, ports[router].len() as u32 - 1)
            };
            ends.push([end(*a, 0), end(*b, 1)]);
        }
        let ospfs = ports.into_iter().enumerate().map(|(i, ports)| {
            let stream = Streams::new(1).stream(Purpose::Routing, &format!("r{i}"));
            Ospf::new(OspfConfig::default(), ports, &[], stream, Instant::ZERO)
        });
        Net {
            ospfs: ospfs.collect(),
            links: ends,
            cut: Vec::new(),
            now: Instant::ZERO,
            wire: VecDeque::new(),
            loss: None,
            sent: 0,
        }
    }

    fn collect(&mut self) {
        for i in 0..self.ospfs.len() {
            while let Some(message) = self.ospfs[i].poll_transmit() {
                self.sent += 1;
                let link = self.links.iter().position(|ends| ends.contains(&(i, message.port))).unwrap();
                let [a, b] = self.links[link];
                let (to, port) = if a == (i, message.port) { b } else { a };
                let src = self.ospfs[i].ports[message.port as usize].port.addr;
                let is_lost = self.loss.is_some_and(|n| self.sent.is_multiple_of(n));
                if !self.cut.contains(&link) && !is_lost {
                    self.wire.push_back((self.now + Span::from_ms(1), to, port, src, message.bytes));
                }
            }
        }
    }

    fn run(&mut self, until: Span) {
        let end = Instant::ZERO + until;
        loop {
            self.collect();
            let timer = self.ospfs.iter().map(Ospf::next_timeout).min().unwrap();
            let arrival = self.wire.front().map_or(Instant::MAX, |(at, ..)| *at);
            let at = timer.min(arrival).max(self.now);
            if at > end {
                break;
            }
            self.now = at;
            if arrival <= timer {
                let (_, to, port, src, bytes) = self.wire.pop_front().unwrap();
                assert!(self.ospfs[to].handle_message(port, src, &bytes, at));
            } else {
                self.ospfs.iter_mut().filter(|o| o.next_timeout() <= at).for_each(|o| o.handle_timeout(at));
            }
        }
        self.now = end;
    }

    fn set_link(&mut self, link: usize, up: bool) {
        for (router, port) in self.links[link] {
            self.ospfs[router].set_port_up(port, up, self.now);
        }
    }

    fn route(&self, router: usize, link: usize) -> Option<(u32, Vec<u32>)> {
        let route = self.ospfs[router].routes().iter().find(|route| route.prefix == net(link))?;
        Some((route.metric, route.hops.iter().map(|hop| hop.port).collect()))
    }

    fn assert_alike(&self) {
        for ospf in &self.ospfs {
            assert!(ospf.neighbors().iter().all(|n| n.state == "Full"), "{:?}", ospf.neighbors());
            let all: Vec<_> = ospf.database.headers(self.now).iter().map(|h| (h.key, h.seq)).collect();
            let first: Vec<_> =
                self.ospfs[0].database.headers(self.now).iter().map(|h| (h.key, h.seq)).collect();
            assert_eq!(all, first);
        }
    }
}

/// 0 - 1 - 2 - 3 - 0, and a tail 2 - 4.
const SQUARE: [(usize, usize, u32); 5] = [(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 0, 1), (2, 4, 1)];

#[test]
fn strangers_become_neighbours_and_know_the_same_map() {
    let mut net = Net::new(5, &SQUARE);
    net.run(Span::from_secs(30));
    net.assert_alike();
    assert_eq!(net.ospfs[0].database_len(), 5);
    assert_eq!(net.route(0, 4), Some((3, vec![0, 1])), "both ways round are equally short");
    assert_eq!(net.route(0, 1), Some((2, vec![0])));
    let hop = NextHop { port: 0, gateway: Some(addr(4, 0)) };
    assert!(net.ospfs[4].routes().iter().all(|route| *route.hops == [hop] && route.origin == Origin::Ospf));
}

#[test]
fn databases_become_the_same_although_messages_are_lost() {
    let mut net = Net::new(5, &SQUARE);
    net.loss = Some(4);
    net.run(Span::from_secs(200));
    net.loss = None;
    net.run(Span::from_secs(300));
    net.assert_alike();
    assert_eq!(net.route(0, 4), Some((3, vec![0, 1])));
}

#[test]
fn a_link_that_goes_down_is_routed_around_within_a_second_and_taken_again_when_it_is_back() {
    let mut net = Net::new(5, &SQUARE);
    net.run(Span::from_secs(60));
    net.set_link(0, false);
    net.run(Span::from_secs(61));
    assert_eq!(net.route(0, 4), Some((3, vec![1])));
    assert_eq!(net.route(0, 1), Some((3, vec![1])));
    assert_eq!(net.route(4, 0), None, "the network of the link itself is gone");
    net.set_link(0, true);
    net.run(Span::from_secs(90));
    net.assert_alike();
    assert_eq!(net.route(0, 4), Some((3, vec![0, 1])));
}

#[test]
fn silence_is_noticed_after_the_dead_interval() {
    let mut net = Net::new(5, &SQUARE);
    net.run(Span::from_secs(60));
    net.cut.push(0);
    net.run(Span::from_secs(89));
    assert_eq!(net.route(0, 1), Some((2, vec![0])), "still believed");
    net.run(Span::from_secs(107));
    assert_eq!(net.route(0, 1), Some((3, vec![1])));
    assert_eq!(net.ospfs[0].neighbors().len(), 1);
}

#[test]
fn costs_decide() {
    let mut net = Net::new(5, &[(0, 1, 10), (1, 2, 10), (2, 3, 1), (3, 0, 1), (2, 4, 1)]);
    net.run(Span::from_secs(30));
    assert_eq!(net.route(0, 1), Some((12, vec![1])));
    assert_eq!(net.route(0, 4), Some((3, vec![1])));
}

#[test]
fn convergence_computed_at_once_is_what_the_protocol_finds_and_stays_so_for_hours() {
    let mut talked = Net::new(5, &SQUARE);
    talked.run(Span::from_secs(60));
    let mut silent = Net::new(5, &SQUARE);
    let segments: Vec<Vec<(usize, u32)>> = silent.links.iter().map(|ends| ends.to_vec()).collect();
    converge(&mut silent.ospfs.iter_mut().enumerate().collect(), &segments, Instant::ZERO);
    for (a, b) in talked.ospfs.iter().zip(&silent.ospfs) {
        assert_eq!(a.routes(), b.routes());
    }
    let runs = silent.ospfs[0].spf_runs();
    silent.run(Span::from_secs(3 * 3600));
    silent.assert_alike();
    assert_eq!(silent.ospfs[0].spf_runs(), runs, "renewed announcements say nothing new");
    assert!(silent.ospfs[0].database.headers(silent.now).iter().all(|header| header.age < 1900));
}

#[test]
fn what_nobody_renews_is_forgotten_after_an_hour() {
    let mut net = Net::new(5, &SQUARE);
    net.run(Span::from_secs(60));
    net.set_link(4, false);
    net.run(Span::from_secs(1000));
    assert_eq!(net.ospfs[0].database_len(), 5, "the router that left is still on the map");
    assert_eq!(net.route(0, 4), None, "but no way leads there");
    net.run(Span::from_secs(2 * 3600 + 60));
    assert_eq!(net.ospfs[0].database_len(), 4);
    net.assert_alike_but(4);
}

#[test]
fn networks_outside_are_announced_to_everybody() {
    let mut net = Net::new(5, &SQUARE);
    let outside: Prefix = "192.0.2.0/24".parse().unwrap();
    net.ospfs[4].announced = vec![outside];
    net.run(Span::from_secs(30));
    let route = net.ospfs[0].routes().iter().find(|route| route.prefix == outside).unwrap();
    assert_eq!((route.origin, route.metric, route.hops.len()), (Origin::OspfExternal, 20, 2));
}

impl Net {
    fn assert_alike_but(&self, router: usize) {
        let keys =
            |ospf: &Ospf| ospf.database.headers(self.now).iter().map(|h| (h.key, h.seq)).collect::<Vec<_>>();
        let others = self.ospfs.iter().enumerate().filter(|(i, _)| *i != router);
        others.for_each(|(_, ospf)| assert_eq!(keys(ospf), keys(&self.ospfs[0])));
    }
}
