//! Bridges on wires of 1 ms: what they agree on, how fast, and what happens when a wire breaks.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use tidewire_wire::MacAddr;

const MS: Span = Span::from_ms(1);

/// Bridges, wires between their ports, and the units on them.
struct Lan {
    bridges: Vec<Bridge>,
    wires: Vec<[(usize, u32); 2]>,
    broken: BTreeSet<usize>,
    under_way: BTreeMap<(Instant, u64), (usize, u32, Bpdu)>,
    number: u64,
    now: Instant,
}

impl Lan {
    fn new(protocol: SpanningTree, bridges: usize, wires: &[(usize, usize)]) -> Lan {
        let mac = |i: usize| MacAddr([2, 0, 0, 0, 0, i as u8 + 1]);
        let mut lan = Lan {
            bridges: (0..bridges).map(|i| Bridge::new(BridgeConfig::new(protocol), mac(i))).collect(),
            wires: Vec::new(),
            broken: BTreeSet::new(),
            under_way: BTreeMap::new(),
            number: 0,
            now: Instant::ZERO,
        };
        let rate = tidewire_units::Rate::from_mbps(100);
        for (a, b) in wires {
            let ends =
                [*a, *b].map(|i| (i, lan.bridges[i].add_port(BridgePortConfig::of_rate(protocol, rate))));
            lan.wires.push(ends);
        }
        lan
    }

    fn plug_in(&mut self) {
        for wire in 0..self.wires.len() {
            self.set_wire(wire, true);
        }
    }

    fn set_wire(&mut self, wire: usize, up: bool) {
        if up {
            self.broken.remove(&wire)
        } else {
            self.broken.insert(wire)
        };
        for (bridge, port) in self.wires[wire] {
            self.bridges[bridge].set_port_up(port, self.now, up);
            self.collect(bridge);
        }
    }

    fn collect(&mut self, bridge: usize) {
        while let Some((port, unit)) = self.bridges[bridge].poll_transmit(self.now) {
            let at = self.wires.iter().position(|ends| ends.contains(&(bridge, port)));
            let Some(wire) = at else { continue };
            let [a, b] = self.wires[wire];
            let (to, port) = if a == (bridge, port) { b } else { a };
            if !self.broken.contains(&wire) {
                self.under_way.insert((self.now + MS, self.number), (to, port, unit));
                self.number += 1;
            }
        }
        while self.bridges[bridge].poll_flush().is_some() {}
    }

    fn run_until(&mut self, end: Instant) {
        loop {
            let timers = self.bridges.iter().map(|bridge| bridge.next_timeout(self.now));
            let timer = timers.min().unwrap().max(self.now);
            let arrival = self.under_way.first_key_value().map_or(Instant::MAX, |((at, _), _)| *at);
            let next = timer.min(arrival);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            if arrival <= timer {
                let (_, (bridge, port, unit)) = self.under_way.pop_first().unwrap();
                self.bridges[bridge].handle_bpdu(port, self.now, unit);
                self.collect(bridge);
            } else {
                for bridge in 0..self.bridges.len() {
                    if self.bridges[bridge].next_timeout(self.now) <= self.now {
                        self.bridges[bridge].handle_timeout(self.now);
                        self.collect(bridge);
                    }
                }
            }
        }
    }

    fn run(&mut self, span: Span) {
        self.run_until(self.now + span);
    }

    /// Wires through which frames can pass.
    fn open(&self) -> Vec<usize> {
        let forwards = |(bridge, port): (usize, u32)| self.bridges[bridge].port_state(port).forwards();
        (0..self.wires.len())
            .filter(|wire| !self.broken.contains(wire) && self.wires[*wire].into_iter().all(forwards))
            .collect()
    }

    /// The bridges that frames from the first can reach, and whether some wire is one too many.
    fn reach(&self) -> (usize, bool) {
        let mut group: Vec<usize> = (0..self.bridges.len()).collect();
        let mut looped = false;
        for wire in self.open() {
            let [(a, _), (b, _)] = self.wires[wire];
            let (from, to) = (group[a], group[b]);
            looped |= from == to;
            group.iter_mut().filter(|at| **at == from).for_each(|at| *at = to);
        }
        (group.iter().filter(|at| **at == group[0]).count(), looped)
    }

