use super::*;

/// Routers joined by links, each an AS of its own, each with a network at its port 0; messages arrive at once.
struct Net {
    bgps: Vec<Bgp>,
    links: Vec<(usize, usize)>,
    now: Instant,
}

fn own(i: usize) -> Prefix {
    Prefix::new(Ipv4Addr::new(10, i as u8, 0, 0), 16).unwrap()
}

fn addr(link: usize, side: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 16, link as u8, side + 1)
}

const fn asn(i: usize) -> u16 {
    100 + i as u16
}

fn is(relation: Relation) -> BgpPolicy {
    BgpPolicy { relation: Some(relation), ..BgpPolicy::default() }
}

impl Net {
    fn new(n: usize, links: &[(usize, usize)], policy: impl Fn(usize, usize) -> BgpPolicy) -> Net {
        let bgps = (0..n).map(|i| {
            let host = Ipv4Addr::new(10, i as u8, 0, 1);
            let port =
                |addr, prefix, passive| RoutingPort { addr, prefix, cost: 1, mtu: 1500, up: true, passive };
            let mut ports = vec![port(host, own(i), true)];
            let mut config = BgpConfig { asn: asn(i), ..BgpConfig::default() };
            for (link, (a, b)) in links.iter().enumerate().filter(|(_, (a, b))| *a == i || *b == i) {
                let (side, other) = if *a == i { (0, *b) } else { (1, *a) };
                let prefix = Prefix::new(addr(link, 0), 24).unwrap();
                ports.push(port(addr(link, side), prefix, false));
                config.neighbors.insert(addr(link, 1 - side), asn(other));
                config.policies.insert(addr(link, 1 - side), policy(i, other));
            }
            Bgp::new(config, ports, &[], Instant::ZERO)
        });
        let mut net = Net { bgps: bgps.collect(), links: links.to_vec(), now: Instant::ZERO };
        net.run(0);
        net
    }

    /// The router and the number of the neighbour at the other end.
    fn other_end(&self, i: usize, peer: usize) -> (usize, usize) {
        let at = self.bgps[i].addr_of(peer);
        let link = usize::from(at.octets()[2]);
        let (a, b) = self.links[link];
        let (other, side) = if a == i { (b, 0) } else { (a, 1) };
        (other, self.bgps[other].peer_at(addr(link, side)).unwrap())
    }

