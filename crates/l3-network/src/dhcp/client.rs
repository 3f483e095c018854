//! The client's side (RFC 2131 section 4.4): from no address to a lease, and from lease to lease.

use super::DhcpSend;
use crate::Prefix;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span, Stream};
use tidewire_wire::{DhcpKind, DhcpMessage, MacAddr};

/// What a client has been given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its network.
    pub prefix: Prefix,
    /// Where everything else is sent.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// For how long.
    pub length: Span,
    /// When the client asks that server for more time.
    pub renew_at: Instant,
    /// When it asks any server.
    pub rebind_at: Instant,
    /// When it must stop using it.
    pub until: Instant,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DhcpEvent {
    /// Ask by ARP whether anybody has this address; [`DhcpClient::handle_conflict`] if so.
    Probe(Ipv4Addr),
    /// Use this address from now on, or for longer.
    Bound(Lease),
    /// Stop using the address.
    Lost,
    /// Nobody has given an address; it will be tried again much later.
    GaveUp,
}

/// How far a client is (RFC 2131 figure 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientState {
    /// It looks for servers.
    Selecting,
    /// It has taken an offer.
    Requesting,
    /// It asks whether anybody uses the address already (RFC 2131 section 4.4.1, RFC 5227).
    Probing,
    /// It has an address.
    Bound,
    /// It asks its server for more time.
    Renewing,
    /// It asks any server for more time.
    Rebinding,
    /// Nobody answered, or it gave its address back.
    Idle,
}

impl ClientState {
    /// As tables show it.
    pub const fn name(self) -> &'static str {
        match self {
            ClientState::Selecting => "selecting",
            ClientState::Requesting => "requesting",
            ClientState::Probing => "probing",
            ClientState::Bound => "bound",
            ClientState::Renewing => "renewing",
            ClientState::Rebinding => "rebinding",
            ClientState::Idle => "without",
        }
    }
}

/// A client on one interface.
#[derive(Debug)]
pub struct DhcpClient {
    mac: MacAddr,
    stream: Stream,
    state: ClientState,
    xid: u32,
    began: Instant,
    /// When something is to be done.
    next: Instant,
    /// Messages sent in this state.
    tries: u32,
    /// The offer that was taken, or the answer that is being probed.
    offer: Option<DhcpMessage>,
    lease: Option<Lease>,
    /// It has had an address or given up: what it does from now on keeps no run alive.
    settled: bool,
    sends: VecDeque<DhcpSend>,
    events: VecDeque<DhcpEvent>,
}

/// First wait for an answer; doubled with each try (RFC 2131 section 4.1).
const FIRST_WAIT: Span = Span::from_secs(4);
/// Tries before a client gives up for now: a minute in all.
const TRIES: u32 = 4;
/// A minute of silence is followed by five of rest, as ISC's client does.
const REST: Span = Span::from_secs(300);
/// How long an answer to the probe is waited for.
const PROBE_WAIT: Span = Span::from_ms(200);
/// After a conflict (RFC 2131 section 3.1, step 5).
const AFTER_CONFLICT: Span = Span::from_secs(10);
/// Requests for more time are at least so far apart (RFC 2131 section 4.4.5).
const LEAST_WAIT: Span = Span::from_secs(60);

impl DhcpClient {
    /// A client that begins at `now`. The random stream gives transaction numbers and spreads what is sent again.
    pub fn new(mac: MacAddr, stream: Stream, now: Instant) -> DhcpClient {
        DhcpClient {
            mac,
            stream,
            state: ClientState::Idle,
            xid: 0,
            began: now,
            next: now,
            tries: 0,
            offer: None,
            lease: None,
            settled: false,
            sends: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// How far it is.
    pub fn state(&self) -> ClientState {
        self.state
    }

    /// What it has, if anything.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Whether nobody need wait for it: it has had an address, or given up.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// When something is to be done.
    pub fn next_timeout(&self) -> Instant {
        self.next
    }

    /// A message to send.
    pub fn poll_transmit(&mut self) -> Option<DhcpSend> {
        self.sends.pop_front()
    }

    /// Something to do.
    pub fn poll_event(&mut self) -> Option<DhcpEvent> {
        self.events.pop_front()
    }

    /// Handles what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        match self.state {
            ClientState::Idle => self.begin(now),
            ClientState::Selecting => self.ask_again(now, DhcpKind::Discover),
            ClientState::Requesting => self.ask_again(now, DhcpKind::Request),
            ClientState::Probing => self.bind(now),
            ClientState::Bound | ClientState::Renewing | ClientState::Rebinding => self.extend(now),
        }
    }

    /// Handles a message from a server.
    pub fn handle_message(&mut self, now: Instant, message: &DhcpMessage) {
        if message.xid != self.xid || message.chaddr != self.mac {
            return;
        }
        match (self.state, message.kind) {
            (ClientState::Selecting, DhcpKind::Offer) if message.server.is_some() => {
                // The first offer is as good as any.
                self.offer = Some(message.clone());
                self.enter(ClientState::Requesting, now);
            }
            (ClientState::Requesting, DhcpKind::Ack) => {
                self.offer = Some(message.clone());
                self.state = ClientState::Probing;
                self.next = now + PROBE_WAIT;
                self.events.push_back(DhcpEvent::Probe(message.yiaddr));
            }
            (ClientState::Renewing | ClientState::Rebinding, DhcpKind::Ack) => {
                self.offer = Some(message.clone());
                self.bind(now);
            }
            (ClientState::Requesting, DhcpKind::Nak) => self.begin(now),
            (ClientState::Renewing | ClientState::Rebinding, DhcpKind::Nak) => {
                self.lose();
                self.begin(now);
            }
            _ => {}
        }
    }

