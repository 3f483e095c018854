//! What the fuzz target for frames does with its bytes.

use std::fmt::Debug;
use tidewire_wire::*;

/// Bytes as a frame, and as the body of every kind of message: nothing panics, and what is understood survives being written again.
pub fn frame(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    for link in [LinkLayer::Ethernet, LinkLayer::EthernetWithFcs, LinkLayer::RawIp] {
        if let Ok(packet) = Packet::parse(data, link) {
            assert_eq!(Packet::parse(&packet.emit(link), link), Ok(packet), "{link:?}");
        }
    }
    same(DhcpMessage::parse(data), |message| DhcpMessage::parse(&message.emit()));
    let icmp = IcmpMessage { kind: *kind, code: 0, rest: 0, payload: rest.to_vec().into() };
    let neighbors = [133, 134, 135, 136].map(|kind| Ndp::parse(&IcmpMessage { kind, ..icmp.clone() }));
    for message in neighbors.into_iter().flatten().flatten() {
        assert_eq!(Ndp::parse(&message.message()), Ok(Some(message)), "{message}");
    }
    let _ = icmp.quote();
    let _ = (RipMessage::parse(data), OspfPacket::parse(data), BgpMessage::parse(data));
    let _ = (IgmpMessage::parse(data), PimMessage::parse(data), PauseFrame::parse(data), Bpdu::parse(data));
}

fn same<T: PartialEq + Debug>(parsed: Result<T, Malformed>, again: impl Fn(&T) -> Result<T, Malformed>) {
    if let Ok(message) = parsed {
        let second = again(&message);
        assert_eq!(second.as_ref(), Ok(&message));
    }
}
