//! What ICMP and ICMPv6 say about a packet that did not arrive, and when they may (RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7,
//! RFC 4443 section 2.4).

use tidewire_units::{Instant, Span};
use tidewire_wire::{IcmpMessage, Net, Packet, Transport};

/// What became of a packet, as ICMP tells its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// No route leads to the destination.
    NoRoute,
    /// The destination, or the next router, does not answer.
    HostUnreachable,
    /// The destination does not speak the protocol.
    NoProtocol,
    /// No socket has the port.
    NoPort,
    /// Longer than the next link carries, in bytes, and not to be cut.
    TooBig(u16),
    /// A filter refuses it.
    Prohibited,
    /// The time to live ran out.
    TtlExpired,
    /// Other fragments of it did not arrive in time.
    FragmentTimeout,
}

impl Trouble {
    /// Type, code and the four bytes after the checksum, of ICMP (RFC 792, RFC 1191).
    pub const fn v4(self) -> (u8, u8, u32) {
        use IcmpMessage as M;
        match self {
            Trouble::NoRoute => (M::UNREACHABLE, M::NET_UNREACHABLE, 0),
            Trouble::HostUnreachable => (M::UNREACHABLE, M::HOST_UNREACHABLE, 0),
            Trouble::NoProtocol => (M::UNREACHABLE, M::PROTOCOL_UNREACHABLE, 0),
            Trouble::NoPort => (M::UNREACHABLE, M::PORT_UNREACHABLE, 0),
            Trouble::TooBig(mtu) => (M::UNREACHABLE, M::FRAGMENTATION_NEEDED, mtu as u32),
            Trouble::Prohibited => (M::UNREACHABLE, M::PROHIBITED, 0),
            Trouble::TtlExpired => (M::TIME_EXCEEDED, 0, 0),
            Trouble::FragmentTimeout => (M::TIME_EXCEEDED, 1, 0),
        }
    }

    /// The same of ICMPv6 (RFC 4443 section 3).
    pub const fn v6(self) -> (u8, u8, u32) {
        use IcmpMessage as M;
        match self {
            Trouble::NoRoute => (M::V6_UNREACHABLE, 0, 0),
            Trouble::HostUnreachable => (M::V6_UNREACHABLE, 3, 0),
            // Parameter problem: unrecognised next header, where it stands.
            Trouble::NoProtocol => (4, 1, 6),
            Trouble::NoPort => (M::V6_UNREACHABLE, 4, 0),
            Trouble::TooBig(mtu) => (M::V6_TOO_BIG, 0, mtu as u32),
            Trouble::Prohibited => (M::V6_UNREACHABLE, 1, 0),
            Trouble::TtlExpired => (M::V6_TIME_EXCEEDED, 0, 0),
            Trouble::FragmentTimeout => (M::V6_TIME_EXCEEDED, 1, 0),
        }
    }

    /// What an ICMP message reports; `None` for one that reports nothing of the kind.
    pub fn from_v4(message: &IcmpMessage) -> Option<Trouble> {
        use IcmpMessage as M;
        Some(match (message.kind, message.code) {
            (M::UNREACHABLE, M::NET_UNREACHABLE) => Trouble::NoRoute,
            (M::UNREACHABLE, M::PROTOCOL_UNREACHABLE) => Trouble::NoProtocol,
            (M::UNREACHABLE, M::PORT_UNREACHABLE) => Trouble::NoPort,
            (M::UNREACHABLE, M::FRAGMENTATION_NEEDED) => Trouble::TooBig(message.rest as u16),
            (M::UNREACHABLE, 9 | 10 | M::PROHIBITED) => Trouble::Prohibited,
            (M::UNREACHABLE, _) => Trouble::HostUnreachable,
            (M::TIME_EXCEEDED, 0) => Trouble::TtlExpired,
            (M::TIME_EXCEEDED, _) => Trouble::FragmentTimeout,
            _ => return None,
        })
    }

    /// What an ICMPv6 message reports.
    pub fn from_v6(message: &IcmpMessage) -> Option<Trouble> {
        use IcmpMessage as M;
        Some(match (message.kind, message.code) {
            (M::V6_UNREACHABLE, 0) => Trouble::NoRoute,
            (M::V6_UNREACHABLE, 1) => Trouble::Prohibited,
            (M::V6_UNREACHABLE, 4) => Trouble::NoPort,
            (M::V6_UNREACHABLE, _) => Trouble::HostUnreachable,
            (M::V6_TOO_BIG, _) => Trouble::TooBig(message.rest.min(u32::from(u16::MAX)) as u16),
            (M::V6_TIME_EXCEEDED, 0) => Trouble::TtlExpired,
            (M::V6_TIME_EXCEEDED, _) => Trouble::FragmentTimeout,
            (4, 1) => Trouble::NoProtocol,
            _ => return None,
        })
    }
}

/// How many errors a node sends (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f)): a bucket of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorLimit {
    interval: Span,
    burst: u32,
    /// When the bucket will be full again.
    full_at: Instant,
}

impl ErrorLimit {
    /// One error each `interval` on average, and `burst` at once.
    pub fn new(interval: Span, burst: u32) -> ErrorLimit {
        ErrorLimit { interval, burst: burst.max(1), full_at: Instant::ZERO }
    }

    /// Whether an error may be sent now; counts it if so.
    pub fn allows(&mut self, now: Instant) -> bool {
        let from = self.full_at.max(now);
        if from.since(now) > self.interval * u64::from(self.burst - 1) {
            return false;
        }
        self.full_at = from + self.interval;
        true
    }
}