    /// Somebody uses the address that was probed.
    pub fn handle_conflict(&mut self, now: Instant) {
        let Some(offer) = self.offer.take().filter(|_| self.state == ClientState::Probing) else { return };
        let mut decline = DhcpMessage::new(DhcpKind::Decline, self.xid, self.mac);
        (decline.requested, decline.server) = (Some(offer.yiaddr), offer.server);
        self.sends.push_back(DhcpSend { message: decline, to: None, to_server: true });
        self.state = ClientState::Idle;
        self.next = now + AFTER_CONFLICT;
    }

    /// Gives the address back (RFC 2131 section 4.4.6), and asks for none until [`DhcpClient::restart`].
    pub fn release(&mut self) {
        if let Some(lease) = &self.lease {
            let mut message = DhcpMessage::new(DhcpKind::Release, self.stream.bits() as u32, self.mac);
            (message.ciaddr, message.server) = (lease.ip, Some(lease.server));
            self.sends.push_back(DhcpSend { message, to: Some(lease.server), to_server: true });
        }
        self.lose();
        (self.state, self.next, self.settled) = (ClientState::Idle, Instant::MAX, true);
    }

    /// Looks for an address from now on, as at the beginning.
    pub fn restart(&mut self, now: Instant) {
        if self.lease.is_none() {
            (self.state, self.next, self.settled) = (ClientState::Idle, now, false);
        }
    }

    fn begin(&mut self, now: Instant) {
        self.xid = self.stream.bits() as u32;
        self.began = now;
        self.offer = None;
        self.enter(ClientState::Selecting, now);
    }

    fn enter(&mut self, state: ClientState, now: Instant) {
        (self.state, self.tries, self.next) = (state, 0, now);
        self.handle_timeout(now);
    }

    fn ask_again(&mut self, now: Instant, kind: DhcpKind) {
        if self.tries == TRIES {
            if kind == DhcpKind::Request {
                return self.begin(now);
            }
            (self.state, self.next, self.settled) = (ClientState::Idle, now + REST, true);
            return self.events.push_back(DhcpEvent::GaveUp);
        }
        let mut message = self.message(kind, now);
        message.broadcast = true;
        if let Some(offer) = self.offer.as_ref().filter(|_| kind == DhcpKind::Request) {
            (message.requested, message.server) = (Some(offer.yiaddr), offer.server);
        }
        self.sends.push_back(DhcpSend { message, to: None, to_server: true });
        // A second more or less, so that clients that began together part.
        let spread = Span::from_ms(self.stream.between(0, 2000));
        self.next = now + FIRST_WAIT * (1 << self.tries) + spread - Span::from_secs(1);
        self.tries += 1;
    }

    fn message(&self, kind: DhcpKind, now: Instant) -> DhcpMessage {
        let mut message = DhcpMessage::new(kind, self.xid, self.mac);
        message.secs = (now.since(self.began).as_ms() / 1000).min(u64::from(u16::MAX)) as u16;
        message
    }

    fn bind(&mut self, now: Instant) {
        let Some(ack) = self.offer.take() else { return self.begin(now) };
        let length = Span::from_secs(u64::from(ack.lease.unwrap_or(3600)));
        let mask = ack.mask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0));
        let bits = mask.to_bits().leading_ones() as u8;
        let after = |seconds: Option<u32>, share: u64| {
            now + seconds.map_or(length * share / 8, |s| Span::from_secs(u64::from(s)))
        };
        let lease = Lease {
            ip: ack.yiaddr,
            prefix: Prefix::new(ack.yiaddr, bits).expect("a mask has at most 32 bits"),
            gateway: ack.routers.first().copied(),
            dns: ack.dns.clone(),
            server: ack.server.or(self.lease.as_ref().map(|lease| lease.server)).unwrap_or(ack.yiaddr),
            length,
            // RFC 2131 section 4.4.5: half, and seven eighths.
            renew_at: after(ack.t1, 4),
            rebind_at: after(ack.t2, 7),
            until: now + length,
        };
        (self.state, self.next, self.settled) = (ClientState::Bound, lease.renew_at, true);
        self.lease = Some(lease.clone());
        self.events.push_back(DhcpEvent::Bound(lease));
    }

    /// More time is due: first from the server, then from anybody, then the address is gone.
    fn extend(&mut self, now: Instant) {
        let Some(lease) = self.lease.clone() else { return self.begin(now) };
        if now >= lease.until {
            self.lose();
            return self.begin(now);
        }
        let is_late = now >= lease.rebind_at;
        let state = if is_late { ClientState::Rebinding } else { ClientState::Renewing };
        if self.state != state {
            self.state = state;
            self.xid = self.stream.bits() as u32;
            self.began = now;
        }
        let mut message = self.message(DhcpKind::Request, now);
        message.ciaddr = lease.ip;
        let to = if is_late { None } else { Some(lease.server) };
        self.sends.push_back(DhcpSend { message, to, to_server: true });
        let end = if is_late { lease.until } else { lease.rebind_at };
        // Half of what is left, but not in a hurry.
        self.next = (now + (end.since(now) / 2).max(LEAST_WAIT)).min(end);
    }

    fn lose(&mut self) {
        if self.lease.take().is_some() {
            self.events.push_back(DhcpEvent::Lost);
        }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
