//! Stateless address autoconfiguration (RFC 4862): a host makes its address of what routers advertise.
//!
//! ```text
//!              advertisement           1 s of silence
//! SOLICITING ----------------> TENTATIVE ------------> PREFERRED --- its lifetime ends ---> SOLICITING
//!     | 3 solicitations            | somebody has it
//!     v                            v
//!    ALONE                     DUPLICATE
//! ```
//! [`Autoconf`] is the host's side, [`Advertiser`] a router's on one link.

use std::collections::VecDeque;
use std::net::Ipv6Addr;
use tidewire_units::{Instant, Span, Stream};

/// How far a host is (RFC 4862 section 5.4 and RFC 4861 section 6.3.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AutoconfState {
    /// It asks for routers.
    Soliciting,
    /// No router has answered; it still listens.
    Alone,
    /// It asks whether anybody has the address already.
    Tentative,
    /// It uses the address.
    Preferred,
    /// Somebody else has it; it is not used, and no other is tried.
    Duplicate,
}

impl AutoconfState {
    /// As tables show it.
    pub const fn name(self) -> &'static str {
        match self {
            AutoconfState::Soliciting => "soliciting",
            AutoconfState::Alone => "alone",
            AutoconfState::Tentative => "tentative",
            AutoconfState::Preferred => "preferred",
            AutoconfState::Duplicate => "duplicate",
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AutoconfEvent {
    /// Send a router solicitation.
    Solicit,
    /// Send a neighbour solicitation for this address, from the unspecified one.
    Test(Ipv6Addr),
    /// Use this address, in a network of 64 bits.
    Use(Ipv6Addr),
    /// Stop using the address.
    Lost,
    /// Send what is for other networks to the router that was heard last, or to none.
    Router(bool),
    /// It has an address, will have none, or no router answers: who waits need not wait longer.
    Settled,
}

/// A host's side, on one interface.
#[derive(Debug)]
pub struct Autoconf {
    interface_id: u64,
    state: AutoconfState,
    /// When something is to be done in this state.
    next: Instant,
    solicitations: u32,
    address: Option<Ipv6Addr>,
    /// When the address must not be used any more.
    valid_until: Instant,
    /// When the router is none any more.
    router_until: Option<Instant>,
    settled: bool,
    events: VecDeque<AutoconfEvent>,
}

/// RFC 4861 section 10.
const SOLICITATION_INTERVAL: Span = Span::from_secs(4);
const MAX_SOLICITATIONS: u32 = 3;
const MAX_SOLICITATION_DELAY: Span = Span::from_secs(1);
/// RetransTimer: how long somebody who has the address may take to say so (RFC 4862 section 5.4).
const TEST_TIME: Span = Span::from_secs(1);

impl Autoconf {
    /// A host that begins at `now`; its first solicitation is spread over a second (RFC 4861 section 6.3.7).
    pub fn new(interface_id: u64, mut stream: Stream, now: Instant) -> Autoconf {
        Autoconf {
            interface_id,
            state: AutoconfState::Soliciting,
            next: now + Span::from_ps(stream.between(0, MAX_SOLICITATION_DELAY.as_ps())),
            solicitations: 0,
            address: None,
            valid_until: Instant::MAX,
            router_until: None,
            settled: false,
            events: VecDeque::new(),
        }
    }

    /// How far it is.
    pub fn state(&self) -> AutoconfState {
        self.state
    }

    /// The address in use, being tested or found taken.
    pub fn address(&self) -> Option<Ipv6Addr> {
        self.address
    }

    /// Until when the address is valid.
    pub fn valid_until(&self) -> Instant {
        self.valid_until
    }

    /// Whether what it does keeps no run alive: it has an address or has given up.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// A router advertisement: how many seconds the router serves as one, and its network of 64 bits with the seconds for which
    /// addresses in it are valid (RFC 4862 section 5.5.3).
    pub fn handle_advert(&mut self, now: Instant, lifetime: u16, prefix: Option<(Ipv6Addr, u8, u32)>) {
        self.router_until = (lifetime > 0).then(|| now + Span::from_secs(lifetime.into()));
        self.events.push_back(AutoconfEvent::Router(lifetime > 0));
        let Some((network, 64, seconds)) = prefix else { return };
        let is_local = network.is_unicast_link_local() || network.is_multicast();
        if is_local || seconds == 0 {
            return;
        }
        let address = Ipv6Addr::from_bits(network.to_bits() >> 64 << 64 | u128::from(self.interface_id));
        let valid_until =
            if seconds == u32::MAX { Instant::MAX } else { now + Span::from_secs(seconds.into()) };
        match self.state {
            AutoconfState::Soliciting | AutoconfState::Alone => {
                (self.address, self.valid_until) = (Some(address), valid_until);
                (self.state, self.next) = (AutoconfState::Tentative, now + TEST_TIME);
                self.events.push_back(AutoconfEvent::Test(address));
            }
            AutoconfState::Tentative | AutoconfState::Preferred if self.address == Some(address) => {
                self.valid_until = valid_until;
            }
            AutoconfState::Tentative | AutoconfState::Preferred | AutoconfState::Duplicate => {}
        }
    }

    /// Somebody else has this address, or tests it at the same time (RFC 4862 sections 5.4.3 and 5.4.4).
    pub fn handle_conflict(&mut self, address: Ipv6Addr) {
        if self.state == AutoconfState::Tentative && self.address == Some(address) {
            (self.state, self.next) = (AutoconfState::Duplicate, Instant::MAX);
            self.settle();
        }
    }

    /// When [`Autoconf::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Instant {
        let lifetime = if self.state == AutoconfState::Preferred { self.valid_until } else { Instant::MAX };
        self.next.min(lifetime).min(self.router_until.unwrap_or(Instant::MAX))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.router_until.is_some_and(|until| until <= now) {
            self.router_until = None;
            self.events.push_back(AutoconfEvent::Router(false));
        }
        if self.state == AutoconfState::Preferred && self.valid_until <= now {
            self.address = None;
            (self.state, self.next, self.solicitations) = (AutoconfState::Soliciting, now, 0);
            self.events.push_back(AutoconfEvent::Lost);
        }
        if self.next > now {
            return;
        }
        match self.state {
            AutoconfState::Soliciting if self.solicitations < MAX_SOLICITATIONS => {
                self.solicitations += 1;
                self.next = now + SOLICITATION_INTERVAL;
                self.events.push_back(AutoconfEvent::Solicit);
            }
            AutoconfState::Soliciting => {
                (self.state, self.next) = (AutoconfState::Alone, Instant::MAX);
                self.settle();
            }
            AutoconfState::Tentative => {
                (self.state, self.next) = (AutoconfState::Preferred, Instant::MAX);
                self.events.extend(self.address.map(AutoconfEvent::Use));
                self.settle();
            }
            AutoconfState::Alone | AutoconfState::Preferred | AutoconfState::Duplicate => {
                self.next = Instant::MAX;
            }
        }
    }

    fn settle(&mut self) {
        self.settled = true;
        self.events.push_back(AutoconfEvent::Settled);
    }

    /// What is to be done, in order.
    pub fn poll_event(&mut self) -> Option<AutoconfEvent> {
        self.events.pop_front()
    }
}

/// How a router advertises (RFC 4861 section 6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdvertConfig {
    /// The longest time between two advertisements that nobody asked for; the shortest is a third of it.
    pub interval: Span,
    /// How long the router serves as a default router without being heard, in seconds; 0: not at all.
    pub lifetime: u16,
    /// How long addresses in its network are valid, in seconds.
    pub valid: u32,
}

