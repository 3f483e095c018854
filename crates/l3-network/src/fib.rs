//! The forwarding table: longest prefix match (RFC 1812 section 5.2.4.3) with equal-cost next hops.

use crate::Prefix;
use crate::prefix::mask;
use rustc_hash::FxHashMap;
use std::net::Ipv4Addr;

/// One way out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NextHop {
    /// The node's own interface, by position.
    pub port: u32,
    /// The router to send to; none when the destination itself is on that link.
    pub gateway: Option<Ipv4Addr>,
}

/// Works forwarding tables out when they are first needed.
pub trait FibSource: std::fmt::Debug {
    /// The table of the node with this number.
    fn fib(&self, node: u32) -> Fib;
}

/// A node's forwarding table.
#[derive(Clone, Debug, Default)]
pub struct Fib {
    /// Tables by prefix length, longest first; most nodes have one to three.
    lengths: Vec<Level>,
    /// All next hops, each set's side by side.
    hops: Vec<NextHop>,
    /// Where each set stands in `hops`: start and length.
    sets: Vec<(u32, u32)>,
}

/// Routes of one prefix length: sorted, and no more than six bytes each, because large networks have millions of them.
#[derive(Clone, Debug)]
struct Level {
    mask: u32,
    len: u8,
    networks: Vec<u32>,
    /// Of each network, which set; the upper halves only where there are so many sets.
    sets: Vec<u16>,
    upper: Vec<u16>,
}

impl Level {
    fn set(&self, at: usize) -> u32 {
        u32::from(self.sets[at]) | self.upper.get(at).map_or(0, |upper| u32::from(*upper) << 16)
    }

    fn find(&self, bits: u32) -> Option<u32> {
        self.networks.binary_search(&(bits & self.mask)).ok().map(|at| self.set(at))
    }
}

impl Fib {
    /// A table with these routes; of two routes for one prefix the later one counts. A route without next hops is left out.
    pub fn new(routes: impl IntoIterator<Item = (Prefix, Vec<NextHop>)>) -> Fib {
        Fib::with_discards(routes.into_iter().filter(|(_, hops)| !hops.is_empty()))
    }

    /// The same, where a route without next hops is there to discard what matches nothing more specific.
    pub fn with_discards(routes: impl IntoIterator<Item = (Prefix, Vec<NextHop>)>) -> Fib {
        let mut fib = Fib::default();
        // Thousands of routes share a few sets of next hops.
        let mut known: FxHashMap<Vec<NextHop>, u32> = FxHashMap::default();
        let mut all = Vec::new();
        for (prefix, hops) in routes {
            let set = known.get(&hops).copied().unwrap_or_else(|| {
                let set = fib.add_set(&hops);
                known.insert(hops, set);
                set
            });
            all.push((prefix, set));
        }
        fib.fill(all);
        fib
    }

    fn add_set(&mut self, hops: &[NextHop]) -> u32 {
        self.sets.push((self.hops.len() as u32, hops.len() as u32));
        self.hops.extend_from_slice(hops);
        self.sets.len() as u32 - 1
    }

    fn fill(&mut self, mut routes: Vec<(Prefix, u32)>) {
        // A stable sort: of routes for one prefix the last stays last.
        routes.sort_by_key(|(prefix, _)| (std::cmp::Reverse(prefix.bits()), prefix.network()));
        let many = self.sets.len() > usize::from(u16::MAX);
        for routes in routes.chunk_by(|a, b| a.0.bits() == b.0.bits()) {
            let len = routes[0].0.bits();
            let last: Vec<&(Prefix, u32)> =
                routes.chunk_by(|a, b| a.0 == b.0).filter_map(|same| same.last()).collect();
            self.lengths.push(Level {
                mask: mask(len),
                len,
                networks: last.iter().map(|(prefix, _)| prefix.network().to_bits()).collect(),
                sets: last.iter().map(|(_, set)| *set as u16).collect(),
                upper: if many {
                    last.iter().map(|(_, set)| (*set >> 16) as u16).collect()
                } else {
                    Vec::new()
                },
            });
        }
        self.lengths.shrink_to_fit();
        self.sets.shrink_to_fit();
        self.hops.shrink_to_fit();
    }

    /// The equal-cost next hops towards `dst`; empty without a route.
    #[inline]
    pub fn lookup(&self, dst: Ipv4Addr) -> &[NextHop] {
        self.hops(self.find(dst))
    }

    /// Where the next hops towards `dst` stand, for [`Fib::hops`]; valid until the table changes.
    #[inline]
    pub fn find(&self, dst: Ipv4Addr) -> (u32, u32) {
        let bits = dst.to_bits();
        let found = self.lengths.iter().find_map(|level| level.find(bits));
        found.map_or((0, 0), |set| self.sets[set as usize])
    }