    /// Runs until frames reach everybody, never more than once; how long that took.
    fn until_whole(&mut self, at_most: Span) -> Span {
        let start = self.now;
        while self.reach().0 < self.bridges.len() {
            assert!(self.now.since(start) <= at_most, "not joined after {at_most}");
            self.run(MS);
            assert!(!self.reach().1, "a loop at {}", self.now);
        }
        self.now.since(start)
    }
}

const TRIANGLE: [(usize, usize); 3] = [(0, 1), (1, 2), (0, 2)];
/// A ring of four with a chord and a pair of parallel wires.
const MESH: [(usize, usize); 6] = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (2, 3)];

#[test]
fn the_lowest_bridge_becomes_the_root_and_one_wire_of_a_triangle_is_closed() {
    for protocol in [SpanningTree::Stp, SpanningTree::Rstp] {
        let mut lan = Lan::new(protocol, 3, &TRIANGLE);
        lan.plug_in();
        lan.run(Span::from_secs(60));
        for bridge in &lan.bridges {
            assert_eq!(bridge.root().0, lan.bridges[0].id());
        }
        assert_eq!(lan.open(), [0, 2], "{protocol:?}: the wire between the others is closed");
        assert_eq!(lan.bridges[2].port_role(0), PortRole::Alternate);
        assert_eq!((lan.bridges[0].root_port(), lan.bridges[1].root_port()), (None, Some(0)));
    }
}

#[test]
fn a_priority_chooses_another_root() {
    let mut lan = Lan::new(SpanningTree::Rstp, 3, &TRIANGLE);
    let config = BridgeConfig { priority: 4096, ..BridgeConfig::new(SpanningTree::Rstp) };
    let mut chosen = Bridge::new(config, MacAddr([2, 0, 0, 0, 0, 3]));
    let rate = tidewire_units::Rate::from_mbps(100);
    for _ in 0..2 {
        chosen.add_port(BridgePortConfig::of_rate(SpanningTree::Rstp, rate));
    }
    lan.bridges[2] = chosen;
    lan.plug_in();
    lan.run(Span::from_secs(5));
    assert!(lan.bridges.iter().all(|bridge| bridge.root().0.priority() == 4096));
    assert_eq!(lan.open(), [1, 2]);
}

/// IEEE 802.1D-1998: listening and learning take a forward delay each, at first and after a port's own link has failed; a failure
/// elsewhere is noticed when what was heard grows too old.
#[test]
fn stp_opens_after_two_forward_delays_and_notices_distant_failures_after_the_maximum_age() {
    let mut lan = Lan::new(SpanningTree::Stp, 3, &TRIANGLE);
    lan.plug_in();
    let first = lan.until_whole(Span::from_secs(60));
    assert!((30.0..32.1).contains(&first.as_secs_f64()), "{first}");
    lan.run(Span::from_secs(20));
    // Bridge 2 loses its own way to the root: it opens the other.
    lan.set_wire(2, false);
    let direct = lan.until_whole(Span::from_secs(60));
    assert!((30.0..32.1).contains(&direct.as_secs_f64()), "{direct}");
    lan.set_wire(2, true);
    lan.run(Span::from_secs(60));
    // Bridge 1 loses its way: bridge 2 keeps its closed port until the old word of bridge 1 has expired.
    lan.set_wire(0, false);
    let indirect = lan.until_whole(Span::from_secs(80));
    assert!((46.0..52.1).contains(&indirect.as_secs_f64()), "{indirect}");
}

#[test]
fn rstp_opens_at_once_and_after_a_failure_too() {
    let mut lan = Lan::new(SpanningTree::Rstp, 4, &MESH);
    lan.plug_in();
    let first = lan.until_whole(Span::from_secs(5));
    assert!(first <= MS * 20, "{first}");
    lan.run(Span::from_secs(10));
    for wire in 0..MESH.len() {
        lan.set_wire(wire, false);
        let healed = lan.until_whole(Span::from_secs(5));
        assert!(healed <= MS * 50, "wire {wire}: {healed}");
        lan.run(Span::from_secs(10));
        lan.set_wire(wire, true);
        lan.run(Span::from_secs(10));
        assert_eq!(lan.reach(), (4, false));
    }
}