/// The error message about `packet`, quoting its beginning; `None` when one is forbidden: about an ICMP error, a fragment other than the
/// first, or a packet from or to an address that is not one host.
pub fn error_about(packet: &Packet, trouble: Trouble) -> Option<IcmpMessage> {
    if packet.dst_mac.is_group() {
        return None;
    }
    match &packet.net {
        Net::Ipv4(header, transport) => {
            let about_error = matches!(transport, Transport::Icmp(message) if message.is_error());
            let many = |addr: std::net::Ipv4Addr| {
                addr.is_broadcast() || addr.is_multicast() || addr.is_unspecified()
            };
            if about_error || header.fragment_offset > 0 || many(header.src) || many(header.dst) {
                return None;
            }
            let (kind, code, rest) = trouble.v4();
            Some(IcmpMessage::about(kind, code, rest, header, transport))
        }
        Net::Ipv6(header, transport) => {
            let about_error = matches!(transport,
                Transport::Icmp(message) if message.kind < IcmpMessage::V6_ECHO_REQUEST);
            let later = header.fragment.is_some_and(|fragment| fragment.offset > 0);
            let many = header.src.is_unspecified() || header.src.is_multicast() || header.dst.is_multicast();
            if about_error || later || many {
                return None;
            }
            let (kind, code, rest) = trouble.v6();
            Some(IcmpMessage::about_v6(kind, code, rest, header, transport))
        }
        Net::Arp(_) | Net::Bpdu(_) | Net::Pause(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tidewire_wire::{Ecn, Ipv4Header, Ipv6Header, MacAddr, Payload, UdpHeader};

    fn udp_packet() -> Packet {
        let header = Ipv4Header {
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(10, 0, 0, 2),
            ttl: 1,
            ident: 7,
            dscp: 0,
            ecn: Ecn::NotCapable,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
        };
        let udp = UdpHeader { src_port: 5000, dst_port: 53 };
        let net = Net::Ipv4(header, Transport::Udp(udp, Payload::Zeros(10)));
        Packet { src_mac: MacAddr([2; 6]), dst_mac: MacAddr([4; 6]), vlan: None, net }
    }

    fn udp_over_v6(size: u32) -> Packet {
        let header = Ipv6Header {
            src: "2001:db8::1".parse().unwrap(),
            dst: "2001:db8::2".parse().unwrap(),
            hop_limit: 1,
            dscp: 0,
            ecn: Ecn::NotCapable,
            flow_label: 0,
            fragment: None,
        };
        let udp = UdpHeader { src_port: 5000, dst_port: 53 };
        Packet { net: Net::Ipv6(header, Transport::Udp(udp, Payload::Zeros(size))), ..udp_packet() }
    }

    #[test]
    fn a_limit_lets_a_burst_pass_and_then_one_at_a_time() {
        let at = |ms| Instant::ZERO + Span::from_ms(ms);
        let mut limit = ErrorLimit::new(Span::from_secs(1), 3);
        let sent = |limit: &mut ErrorLimit, ms| (0..5).filter(|_| limit.allows(at(ms))).count();
        assert_eq!([0, 500, 1000, 1999, 2000, 9000].map(|ms| sent(&mut limit, ms)), [3, 0, 1, 0, 1, 3]);
    }

    #[test]
    fn an_error_quotes_enough_to_find_the_socket() {
        let message = error_about(&udp_packet(), Trouble::NoPort).unwrap();
        let quote = message.quote().unwrap();
        assert_eq!((quote.ports(), quote.header.dst), (Some((5000, 53)), Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(message.payload.len(), 28);
    }

    #[test]
    fn an_error_over_ipv6_quotes_as_much_as_fits_in_1280_bytes() {
        let message = error_about(&udp_over_v6(1400), Trouble::TooBig(1300)).unwrap();
        assert_eq!((message.kind, message.rest, message.payload.len()), (2, 1300, 1280 - 48));
        let quote = message.quote_v6().unwrap();
        assert_eq!(quote.header.dst.to_string(), "2001:db8::2");
        assert_eq!(error_about(&udp_over_v6(10), Trouble::NoPort).unwrap().payload.len(), 58);
    }

    #[test]
    fn what_is_said_is_understood() {
        use Trouble::*;
        for trouble in [
            NoRoute,
            HostUnreachable,
            NoProtocol,
            NoPort,
            TooBig(1400),
            Prohibited,
            TtlExpired,
            FragmentTimeout,
        ] {
            let message = error_about(&udp_packet(), trouble).unwrap();
            assert_eq!(Trouble::from_v4(&message), Some(trouble));
            let message = error_about(&udp_over_v6(9), trouble).unwrap();
            assert_eq!(Trouble::from_v6(&message), Some(trouble));
        }
    }

    #[test]
    fn there_is_no_error_about_an_error_or_a_broadcast() {
        let mut packet = udp_packet();
        let error = error_about(&packet, Trouble::TtlExpired).unwrap();
        let Net::Ipv4(_, transport) = &mut packet.net else { unreachable!() };
        *transport = Transport::Icmp(error);
        assert_eq!(error_about(&packet, Trouble::TtlExpired), None);
        let broadcast = Packet { dst_mac: MacAddr::BROADCAST, ..udp_packet() };
        assert_eq!(error_about(&broadcast, Trouble::NoPort), None);
        let mut packet = udp_over_v6(9);
        let error = error_about(&packet, Trouble::TtlExpired).unwrap();
        let Net::Ipv6(_, transport) = &mut packet.net else { unreachable!() };
        *transport = Transport::Icmp(error);
        assert_eq!(error_about(&packet, Trouble::TtlExpired), None);
    }
}
