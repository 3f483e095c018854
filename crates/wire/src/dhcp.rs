//! DHCP messages (RFC 2131 section 2) with the options that hosts need (RFC 2132), carried by UDP on ports 67 and 68.

use crate::malformed::split;
use crate::{MacAddr, Malformed};
use std::fmt;
use std::net::Ipv4Addr;

/// What a DHCP message is (RFC 2132 section 9.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DhcpKind {
    /// A client looks for servers.
    Discover = 1,
    /// A server offers an address.
    Offer = 2,
    /// A client takes an offer, or wants to keep its address.
    Request = 3,
    /// A client has found that somebody else uses the address.
    Decline = 4,
    /// The server agrees.
    Ack = 5,
    /// The server does not.
    Nak = 6,
    /// A client gives its address back.
    Release = 7,
    /// A client that has an address asks for the rest.
    Inform = 8,
}

impl DhcpKind {
    const ALL: [DhcpKind; 8] = [
        DhcpKind::Discover,
        DhcpKind::Offer,
        DhcpKind::Request,
        DhcpKind::Decline,
        DhcpKind::Ack,
        DhcpKind::Nak,
        DhcpKind::Release,
        DhcpKind::Inform,
    ];

    /// Whether servers send it.
    pub const fn is_reply(self) -> bool {
        matches!(self, DhcpKind::Offer | DhcpKind::Ack | DhcpKind::Nak)
    }
}

/// A DHCP message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DhcpMessage {
    /// What it is.
    pub kind: DhcpKind,
    /// Relays that it has passed.
    pub hops: u8,
    /// Chosen by the client, repeated by servers.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The client asks for answers to everybody: it cannot take others yet.
    pub broadcast: bool,
    /// The client's address, once it may be used.
    pub ciaddr: Ipv4Addr,
    /// The address that the client gets.
    pub yiaddr: Ipv4Addr,
    /// The relay that passed the message on first.
    pub giaddr: Ipv4Addr,
    /// The client.
    pub chaddr: MacAddr,
    /// The address that the client wants (option 50).
    pub requested: Option<Ipv4Addr>,
    /// The server (option 54).
    pub server: Option<Ipv4Addr>,
    /// For how long the address is given, in seconds (option 51).
    pub lease: Option<u32>,
    /// When the client asks its server for more time, in seconds (option 58).
    pub t1: Option<u32>,
    /// When it asks any server, in seconds (option 59).
    pub t2: Option<u32>,
    /// The mask of its network (option 1).
    pub mask: Option<Ipv4Addr>,
    /// Its gateways (option 3).
    pub routers: Vec<Ipv4Addr>,
    /// Name servers (option 6).
    pub dns: Vec<Ipv4Addr>,
}

const MAGIC: [u8; 4] = [99, 130, 83, 99];
const FIXED: usize = 236;
/// As BOOTP's, which some relays insist on (RFC 1542 section 2.1).
const SHORTEST: usize = 300;
const BROADCAST: u16 = 1 << 15;
/// No option holds more (RFC 2132 section 2).
const MOST_ADDRESSES: usize = 63;

impl DhcpMessage {
    /// The port of servers and relays.
    pub const SERVER_PORT: u16 = 67;
    /// The port of clients.
    pub const CLIENT_PORT: u16 = 68;

    /// A message without addresses and options.
    pub fn new(kind: DhcpKind, xid: u32, chaddr: MacAddr) -> DhcpMessage {
        let none = Ipv4Addr::UNSPECIFIED;
        DhcpMessage {
            kind,
            hops: 0,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: none,
            yiaddr: none,
            giaddr: none,
            chaddr,
            requested: None,
            server: None,
            lease: None,
            t1: None,
            t2: None,
            mask: None,
            routers: Vec::new(),
            dns: Vec::new(),
        }
    }

    /// The message that a datagram's payload is.
    ///
    /// # Errors
    /// Truncated; not of Ethernet; no DHCP message type; an option with a length that it cannot have.
    pub fn parse(bytes: &[u8]) -> Result<DhcpMessage, Malformed> {
        let (fixed, rest) = split::<FIXED>(bytes)?;
        let (magic, options) = split::<4>(rest)?;
        let [_, htype, hlen, hops, ..] = *fixed;
        if htype != 1 || hlen != 6 || *magic != MAGIC {
            return Err(Malformed::Unsupported);
        }
        let addr = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let mac: [u8; 6] = fixed[28..34].try_into().expect("six bytes");
        let mut message = DhcpMessage::new(DhcpKind::Discover, addr(4).to_bits(), MacAddr(mac));
        message.hops = hops;
        message.secs = u16::from_be_bytes([fixed[8], fixed[9]]);
        message.broadcast = u16::from_be_bytes([fixed[10], fixed[11]]) & BROADCAST != 0;
        (message.ciaddr, message.yiaddr, message.giaddr) = (addr(12), addr(16), addr(24));
        message.read_options(options)?;
        Ok(message)
    }

    fn read_options(&mut self, mut rest: &[u8]) -> Result<(), Malformed> {
        let mut kind = None;
        loop {
            match *rest {
                [] | [255, ..] => break,
                [0, ref after @ ..] => rest = after,
                [code, len, ref after @ ..] => {
                    let value = after.get(..usize::from(len)).ok_or(Malformed::Truncated)?;
                    if code == 53 {
                        let [number] = *value else { return Err(Malformed::Length) };
                        kind = DhcpKind::ALL.into_iter().find(|kind| *kind as u8 == number);
                    } else {
                        self.read_option(code, value)?;
                    }
                    rest = &after[usize::from(len)..];
                }
                [_] => return Err(Malformed::Truncated),
            }
        }
        self.kind = kind.ok_or(Malformed::Unsupported)?;
        Ok(())
    }

