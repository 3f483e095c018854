//! ICMP messages (RFC 792, RFC 1191).

use crate::malformed::split;
use crate::{Checksum, Ipv4Header, Ipv6Header, Malformed, Payload, Protocol, Pseudo, Seq, Transport};
use bytes::Bytes;

/// An ICMP message (RFC 792). The checksum is computed when bytes are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IcmpMessage {
    /// Type: 0 echo reply, 3 unreachable, 8 echo request, 11 time exceeded ...
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// The four bytes after the checksum: identifier and sequence number of an echo, next-hop MTU, or unused.
    pub rest: u32,
    /// Echo data, or the quoted header and first 8 bytes of the packet that caused the message.
    pub payload: Payload,
}

impl IcmpMessage {
    /// Header length in bytes.
    pub const HEADER_LEN: usize = 8;

    /// Type of an echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Type of "destination unreachable".
    pub const UNREACHABLE: u8 = 3;
    /// Type of an echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Type of a redirect; code 1 is for one host, `rest` holds the better gateway (RFC 792).
    pub const REDIRECT: u8 = 5;
    /// Type of a timestamp request: three times follow the identifier and sequence number (RFC 792).
    pub const TIMESTAMP_REQUEST: u8 = 13;
    /// Type of a timestamp reply.
    pub const TIMESTAMP_REPLY: u8 = 14;
    /// Type of "time exceeded".
    pub const TIME_EXCEEDED: u8 = 11;

    /// Code of "destination unreachable": no route to the network.
    pub const NET_UNREACHABLE: u8 = 0;
    /// Code of "destination unreachable": the host does not answer.
    pub const HOST_UNREACHABLE: u8 = 1;
    /// Code of "destination unreachable": the protocol is not spoken.
    pub const PROTOCOL_UNREACHABLE: u8 = 2;
    /// Code of "destination unreachable": no socket has the port.
    pub const PORT_UNREACHABLE: u8 = 3;
    /// Code of "destination unreachable": too big, and not allowed to be fragmented; `rest` holds the next hop's MTU (RFC 1191
    /// section 4).
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Code of "destination unreachable": refused by a filter (RFC 1812 section 5.2.7.1).
    pub const PROHIBITED: u8 = 13;

    /// ICMPv6 (RFC 4443): destination unreachable.
    pub const V6_UNREACHABLE: u8 = 1;
    /// ICMPv6: packet too big; `rest` holds the MTU.
    pub const V6_TOO_BIG: u8 = 2;
    /// ICMPv6: time exceeded.
    pub const V6_TIME_EXCEEDED: u8 = 3;
    /// ICMPv6: echo request.
    pub const V6_ECHO_REQUEST: u8 = 128;
    /// ICMPv6: echo reply.
    pub const V6_ECHO_REPLY: u8 = 129;

    /// An echo request.
    pub fn echo_request(ident: u16, sequence: u16, payload: Payload) -> IcmpMessage {
        let rest = u32::from(ident) << 16 | u32::from(sequence);
        IcmpMessage { kind: Self::ECHO_REQUEST, code: 0, rest, payload }
    }

    /// The reply to this echo request.
    pub fn echo_reply(&self) -> IcmpMessage {
        IcmpMessage { kind: Self::ECHO_REPLY, ..self.clone() }
    }

    /// A timestamp request, sent at `originate` milliseconds after midnight.
    pub fn timestamp_request(ident: u16, sequence: u16, originate: u32) -> IcmpMessage {
        let rest = u32::from(ident) << 16 | u32::from(sequence);
        let payload = stamps([originate, 0, 0]);
        IcmpMessage { kind: Self::TIMESTAMP_REQUEST, code: 0, rest, payload }
    }

    /// The reply to this timestamp request, received and answered at `now` milliseconds after midnight; none to one without its times.
    pub fn timestamp_reply(&self, now: u32) -> Option<IcmpMessage> {
        let [originate, ..] = self.stamps()?;
        let payload = stamps([originate, now, now]);
        Some(IcmpMessage { kind: Self::TIMESTAMP_REPLY, payload, ..self.clone() })
    }

    /// When a timestamp message was sent, received and sent back, in milliseconds after midnight.
    pub fn stamps(&self) -> Option<[u32; 3]> {
        let is_timestamp = matches!(self.kind, Self::TIMESTAMP_REQUEST | Self::TIMESTAMP_REPLY);
        let bytes = self.payload.to_bytes();
        let bytes: &[u8; 12] = bytes.first_chunk().filter(|_| is_timestamp)?;
        let at = |i: usize| u32::from_be_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        Some([at(0), at(4), at(8)])
    }

    /// Identifier and sequence number of an echo request or reply.
    pub fn echo(&self) -> Option<(u16, u16)> {
        matches!(self.kind, Self::ECHO_REQUEST | Self::ECHO_REPLY)
            .then_some(((self.rest >> 16) as u16, self.rest as u16))
    }

    /// True for a message about another packet; no such message is sent about one of these (RFC 1122 section 3.2.2).
    pub const fn is_error(&self) -> bool {
        // Source quench and redirect, parameter problem.
        matches!(self.kind, Self::UNREACHABLE | 4 | 5 | Self::TIME_EXCEEDED | 12)
    }

    /// A message about the packet with this header and payload, which it quotes: the header and 8 bytes (RFC 792).
    pub fn about(kind: u8, code: u8, rest: u32, header: &Ipv4Header, transport: &Transport) -> IcmpMessage {
        let mut quote = Vec::with_capacity(Ipv4Header::LEN + transport.wire_len());
        header.emit(transport.protocol(), transport.wire_len(), &mut quote);
        transport.emit(header.pseudo(), &mut quote);
        quote.truncate(Ipv4Header::LEN + 8);
        IcmpMessage { kind, code, rest, payload: quote.into() }
    }

