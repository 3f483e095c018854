//! The state that the protocol would reach, computed at once.

use super::{Neighbor, NeighborState, Ospf, REFRESH};
use std::collections::BTreeMap;
use tidewire_units::{Instant, Span};
use tidewire_wire::Lsa;

/// Puts all routers into the state that they would be in had they talked for long. `segments` lists which (router, port) hear each
/// other.
pub(in crate::routing) fn converge(
    ospfs: &mut BTreeMap<usize, &mut Ospf>,
    segments: &[Vec<(usize, u32)>],
    now: Instant,
) {
    let mut group: BTreeMap<usize, usize> = ospfs.keys().map(|router| (*router, *router)).collect();
    for segment in segments {
        let speaks = |(router, port): &&(usize, u32)| {
            ospfs.get(router).is_some_and(|ospf| ospf.ports[*port as usize].port.speaks())
        };
        let members: Vec<(usize, usize)> =
            segment.iter().filter(speaks).map(|(router, port)| (*router, *port as usize)).collect();
        for (a, port) in &members {
            for (b, at) in members.iter().filter(|(b, _)| b != a) {
                let (id, addr) = (ospfs[b].id, ospfs[b].ports[*at].port.addr);
                let ospf = ospfs.get_mut(a).expect("a member");
                let dead_at = now + ospf.config.dead;
                let neighbor = Neighbor { state: NeighborState::Full, dead_at, ..Neighbor::new(addr, id) };
                ospf.ports[*port].neighbors.push(neighbor);
                unite(&mut group, *a, *b);
            }
        }
    }
    let mut known: BTreeMap<usize, Vec<Lsa>> = BTreeMap::new();
    for (router, ospf) in ospfs.iter_mut() {
        ospf.announce_links(now);
        let own = ospf.seqs.keys().filter_map(|key| ospf.database.get(key));
        known.entry(leader(&group, *router)).or_default().extend(own);
    }
    for (router, ospf) in ospfs.iter_mut() {
        for lsa in &known[&leader(&group, *router)] {
            ospf.database.install(lsa.clone(), now);
        }
        ospf.settle(now);
    }
}

impl Ospf {
    fn settle(&mut self, now: Instant) {
        self.compute(now);
        (self.announce_at, self.spf_at, self.announced_at, self.spf_runs) =
            (Instant::MAX, Instant::MAX, None, 0);
        self.refresh_at = now + Span::from_ps(self.stream.between((REFRESH / 2).as_ps(), REFRESH.as_ps()));
        self.outbox.clear();
        for iface in &mut self.ports {
            iface.next_hello = now + Span::from_ps(self.stream.between(0, self.config.hello.as_ps()));
            iface.floods.clear();
            for neighbor in &mut iface.neighbors {
                neighbor.unacked.clear();
                neighbor.resend_at = Instant::MAX;
            }
        }
    }
}

fn leader(group: &BTreeMap<usize, usize>, mut router: usize) -> usize {
    while group[&router] != router {
        router = group[&router];
    }
    router
}

fn unite(group: &mut BTreeMap<usize, usize>, a: usize, b: usize) {
    let (a, b) = (leader(group, a), leader(group, b));
    group.insert(a.max(b), a.min(b));
}