#[test]
fn a_bridge_that_speaks_the_old_protocol_is_understood() {
    let mut lan = Lan::new(SpanningTree::Rstp, 3, &TRIANGLE);
    let rate = tidewire_units::Rate::from_mbps(100);
    let mut old = Bridge::new(BridgeConfig::new(SpanningTree::Stp), MacAddr([2, 0, 0, 0, 0, 2]));
    let cost = BridgePortConfig::of_rate(SpanningTree::Rstp, rate);
    for _ in 0..2 {
        old.add_port(cost);
    }
    lan.bridges[1] = old;
    lan.plug_in();
    lan.run(Span::from_secs(60));
    assert_eq!((lan.reach(), lan.open()), ((3, false), vec![0, 2]));
}

#[test]
fn a_change_of_the_tree_makes_switches_forget() {
    let mut lan = Lan::new(SpanningTree::Stp, 3, &TRIANGLE);
    // A host behind bridge 2: without anybody to serve there, it has nothing to tell (IEEE 802.1D-1998 section 8.6.14).
    let rate = tidewire_units::Rate::from_mbps(100);
    let port = lan.bridges[2].add_port(BridgePortConfig::of_rate(SpanningTree::Stp, rate));
    lan.bridges[2].set_port_up(port, Instant::ZERO, true);
    lan.plug_in();
    lan.run(Span::from_secs(120));
    assert_eq!(lan.bridges[0].ageing(), Span::from_secs(300));
    lan.set_wire(2, false);
    lan.run(Span::from_secs(35));
    assert!(
        lan.bridges.iter().all(|bridge| bridge.ageing() == Span::from_secs(15)),
        "as short as the forward delay"
    );
    lan.run(Span::from_secs(60));
    assert!(lan.bridges.iter().all(|bridge| bridge.ageing() == Span::from_secs(300)));
    let mut lan = Lan::new(SpanningTree::Rstp, 3, &TRIANGLE);
    lan.plug_in();
    lan.run(Span::from_secs(10));
    let before = lan.bridges[2].stats().changes;
    lan.set_wire(2, false);
    lan.run(MS * 20);
    assert_eq!(lan.bridges[2].stats().changes, before + 1);
}

#[test]
fn the_state_computed_at_once_is_the_one_that_the_protocol_reaches() {
    let shapes: [(usize, &[(usize, usize)]); 5] = [
        (3, &TRIANGLE),
        (4, &MESH),
        (6, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (1, 4), (0, 3)]),
        (2, &[(0, 1), (0, 1), (1, 0)]),
        (5, &[(4, 3), (3, 2), (2, 1), (1, 0), (4, 2), (3, 1), (2, 0)]),
    ];
    for (bridges, wires) in shapes {
        for protocol in [SpanningTree::Stp, SpanningTree::Rstp] {
            let mut spoken = Lan::new(protocol, bridges, wires);
            spoken.plug_in();
            spoken.run(Span::from_secs(120));
            let mut computed = Lan::new(protocol, bridges, wires);
            computed.plug_in();
            computed.under_way.clear();
            let segments: Vec<Vec<(usize, u32)>> = computed.wires.iter().map(|ends| ends.to_vec()).collect();
            converge(&mut computed.bridges, &segments, computed.now);
            let roles = |lan: &Lan| -> Vec<(PortRole, PortState)> {
                let all = lan.bridges.iter().flat_map(|bridge| {
                    (0..bridge.ports()).map(|port| (bridge.port_role(port), bridge.port_state(port)))
                });
                all.collect()
            };
            assert_eq!(roles(&computed), roles(&spoken), "{protocol:?} {wires:?}");
            assert_eq!(computed.reach(), (bridges, false));
            let before = roles(&computed);
            computed.run(Span::from_secs(60));
            assert_eq!(roles(&computed), before, "and it stays so");
            let changes: u64 = computed.bridges.iter().map(|bridge| bridge.stats().changes).sum();
            assert_eq!(changes, 0);
        }
    }
}