impl Default for AdvertConfig {
    /// AdvDefaultLifetime is three intervals, AdvValidLifetime 30 days (RFC 4861 section 6.2.1).
    fn default() -> Self {
        AdvertConfig { interval: Span::from_secs(600), lifetime: 1800, valid: 2_592_000 }
    }
}

/// A router's side, on one link.
#[derive(Debug)]
pub struct Advertiser {
    config: AdvertConfig,
    stream: Stream,
    next: Instant,
    last: Option<Instant>,
    initial: u32,
}

/// RFC 4861 section 10.
const INITIAL_INTERVAL: Span = Span::from_secs(16);
const INITIAL_ADVERTS: u32 = 3;
const MAX_ADVERT_DELAY: Span = Span::from_ms(500);
const BETWEEN_ADVERTS: Span = Span::from_secs(3);

impl Advertiser {
    /// A router that begins at `now`.
    pub fn new(config: AdvertConfig, stream: Stream, now: Instant) -> Advertiser {
        let mut router = Advertiser { config, stream, next: now, last: None, initial: 0 };
        router.plan(now);
        router
    }

    /// What it says.
    pub fn config(&self) -> AdvertConfig {
        self.config
    }

    fn plan(&mut self, now: Instant) {
        let longest = self.config.interval.as_ps();
        let mut wait = Span::from_ps(self.stream.between(longest / 3, longest));
        if self.initial < INITIAL_ADVERTS {
            wait = wait.min(INITIAL_INTERVAL);
        }
        self.next = now + wait;
    }

    /// A host asks: the answer goes to all, after at most half a second and three seconds after the last (RFC 4861 section 6.2.6).
    pub fn handle_solicitation(&mut self, now: Instant) {
        let delay = Span::from_ps(self.stream.between(0, MAX_ADVERT_DELAY.as_ps()));
        let earliest = self.last.map_or(Instant::ZERO, |last| last + BETWEEN_ADVERTS);
        self.next = self.next.min((now + delay).max(earliest));
    }

    /// When the next advertisement is due.
    pub fn next_timeout(&self) -> Instant {
        self.next
    }