    fn read_option(&mut self, code: u8, value: &[u8]) -> Result<(), Malformed> {
        let word = || value.try_into().map(u32::from_be_bytes).map_err(|_| Malformed::Length);
        let list = || {
            let (all, tail) = value.as_chunks::<4>();
            let is_whole = tail.is_empty() && !all.is_empty();
            is_whole.then(|| all.iter().map(|b| Ipv4Addr::from(*b)).collect()).ok_or(Malformed::Length)
        };
        match code {
            1 => self.mask = Some(word()?.into()),
            3 => self.routers = list()?,
            6 => self.dns = list()?,
            50 => self.requested = Some(word()?.into()),
            51 => self.lease = Some(word()?),
            54 => self.server = Some(word()?.into()),
            58 => self.t1 = Some(word()?),
            59 => self.t2 = Some(word()?),
            _ => {}
        }
        Ok(())
    }

    /// The message in bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SHORTEST);
        out.extend_from_slice(&[if self.kind.is_reply() { 2 } else { 1 }, 1, 6, self.hops]);
        out.extend_from_slice(&self.xid.to_be_bytes());
        out.extend_from_slice(&self.secs.to_be_bytes());
        out.extend_from_slice(&(if self.broadcast { BROADCAST } else { 0 }).to_be_bytes());
        for addr in [self.ciaddr, self.yiaddr, Ipv4Addr::UNSPECIFIED, self.giaddr] {
            out.extend_from_slice(&addr.octets());
        }
        out.extend_from_slice(&self.chaddr.0);
        out.resize(FIXED, 0);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[53, 1, self.kind as u8]);
        let words = [
            (1, self.mask.map(Ipv4Addr::to_bits)),
            (50, self.requested.map(Ipv4Addr::to_bits)),
            (51, self.lease),
            (54, self.server.map(Ipv4Addr::to_bits)),
            (58, self.t1),
            (59, self.t2),
        ];
        for (code, word) in words {
            if let Some(word) = word {
                out.extend_from_slice(&[code, 4]);
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
        for (code, list) in [(3, &self.routers), (6, &self.dns)] {
            let list = &list[..list.len().min(MOST_ADDRESSES)];
            if !list.is_empty() {
                out.extend_from_slice(&[code, 4 * list.len() as u8]);
                list.iter().for_each(|addr| out.extend_from_slice(&addr.octets()));
            }
        }
        out.push(255);
        if out.len() < SHORTEST {
            out.resize(SHORTEST, 0);
        }
        out
    }
}

impl fmt::Display for DhcpMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DHCP, {:?}, {}", self.kind, self.chaddr)?;
        let address = [self.yiaddr, self.requested.unwrap_or(self.ciaddr)];
        match address.into_iter().find(|addr| !addr.is_unspecified()) {
            Some(addr) => write!(f, ", {addr}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addr() -> impl Strategy<Value = Ipv4Addr> {
        any::<u32>().prop_map(Ipv4Addr::from_bits)
    }

    fn message() -> impl Strategy<Value = DhcpMessage> {
        let head = (0..8usize, any::<(u8, u32, u16, bool, [u8; 6])>(), [addr(), addr(), addr()]);
        let words = any::<[Option<u32>; 6]>();
        let list = || prop::collection::vec(addr(), 0..4);
        (head, words, list(), list()).prop_map(|((kind, fixed, addrs), words, routers, dns)| {
            let (hops, xid, secs, broadcast, mac) = fixed;
            let [ciaddr, yiaddr, giaddr] = addrs;
            let [requested, server, lease, t1, t2, mask] = words;
            let to = |word: Option<u32>| word.map(Ipv4Addr::from_bits);
            DhcpMessage {
                hops,
                secs,
                broadcast,
                ciaddr,
                yiaddr,
                giaddr,
                requested: to(requested),
                server: to(server),
                lease,
                t1,
                t2,
                mask: to(mask),
                routers,
                dns,
                ..DhcpMessage::new(DhcpKind::ALL[kind], xid, MacAddr(mac))
            }
        })
    }

    proptest! {
        #[test]
        fn parse_undoes_emit(message in message()) {
            prop_assert_eq!(DhcpMessage::parse(&message.emit()), Ok(message));
        }

        #[test]
        fn any_bytes_parse_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut whole = DhcpMessage::new(DhcpKind::Ack, 1, MacAddr([2; 6])).emit()[..FIXED + 4].to_vec();
            whole.extend(bytes);
            let _ = DhcpMessage::parse(&whole);
        }
    }

    #[test]
    fn a_discover_is_300_bytes_with_the_magic_cookie_and_its_type() {
        let bytes = DhcpMessage::new(DhcpKind::Discover, 0x1234_5678, MacAddr([2, 0, 0, 0, 0, 7])).emit();
        assert_eq!(bytes.len(), 300);
        assert_eq!(bytes[..8], [1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
        assert_eq!(bytes[236..244], [99, 130, 83, 99, 53, 1, 1, 255]);
    }

    #[test]
    fn what_is_not_dhcp_is_refused() {
        let good = DhcpMessage::new(DhcpKind::Offer, 1, MacAddr([2; 6])).emit();
        assert_eq!(DhcpMessage::parse(&good[..200]), Err(Malformed::Truncated));
        let mut bootp = good.clone();
        bootp[240..243].fill(0);
        assert_eq!(DhcpMessage::parse(&bootp), Err(Malformed::Unsupported));
        let mut cut = good;
        cut.truncate(241);
        assert_eq!(DhcpMessage::parse(&cut), Err(Malformed::Truncated));
    }
}