    /// The next hops that [`Fib::find`] found.
    #[inline]
    pub fn hops(&self, (start, n): (u32, u32)) -> &[NextHop] {
        &self.hops[start as usize..(start + n) as usize]
    }

    /// The next hop of a flow: the same for every packet with the same hash.
    #[inline]
    pub fn choose(&self, dst: Ipv4Addr, hash: u32) -> Option<NextHop> {
        let hops = self.lookup(dst);
        match hops {
            [] => None,
            [only] => Some(*only),
            _ => Some(hops[((u64::from(hash) * hops.len() as u64) >> 32) as usize]),
        }
    }

    /// Every route, sorted by network and then by length.
    pub fn routes(&self) -> Vec<(Prefix, &[NextHop])> {
        let mut rows = Vec::new();
        for level in &self.lengths {
            for (at, bits) in level.networks.iter().enumerate() {
                let prefix =
                    Prefix::new(Ipv4Addr::from_bits(*bits), level.len).expect("a length of at most 32");
                rows.push((prefix, self.hops(self.sets[level.set(at) as usize])));
            }
        }
        rows.sort_unstable();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hop(port: u32) -> NextHop {
        NextHop { port, gateway: None }
    }

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_discard_hides_shorter_prefixes_and_no_longer_ones() {
        let routes = || [(prefix("10.0.0.0/8"), vec![hop(1)]), (prefix("10.1.0.0/16"), vec![])];
        let addr = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        let fib = Fib::with_discards(routes().into_iter().chain([(prefix("10.1.2.0/24"), vec![hop(2)])]));
        let ports = |text| fib.choose(addr(text), 0).map(|hop| hop.port);
        assert_eq!((ports("10.1.9.9"), ports("10.1.2.9"), ports("10.2.0.1")), (None, Some(2), Some(1)));
        assert_eq!(Fib::new(routes()).choose(addr("10.1.9.9"), 0), Some(hop(1)), "left out");
    }

    #[test]
    fn the_longest_prefix_wins() {
        let fib = Fib::new([
            (prefix("0.0.0.0/0"), vec![hop(0)]),
            (prefix("10.0.0.0/8"), vec![hop(1)]),
            (prefix("10.1.0.0/16"), vec![hop(2)]),
            (prefix("10.1.2.3/32"), vec![hop(3)]),
        ]);
        for (dst, port) in [([192, 0, 2, 1], 0), ([10, 9, 9, 9], 1), ([10, 1, 9, 9], 2), ([10, 1, 2, 3], 3)] {
            assert_eq!(fib.choose(dst.into(), 0), Some(hop(port)));
        }
    }

    #[test]
    fn without_a_default_route_there_may_be_no_way() {
        let fib = Fib::new([(prefix("10.0.0.0/8"), vec![hop(1)])]);
        assert_eq!(fib.choose(Ipv4Addr::new(192, 0, 2, 1), 7), None);
    }

    #[test]
    fn equal_cost_next_hops_share_flows_evenly_and_stick_to_them() {
        let fib = Fib::new([(Prefix::DEFAULT, (0..4).map(hop).collect())]);
        let mut counts = [0; 4];
        for flow in 0..4000u32 {
            let hash = flow.wrapping_mul(0x9E37_79B9);
            let chosen = fib.choose(Ipv4Addr::LOCALHOST, hash).unwrap();
            assert_eq!(fib.choose(Ipv4Addr::LOCALHOST, hash), Some(chosen));
            counts[chosen.port as usize] += 1;
        }
        assert!(counts.iter().all(|n| (900..1100).contains(n)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn lookup_agrees_with_a_linear_search(
            routes in proptest::collection::vec((any::<u32>(), 0u8..=32), 0..20),
            dst in any::<u32>(),
        ) {
            // Few distinct high bits, so that prefixes nest.
            let fold = |bits: u32| Ipv4Addr::from_bits(bits & 0x0300_0003);
            let routes: Vec<_> =
                routes.iter().enumerate().map(|(i, (b, l))| (Prefix::new(fold(*b), *l).unwrap(), hop(i as u32))).collect();
            let fib = Fib::new(routes.iter().map(|(p, h)| (*p, vec![*h])));
            let dst = fold(dst);
            let best = routes.iter().filter(|(p, _)| p.contains(dst)).max_by_key(|(p, h)| (p.bits(), h.port));
            prop_assert_eq!(fib.choose(dst, 0), best.map(|(_, h)| *h));
        }
    }
}