    /// An ICMPv6 message about the packet with this header and payload, which it quotes as far as it fits in the smallest MTU (RFC 4443
    /// section 2.4).
    pub fn about_v6(
        kind: u8,
        code: u8,
        rest: u32,
        header: &Ipv6Header,
        transport: &Transport,
    ) -> IcmpMessage {
        let mut quote = Vec::with_capacity(header.len() + transport.wire_len());
        header.emit(transport.next_header(), transport.wire_len(), &mut quote);
        transport.emit(header.pseudo(), &mut quote);
        quote.truncate(usize::from(Ipv6Header::MIN_MTU) - Ipv6Header::LEN - IcmpMessage::HEADER_LEN);
        IcmpMessage { kind, code, rest, payload: quote.into() }
    }

    /// The packet that an ICMPv6 error message is about.
    pub fn quote_v6(&self) -> Option<Quote6> {
        if self.kind >= Self::V6_ECHO_REQUEST {
            return None;
        }
        let bytes = self.payload.to_bytes();
        let (header, protocol, payload) = Ipv6Header::parse_quoted(&bytes).ok()?;
        Some(Quote6 { header, protocol, start: *payload.first_chunk()? })
    }

    /// The packet that an error message is about.
    pub fn quote(&self) -> Option<Quote> {
        if !self.is_error() {
            return None;
        }
        let bytes = self.payload.to_bytes();
        let (header, protocol, payload) = Ipv4Header::parse_quoted(&bytes).ok()?;
        Some(Quote { header, protocol, start: *payload.first_chunk()? })
    }

    /// The message that fills `bytes`.
    ///
    /// # Errors
    /// Truncated, checksum.
    pub fn parse(bytes: &[u8]) -> Result<IcmpMessage, Malformed> {
        Self::parse_with(Checksum::NONE, bytes)
    }

    /// The ICMPv6 message that fills `bytes`; its checksum covers the addresses (RFC 4443 section 2.3).
    ///
    /// # Errors
    /// Truncated, checksum.
    pub fn parse_v6(pseudo: Pseudo, bytes: &[u8]) -> Result<IcmpMessage, Malformed> {
        Self::parse_with(pseudo.sum(Protocol::ICMPV6, bytes.len()), bytes)
    }

    fn parse_with(sum: Checksum, bytes: &[u8]) -> Result<IcmpMessage, Malformed> {
        let (header, data) = split::<8>(bytes)?;
        let [kind, code, _, _, rest @ ..] = *header;
        if !sum.over(bytes).is_intact() {
            return Err(Malformed::Checksum);
        }
        let payload = Payload::Data(Bytes::copy_from_slice(data));
        Ok(IcmpMessage { kind, code, rest: u32::from_be_bytes(rest), payload })
    }

    /// Appends the message.
    pub fn emit(&self, out: &mut Vec<u8>) {
        self.emit_with(Checksum::NONE, out);
    }

    /// Appends the message as one of ICMPv6.
    pub fn emit_v6(&self, pseudo: Pseudo, out: &mut Vec<u8>) {
        self.emit_with(pseudo.sum(Protocol::ICMPV6, Self::HEADER_LEN + self.payload.len()), out);
    }

    fn emit_with(&self, sum: Checksum, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[self.kind, self.code, 0, 0]);
        out.extend_from_slice(&self.rest.to_be_bytes());
        self.payload.emit(out);
        let checksum = sum.over(&out[start..]).finish();
        out[start + 2..start + 4].copy_from_slice(&checksum.to_be_bytes());
    }
}

fn stamps(times: [u32; 3]) -> Payload {
    times.map(u32::to_be_bytes).concat().into()
}

/// What an ICMP error message quotes of the packet that it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quote {
    /// The IP header of that packet.
    pub header: Ipv4Header,
    /// What it carried.
    pub protocol: Protocol,
    /// The first bytes that it carried.
    pub start: [u8; 8],
}

/// What an ICMPv6 error message quotes of the packet that it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quote6 {
    /// The IP header of that packet.
    pub header: Ipv6Header,
    /// What it carried.
    pub protocol: Protocol,
    /// The first bytes that it carried.
    pub start: [u8; 8],
}

impl Quote {
    /// Source and destination port, when it was TCP or UDP and not a later fragment.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let [s0, s1, d0, d1, ..] = self.start;
        let has_ports =
            matches!(self.protocol, Protocol::TCP | Protocol::UDP) && self.header.fragment_offset == 0;
        has_ports.then_some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])))
    }

    /// Sequence number, when it was TCP.
    pub fn seq(&self) -> Option<Seq> {
        let [.., a, b, c, d] = self.start;
        (self.protocol == Protocol::TCP && self.header.fragment_offset == 0)
            .then_some(Seq(u32::from_be_bytes([a, b, c, d])))
    }

    /// Identifier and sequence number, when it was an ICMP echo or timestamp request.
    pub fn echo(&self) -> Option<(u16, u16)> {
        let [kind, _, _, _, i0, i1, s0, s1] = self.start;
        let request = (self.protocol, kind);
        let is_echo = (request == (Protocol::ICMP, IcmpMessage::ECHO_REQUEST)
            || request == (Protocol::ICMP, IcmpMessage::TIMESTAMP_REQUEST)
            || request == (Protocol::ICMPV6, IcmpMessage::V6_ECHO_REQUEST))
            && self.header.fragment_offset == 0;
        is_echo.then_some((u16::from_be_bytes([i0, i1]), u16::from_be_bytes([s0, s1])))
    }
}
