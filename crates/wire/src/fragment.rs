//! Cutting a packet into fragments and putting it together again (RFC 791 section 3.2, RFC 8200 section 4.5).

use crate::{
    AddressBook, Birth, Content, FragmentHeader, Hot, Ipv4Header, Ipv6Header, Malformed, Net, Packet,
    Packets, Payload, Protocol, Transport,
};
use bytes::Bytes;

/// Where a fragment belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// What the whole packet carries.
    pub protocol: Protocol,
    /// Identification of the whole packet.
    pub ident: u16,
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub len: u32,
    /// It is not the last one.
    pub more: bool,
}

impl Packets {
    /// Where a packet belongs, if it is a fragment.
    pub fn piece(&self, hot: &Hot) -> Option<Piece> {
        let body = self.body(hot);
        let Content::Raw(protocol, offset, more, _) = body.content else { return None };
        let len = self.payload(hot).len() as u32;
        (more || offset > 0).then_some(Piece {
            protocol,
            ident: body.ident,
            start: u32::from(offset) * 8,
            len,
            more,
        })
    }

    /// The fragments of a packet that is too long for a link of `mtu` bytes, in order; the packet itself stays. Empty when not even 8 bytes of data fit.
    pub fn fragment(&mut self, hot: &Hot, mtu: u16) -> Vec<Hot> {
        let is_v6 = AddressBook::is_v6(hot.dst);
        let header_len = if is_v6 { Ipv6Header::LEN + FragmentHeader::LEN } else { Ipv4Header::LEN };
        let room = usize::from(mtu).saturating_sub(header_len) / 8 * 8;
        if room == 0 {
            return Vec::new();
        }
        let before = self.piece(hot);
        let sent = self.sent_at(hot);
        let (protocol, bytes) = match self.unpack(hot).net {
            Net::Ipv4(_, Transport::Raw(protocol, payload))
            | Net::Ipv6(_, Transport::Raw(protocol, payload)) => (protocol, payload.to_bytes().into_owned()),
            Net::Ipv4(header, transport) => emitted(&transport, transport.protocol(), header.pseudo()),
            Net::Ipv6(header, transport) => emitted(&transport, transport.next_header(), header.pseudo()),
            Net::Arp(_) | Net::Bpdu(_) | Net::Pause(_) => return Vec::new(),
        };
        let bytes = Bytes::from(bytes);
        let (base, is_last) = before.map_or((0, true), |piece| (piece.start as usize, !piece.more));
        let starts = (0..bytes.len()).step_by(room);
        starts
            .map(|start| {
                let end = (start + room).min(bytes.len());
                let more = end < bytes.len() || !is_last;
                let content = Content::raw(protocol, ((base + start) / 8) as u16, more, sent);
                self.insert_part(hot, content, bytes.slice(start..end), header_len)
            })
            .collect()
    }

    /// The packet that fragments make, given all of them in order.
    ///
    /// # Errors
    /// What is wrong with the transport header that they make.
    pub fn assemble(&mut self, parts: &[Hot]) -> Result<Hot, Malformed> {
        let first = parts.first().ok_or(Malformed::Truncated)?;
        let (protocol, sent) = match self.body(first).content {
            Content::Raw(protocol, ..) => (protocol, self.sent_at(first)),
            _ => return Err(Malformed::Unsupported),
        };
        let mut bytes = Vec::new();
        parts.iter().for_each(|part| self.payload(part).emit(&mut bytes));
        let whole = self.unpack(first);
        let net = match whole.net {
            Net::Ipv4(header, _) => {
                let header = Ipv4Header { more_fragments: false, fragment_offset: 0, ..header };
                Net::Ipv4(header, Transport::parse(header.pseudo(), protocol, &bytes)?)
            }
            Net::Ipv6(header, _) => {
                let header = Ipv6Header { fragment: None, ..header };
                Net::Ipv6(header, Transport::parse(header.pseudo(), protocol, &bytes)?)
            }
            Net::Arp(_) | Net::Bpdu(_) | Net::Pause(_) => return Err(Malformed::Unsupported),
        };
        let packet = Packet { net: without_zeros(net), ..whole };
        let now = sent.unwrap_or(first.time);
        let hot = self.insert_packet(&packet, first.flow_hash, now).ok_or(Malformed::Length)?;
        self.rename(&hot, Birth::Reassembled);
        Ok(hot)
    }
}