    fn deliver(&mut self) {
        loop {
            let mut quiet = true;
            for i in 0..self.bgps.len() {
                while let Some(action) = self.bgps[i].poll_action() {
                    quiet = false;
                    let now = self.now;
                    match action {
                        BgpAction::Connect(peer) => {
                            let (other, back) = self.other_end(i, peer);
                            self.bgps[other].connected(back, now);
                            self.bgps[i].connected(peer, now);
                        }
                        BgpAction::Send(peer, bytes) => {
                            let (other, back) = self.other_end(i, peer);
                            self.bgps[other].received(back, &bytes, now);
                        }
                        BgpAction::Close(peer) => {
                            let (other, back) = self.other_end(i, peer);
                            self.bgps[other].closed(back, now);
                        }
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// Runs until so many seconds after the start.
    fn run(&mut self, seconds: u64) {
        let end = Instant::ZERO + Span::from_secs(seconds);
        loop {
            let at = self.bgps.iter().map(Bgp::next_timeout).min().unwrap().max(self.now);
            if at > end {
                break;
            }
            self.now = at;
            self.bgps.iter_mut().for_each(|bgp| bgp.handle_timeout(at));
            self.deliver();
        }
        self.now = end;
    }

    fn path(&self, from: usize, to: Prefix) -> Option<Vec<u16>> {
        self.bgps[from].path(to).map(|(path, _)| path.to_vec())
    }
}

fn free(_: usize, _: usize) -> BgpPolicy {
    BgpPolicy::default()
}

#[test]
fn paths_grow_by_one_as_at_each_hop_and_the_shortest_is_used() {
    let mut net = Net::new(4, &[(0, 1), (1, 2), (2, 3), (3, 0)], free);
    net.run(100);
    assert!(net.bgps.iter().flat_map(Bgp::neighbors).all(|peer| peer.state == "Established"));
    assert_eq!(net.path(0, own(1)), Some(vec![asn(1)]));
    let two = net.path(0, own(2)).unwrap();
    assert!(two.len() == 2 && two[1] == asn(2));
    assert_eq!(net.path(0, own(0)), Some(vec![]));
    let routes = net.bgps[0].routes();
    let (own_routes, others): (Vec<_>, Vec<_>) = routes.iter().partition(|route| route.prefix == own(0));
    assert!(others.iter().all(|route| route.origin == Origin::Ebgp));
    assert!(own_routes.iter().all(|route| route.origin == Origin::Discard && route.hops.is_empty()));
}

#[test]
fn a_session_that_is_gone_takes_its_ways_with_it_and_others_are_found() {
    let mut net = Net::new(4, &[(0, 1), (1, 2), (2, 3), (3, 0)], free);
    net.run(100);
    for router in [0, 1] {
        let now = net.now;
        net.bgps[router].set_port_up(1, false, now);
    }
    net.deliver();
    net.run(200);
    assert_eq!(net.path(0, own(1)), Some(vec![asn(3), asn(2), asn(1)]));
    for router in [0, 1] {
        let now = net.now;
        net.bgps[router].set_port_up(1, true, now);
    }
    net.run(400);
    assert_eq!(net.path(0, own(1)), Some(vec![asn(1)]));
}

#[test]
fn what_is_withdrawn_is_forgotten_everywhere() {
    let mut net = Net::new(4, &[(0, 1), (1, 2), (2, 3), (3, 1)], free);
    net.run(200);
    assert!(net.path(3, own(0)).is_some());
    let now = net.now;
    net.bgps[0].set_port_up(0, false, now);
    net.deliver();
    net.run(500);
    for router in 0..4 {
        assert_eq!(net.path(router, own(0)), None, "{router}");
    }
}

#[test]
fn preference_beats_length_and_denied_prefixes_are_not_taken() {
    let policy = |router: usize, neighbor: usize| match (router, neighbor) {
        (0, 3) => BgpPolicy { prefer: Some(300), deny: vec![own(2)], ..BgpPolicy::default() },
        _ => BgpPolicy::default(),
    };
    let mut net = Net::new(4, &[(0, 1), (1, 2), (2, 3), (3, 0)], policy);
    net.run(100);
    assert_eq!(net.path(0, own(1)), Some(vec![asn(3), asn(2), asn(1)]), "the long way is preferred");
    assert_eq!(net.path(0, own(2)), Some(vec![asn(1), asn(2)]), "denied from the preferred one");
}

#[test]
fn a_policy_that_changes_judges_anew_what_was_offered_before() {
    let mut net = Net::new(4, &[(0, 1), (1, 2), (2, 3), (3, 0)], free);
    net.run(100);
    let short = Some(vec![asn(1), asn(2)]);
    assert_eq!(net.path(0, own(2)), short);
    let set = |net: &mut Net, policy: BgpPolicy, until: u64| {
        let now = net.now;
        net.bgps[0].set_policy(addr(0, 1), &policy, now);
        net.deliver();
        net.run(until);
    };
    set(&mut net, BgpPolicy { deny: vec![own(2), own(1)], ..BgpPolicy::default() }, 200);
    assert_eq!(net.path(0, own(2)), Some(vec![asn(3), asn(2)]), "another neighbour offers it, too");
    assert_eq!(net.path(0, own(1)), Some(vec![asn(3), asn(2), asn(1)]));
    set(&mut net, BgpPolicy::default(), 300);
    assert_eq!((net.path(0, own(2)), net.path(0, own(1))), (short, Some(vec![asn(1)])), "it was kept");
    // What a neighbour is decides what it is told: routes of a peer do not go to a provider.
    set(&mut net, is(Relation::Provider), 400);
    let now = net.now;
    net.bgps[0].set_policy(addr(3, 0), &is(Relation::Peer), now);
    net.deliver();
    net.run(500);
    assert!(
        net.bgps[1].peers.iter().any(|peer| peer.addr == addr(0, 0) && !peer.offers.contains_key(&own(3)))
    );
}

#[test]
fn a_customer_does_not_carry_traffic_between_its_providers() {
    // 0 and 1 are providers of 2; they know each other only through it.
    let policy =
        |router: usize, _: usize| is(if router == 2 { Relation::Provider } else { Relation::Customer });
    let mut net = Net::new(3, &[(0, 2), (1, 2)], policy);
    net.run(100);
    assert_eq!(net.path(0, own(2)), Some(vec![asn(2)]));
    assert_eq!(net.path(0, own(1)), None, "no valley");
    assert_eq!(net.path(2, own(1)), Some(vec![asn(1)]));
    let mut open = Net::new(3, &[(0, 2), (1, 2)], free);
    open.run(100);
    assert_eq!(open.path(0, own(1)), Some(vec![asn(2), asn(1)]), "without policy it does");
}

#[test]
fn a_more_specific_announcement_catches_everybody_and_a_copy_those_who_are_nearer() {
    let mut net = Net::new(5, &[(0, 1), (1, 2), (2, 3), (3, 4)], free);
    net.run(200);
    let now = net.now;
    net.bgps[4].announce(own(0), true, now);
    net.deliver();
    net.run(400);
    assert_eq!(net.path(1, own(0)), Some(vec![asn(0)]));
    assert_eq!(net.path(3, own(0)), Some(vec![asn(4)]));
    let specific = Prefix::new(own(0).network(), 17).unwrap();
    let now = net.now;
    net.bgps[4].announce(specific, true, now);
    net.deliver();
    net.run(600);
    assert_eq!(net.path(1, specific), Some(vec![asn(2), asn(3), asn(4)]));
    assert_eq!(net.path(0, specific).map(|path| path.len()), Some(4), "even the owner believes it");
}

#[test]
fn a_neighbour_with_another_as_than_configured_and_nonsense_are_refused() {
    let mut net = Net::new(2, &[(0, 1)], free);
    assert_eq!(net.bgps[0].neighbors()[0].state, "Established");
    let now = net.now;
    net.bgps[0].received(0, &[0; 19], now);
    assert_eq!(net.bgps[0].neighbors()[0].state, "Idle");
    net.deliver();
    net.run(119);
    assert_eq!(net.bgps[0].neighbors()[0].state, "Idle");
    net.run(121);
    assert_eq!(net.bgps[0].neighbors()[0].state, "Established", "tried again");
    net.bgps[1].peers[0].asn = 7;
    let now = net.now;
    net.bgps[0].reset(0, now);
    net.deliver();
    net.run(500);
    assert!(net.bgps[1].neighbors()[0].state != "Established");
}
