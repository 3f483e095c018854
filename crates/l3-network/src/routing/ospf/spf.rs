//! Shortest paths over the database (RFC 2328 section 16), with all that are equally short.

use super::Ospf;
use crate::routing::{Origin, Route};
use crate::{NextHop, Prefix};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;
use std::rc::Rc;
use tidewire_units::Instant;
use tidewire_wire::{LsaBody, RouterLink};

/// A router on the map.
struct Vertex<'a> {
    id: Ipv4Addr,
    links: &'a [RouterLink],
    cost: u32,
    hops: Rc<[NextHop]>,
    done: bool,
}

impl Ospf {
    /// Something on the map changed: paths are computed soon, and less often the more changes.
    pub(super) fn schedule_spf(&mut self, now: Instant) {
        if self.spf_at < Instant::MAX {
            return;
        }
        if now - self.spf_last > self.spf_hold * 2 {
            self.spf_hold = self.config.spf_hold;
        }
        let held = if self.spf_runs == 0 { now } else { self.spf_last + self.spf_hold };
        self.spf_at = (now + self.config.spf_delay).max(held);
    }

    /// Computes all routes.
    pub(super) fn compute(&mut self, now: Instant) {
        if self.spf_runs > 0 && now - self.spf_last <= self.spf_hold * 2 {
            self.spf_hold = (self.spf_hold * 2).min(self.config.spf_max);
        }
        self.spf_last = now;
        self.spf_runs += 1;
        let routes = self.shortest();
        if routes != self.routes {
            self.routes = routes;
            self.changed = true;
        }
    }

    fn shortest(&self) -> Vec<Route> {
        let none: Rc<[NextHop]> = [].into();
        let mut vertices: Vec<Vertex<'_>> = self
            .database
            .alive()
            .filter_map(|lsa| match &*lsa.body {
                LsaBody::Router { links, .. } => Some((lsa.header.key.router, &links[..])),
                _ => None,
            })
            .map(|(id, links)| Vertex { id, links, cost: u32::MAX, hops: none.clone(), done: false })
            .collect();
        let place: FxHashMap<Ipv4Addr, usize> = vertices.iter().enumerate().map(|(i, v)| (v.id, i)).collect();
        let Some(root) = place.get(&self.id).copied() else { return Vec::new() };
        self.walk(&mut vertices, &place, root);
        let mut best: BTreeMap<Prefix, Route> = BTreeMap::new();
        for vertex in vertices.iter().filter(|vertex| vertex.done) {
            let stubs = vertex.links.iter().filter(|link| link.kind == RouterLink::STUB);
            for stub in stubs {
                let Some(prefix) = prefix_of(stub.id, stub.data) else { continue };
                let metric = vertex.cost + u32::from(stub.metric);
                offer(&mut best, Route { prefix, origin: Origin::Ospf, metric, hops: vertex.hops.clone() });
            }
        }
        let outside = self.outside(&vertices, &place, &best);
        let mut routes: Vec<Route> = best.into_values().chain(outside).collect();
        // Its own networks have no next hop.
        routes.retain(|route| !route.hops.is_empty());
        routes.sort_by_key(|route| route.prefix);
        routes.shrink_to_fit();
        routes
    }

    /// Dijkstra's algorithm (section 16.1). A link counts if both ends announce it.
    fn walk(&self, vertices: &mut [Vertex<'_>], place: &FxHashMap<Ipv4Addr, usize>, root: usize) {
        vertices[root].cost = 0;
        let mut queue = BinaryHeap::from([Reverse((0, root))]);
        while let Some(Reverse((cost, v))) = queue.pop() {
            if std::mem::replace(&mut vertices[v].done, true) {
                continue;
            }
            let (own, links) = (vertices[v].id, vertices[v].links);
            for link in links.iter().filter(|link| link.kind == RouterLink::POINT_TO_POINT) {
                let Some(w) = place.get(&link.id).copied().filter(|w| !vertices[*w].done) else { continue };
                let answers = |back: &RouterLink| back.kind == RouterLink::POINT_TO_POINT && back.id == own;
                let metric = cost + u32::from(link.metric);
                if metric > vertices[w].cost || !vertices[w].links.iter().any(answers) {
                    continue;
                }
                let hops = if v == root { self.hop_to(link) } else { vertices[v].hops.clone() };
                if metric < vertices[w].cost {
                    (vertices[w].cost, vertices[w].hops) = (metric, hops);
                    queue.push(Reverse((metric, w)));
                } else {
                    merge(&mut vertices[w].hops, &hops);
                }
            }
        }
    }

    /// The neighbour at the other end of a link of its own.
    fn hop_to(&self, link: &RouterLink) -> Rc<[NextHop]> {
        let at = (0..).zip(&self.ports).find(|(_, iface)| iface.port.addr == link.data);
        let neighbor = at.and_then(|(port, iface)| {
            let known = iface.neighbors.iter().find(|neighbor| neighbor.id == link.id)?;
            Some(NextHop { port, gateway: Some(known.addr) })
        });
        neighbor.into_iter().collect()
    }

    /// Networks outside: what they cost there counts first, then the way to the router that announces them (section 16.4).
    fn outside(
        &self,
        vertices: &[Vertex<'_>],
        place: &FxHashMap<Ipv4Addr, usize>,
        inside: &BTreeMap<Prefix, Route>,
    ) -> Vec<Route> {
        let mut best: BTreeMap<Prefix, ((u32, u32), Route)> = BTreeMap::new();
        for lsa in self.database.alive() {
            let LsaBody::External { mask, metric, .. } = *lsa.body else { continue };
            let Some(prefix) = prefix_of(lsa.header.key.id, mask) else { continue };
            let vertex = place.get(&lsa.header.key.router).map(|at| &vertices[*at]);
            let Some(vertex) = vertex.filter(|vertex| vertex.done && !inside.contains_key(&prefix)) else {
                continue;
            };
            let rank = (metric, vertex.cost);
            let route = Route { prefix, origin: Origin::OspfExternal, metric, hops: vertex.hops.clone() };
            match best.get_mut(&prefix) {
                Some((known, old)) if *known == rank => merge(&mut old.hops, &route.hops),
                Some((known, _)) if *known < rank => {}
                _ => drop(best.insert(prefix, (rank, route))),
            }
        }
        best.into_values().map(|(_, route)| route).collect()
    }
}

/// Keeps the better of two routes; equally good ones are used together.
fn offer(best: &mut BTreeMap<Prefix, Route>, route: Route) {
    match best.get_mut(&route.prefix) {
        Some(known) if known.metric < route.metric => {}
        Some(known) if known.metric == route.metric => {
            // One of the two has no next hop: it is this router's own network.
            if known.hops.is_empty() || route.hops.is_empty() {
                known.hops = [].into();
            } else {
                merge(&mut known.hops, &route.hops);
            }
        }
        _ => drop(best.insert(route.prefix, route)),
    }
}

fn merge(hops: &mut Rc<[NextHop]>, more: &[NextHop]) {
    if more.iter().all(|hop| hops.contains(hop)) {
        return;
    }
    let mut both = [&**hops, more].concat();
    both.sort_unstable();
    both.dedup();
    *hops = both.into();
}

fn prefix_of(addr: Ipv4Addr, mask: Ipv4Addr) -> Option<Prefix> {
    Prefix::new(addr, mask.to_bits().leading_ones() as u8).filter(|prefix| prefix.mask() == mask)
}