    /// Whether to send an advertisement now.
    pub fn poll_advert(&mut self, now: Instant) -> bool {
        if self.next > now {
            return false;
        }
        (self.last, self.initial) = (Some(now), self.initial.saturating_add(1));
        self.plan(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_units::{Purpose, Streams};

    fn stream() -> Stream {
        Streams::new(1).stream(Purpose::Services, "test")
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Span::from_secs(seconds)
    }

    fn events(host: &mut Autoconf) -> Vec<AutoconfEvent> {
        std::iter::from_fn(|| host.poll_event()).collect()
    }

    const NETWORK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xDB8, 0, 1, 0, 0, 0, 0);
    const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xDB8, 0, 1, 0, 0, 0, 7);

    #[test]
    fn an_advertised_network_gives_an_address_that_is_tested_for_a_second() {
        let mut host = Autoconf::new(7, stream(), at(0));
        assert!(host.next_timeout() < at(1));
        host.handle_timeout(at(1));
        assert_eq!(events(&mut host), [AutoconfEvent::Solicit]);
        host.handle_advert(at(2), 1800, Some((NETWORK, 64, 100)));
        assert_eq!(events(&mut host), [AutoconfEvent::Router(true), AutoconfEvent::Test(ADDRESS)]);
        assert_eq!((host.state(), host.next_timeout()), (AutoconfState::Tentative, at(3)));
        host.handle_timeout(at(3));
        assert_eq!(events(&mut host), [AutoconfEvent::Use(ADDRESS), AutoconfEvent::Settled]);
        assert_eq!((host.state(), host.next_timeout()), (AutoconfState::Preferred, at(102)));
    }

    #[test]
    fn an_address_ends_with_its_lifetime_unless_it_is_advertised_again() {
        let mut host = Autoconf::new(7, stream(), at(0));
        host.handle_advert(at(0), 30, Some((NETWORK, 64, 100)));
        host.handle_timeout(at(1));
        host.handle_advert(at(20), 30, Some((NETWORK, 64, 100)));
        events(&mut host);
        host.handle_timeout(at(50));
        assert_eq!(events(&mut host), [AutoconfEvent::Router(false)], "the router was last heard at 20 s");
        assert_eq!(host.next_timeout(), at(120));
        host.handle_timeout(at(120));
        assert_eq!(events(&mut host), [AutoconfEvent::Lost, AutoconfEvent::Solicit]);
    }

    #[test]
    fn a_taken_address_is_not_used() {
        let mut host = Autoconf::new(7, stream(), at(0));
        host.handle_advert(at(0), 30, Some((NETWORK, 64, 100)));
        host.handle_conflict(NETWORK);
        assert_eq!(host.state(), AutoconfState::Tentative, "another address is nobody's business");
        host.handle_conflict(ADDRESS);
        host.handle_timeout(at(10));
        assert_eq!(host.state(), AutoconfState::Duplicate);
        assert!(!events(&mut host).contains(&AutoconfEvent::Use(ADDRESS)) && host.is_settled());
    }

    #[test]
    fn three_solicitations_without_an_answer_are_enough() {
        let mut host = Autoconf::new(7, stream(), at(0));
        let mut sent = Vec::new();
        while host.next_timeout() < Instant::MAX {
            let now = host.next_timeout();
            host.handle_timeout(now);
            sent.extend(events(&mut host).into_iter().map(|event| (event, now)));
        }
        let kinds: Vec<AutoconfEvent> = sent.iter().map(|(event, _)| *event).collect();
        let solicit = AutoconfEvent::Solicit;
        assert_eq!(kinds, [solicit, solicit, solicit, AutoconfEvent::Settled]);
        assert_eq!(sent[2].1.since(sent[0].1), Span::from_secs(8));
        assert_eq!(host.state(), AutoconfState::Alone);
        host.handle_advert(at(900), 30, Some((NETWORK, 64, 100)));
        assert_eq!(host.state(), AutoconfState::Tentative, "it still listens");
    }

    #[test]
    fn nonsense_is_no_network() {
        for prefix in
            [None, Some((NETWORK, 48, 100)), Some((NETWORK, 64, 0)), Some(("fe80::".parse().unwrap(), 64, 9))]
        {
            let mut host = Autoconf::new(7, stream(), at(0));
            host.handle_advert(at(0), 0, prefix);
            assert_eq!((host.state(), host.address()), (AutoconfState::Soliciting, None));
        }
    }

    #[test]
    fn a_router_answers_soon_but_not_more_often_than_every_three_seconds() {
        let mut router = Advertiser::new(AdvertConfig::default(), stream(), at(0));
        assert!(router.next_timeout() <= at(16));
        for _ in 0..INITIAL_ADVERTS + 1 {
            let now = router.next_timeout();
            assert!(!router.poll_advert(now - Span::from_ps(1)) && router.poll_advert(now));
        }
        let last = router.last.unwrap();
        assert!(router.next_timeout().since(last) >= Span::from_secs(200));
        router.handle_solicitation(last);
        assert_eq!(router.next_timeout().since(last), BETWEEN_ADVERTS);
        let later = last + Span::from_secs(10);
        assert!(router.poll_advert(router.next_timeout()));
        router.handle_solicitation(later);
        assert!(router.next_timeout().since(later) <= MAX_ADVERT_DELAY);
    }
}