fn emitted(transport: &Transport, protocol: Protocol, addresses: crate::Pseudo) -> (Protocol, Vec<u8>) {
    let mut bytes = Vec::with_capacity(transport.wire_len());
    transport.emit(addresses, &mut bytes);
    (protocol, bytes)
}

/// Data that is nothing but zeros takes no memory.
fn without_zeros(net: Net) -> Net {
    let thin = |payload: Payload| match payload {
        Payload::Data(data) if data.iter().all(|byte| *byte == 0) => Payload::Zeros(data.len() as u32),
        other => other,
    };
    match net {
        Net::Ipv4(header, Transport::Udp(udp, payload)) => {
            Net::Ipv4(header, Transport::Udp(udp, thin(payload)))
        }
        Net::Ipv6(header, Transport::Udp(udp, payload)) => {
            Net::Ipv6(header, Transport::Udp(udp, thin(payload)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ecn, IcmpMessage, LinkLayer, UdpHeader};
    use proptest::prelude::*;
    use std::net::Ipv4Addr;
    use tidewire_units::Instant;

    fn header(packets: &mut Packets, v6: bool) -> Ipv4Header {
        let mut address = |text: &str| packets.addresses.key_of(text.parse().unwrap());
        let (src, dst) = if v6 {
            (address("2001:db8::1"), address("2001:db8::2"))
        } else {
            (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2))
        };
        Ipv4Header {
            src,
            dst,
            ttl: 64,
            ident: 99,
            dscp: 0,
            ecn: Ecn::NotCapable,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
        }
    }

    fn datagram(packets: &mut Packets, v6: bool, payload: Payload) -> Hot {
        let header = header(packets, v6);
        let udp = UdpHeader { src_port: 5, dst_port: 53 };
        packets.insert_udp(&header, udp, payload, 7, Instant::from_ps(0))
    }

    #[test]
    fn a_datagram_of_4000_bytes_makes_three_fragments_on_ethernet() {
        let mut packets = Packets::new();
        let whole = datagram(&mut packets, false, Payload::Zeros(4000));
        let parts = packets.fragment(&whole, 1500);
        let places: Vec<_> = parts.iter().map(|part| packets.piece(part).unwrap()).collect();
        let rows: Vec<_> = places.iter().map(|piece| (piece.start, piece.len, piece.more)).collect();
        assert_eq!(rows, [(0, 1480, true), (1480, 1480, true), (2960, 1048, false)]);
        assert!(parts.iter().all(|part| packets.check_wire(part, LinkLayer::Ethernet).is_ok()));
        // The last one again, for a smaller link.
        let again = packets.fragment(&parts[1], 576);
        let rows: Vec<_> =
            again.iter().map(|part| packets.piece(part).unwrap()).map(|p| (p.start, p.more)).collect();
        assert_eq!(rows, [(1480, true), (2032, true), (2584, true)]);
    }

    #[test]
    fn nothing_can_be_cut_for_a_link_without_room() {
        let mut packets = Packets::new();
        let whole = datagram(&mut packets, false, Payload::Zeros(100));
        assert_eq!(packets.fragment(&whole, 27).len(), 0);
        assert_eq!(packets.fragment(&whole, 28).len(), 14);
    }

    proptest! {
        #[test]
        fn what_is_cut_can_be_put_together(v6: bool, icmp: bool, len in 1usize..5000, mtu in 64u16..2000) {
            let mut packets = Packets::new();
            let data: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let whole = if icmp {
                let header = header(&mut packets, v6);
                let kind = if v6 { IcmpMessage::V6_ECHO_REQUEST } else { IcmpMessage::ECHO_REQUEST };
                packets.insert_icmp(&header, IcmpMessage { kind, code: 0, rest: 7, payload: data.into() }, 7)
            } else {
                datagram(&mut packets, v6, data.into())
            };
            prop_assume!(whole.len > mtu);
            let parts = packets.fragment(&whole, mtu);
            for part in &parts {
                prop_assert!(part.len <= mtu);
                let checked = packets.check_wire(part, LinkLayer::RawIp);
                prop_assert!(checked.is_ok(), "{:?}", checked);
            }
            let again = packets.assemble(&parts).unwrap();
            let ends = (packets.unpack(&again), packets.unpack(&whole));
            prop_assert_eq!(ends.0.net, ends.1.net);
            prop_assert_eq!(packets.body(&again).birth, Birth::Reassembled);
        }
    }
}
