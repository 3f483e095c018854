use super::*;
use proptest::prelude::*;

fn addr() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn key(kind: impl Strategy<Value = u8>) -> impl Strategy<Value = LsaKey> {
    (kind, addr(), addr()).prop_map(|(kind, id, router)| LsaKey { kind, id, router })
}

fn header() -> impl Strategy<Value = LsaHeader> {
    (key(any::<u8>()), any::<(u16, u8, i32, u16)>(), 20..=u16::MAX).prop_map(
        |(key, (age, options, seq, checksum), len)| LsaHeader { age, options, key, seq, checksum, len },
    )
}

fn lsa() -> impl Strategy<Value = Lsa> {
    let link = (addr(), addr(), any::<u8>(), any::<u16>()).prop_map(|(id, data, kind, metric)| RouterLink {
        id,
        data,
        kind,
        metric,
    });
    let router = (any::<u8>(), prop::collection::vec(link, 0..6))
        .prop_map(|(flags, links)| (1, LsaBody::Router { flags, links }));
    let network = (addr(), prop::collection::vec(addr(), 0..6))
        .prop_map(|(mask, routers)| (2, LsaBody::Network { mask, routers }));
    let external = (addr(), any::<bool>(), 0..1u32 << 24, addr(), any::<u32>()).prop_map(
        |(mask, outside, metric, forward, tag)| {
            (5, LsaBody::External { mask, outside, metric, forward, tag })
        },
    );
    let other = prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| (9, LsaBody::Other(bytes)));
    (prop_oneof![router, network, external, other], addr(), addr(), any::<i32>(), any::<u16>()).prop_map(
        |((kind, body), id, router, seq, age)| {
            let mut lsa = Lsa::new(LsaKey { kind, id, router }, seq, body);
            lsa.header.age = age;
            lsa
        },
    )
}

fn body() -> impl Strategy<Value = OspfBody> {
    let hello = (any::<(u16, u8, u8, u32)>(), prop::collection::vec(addr(), 3..9)).prop_map(
        |((interval, options, priority, dead), mut addrs)| {
            let neighbors = addrs.split_off(3);
            let [mask, designated, backup] = [addrs[0], addrs[1], addrs[2]];
            OspfBody::Hello(OspfHello {
                mask,
                interval,
                options,
                priority,
                dead,
                designated,
                backup,
                neighbors,
            })
        },
    );
    let description = (any::<(u16, u8, bool, bool, bool, u32)>(), prop::collection::vec(header(), 0..5))
        .prop_map(|((mtu, options, init, more, master, seq), headers)| {
            OspfBody::Description(OspfDescription { mtu, options, init, more, master, seq, headers })
        });
    prop_oneof![
        hello,
        description,
        prop::collection::vec(key(any::<u8>()), 0..5).prop_map(OspfBody::Request),
        prop::collection::vec(lsa(), 0..5).prop_map(OspfBody::Update),
        prop::collection::vec(header(), 0..5).prop_map(OspfBody::Ack),
    ]
}

proptest! {
    #[test]
    fn parse_undoes_emit((router, area, body) in (addr(), addr(), body())) {
        let packet = OspfPacket { router, area, body };
        prop_assert_eq!(OspfPacket::parse(&packet.emit()), Ok(packet));
    }

    #[test]
    fn any_bytes_parse_or_are_refused(
        mut bytes in prop::collection::vec(any::<u8>(), 24..200),
        kind in 1..6u8,
        repair in any::<bool>(),
    ) {
        if repair {
            (bytes[0], bytes[1], bytes[14], bytes[15]) = (2, kind, 0, 0);
            let len = bytes.len() as u16;
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[12..14].copy_from_slice(&[0, 0]);
            let sum = Checksum::NONE.over(&bytes[..AUTH.start]).over(&bytes[AUTH.end..]).finish();
            bytes[12..14].copy_from_slice(&sum.to_be_bytes());
        }
        let _ = OspfPacket::parse(&bytes);
    }

    #[test]
    fn one_changed_byte_of_an_announcement_is_found(lsa in lsa(), at in any::<prop::sample::Index>(), by in 1..=254u8) {
        let mut bytes = Vec::new();
        lsa.emit(&mut bytes);
        // The age and the length are not covered, or change what is.
        let at = at.index(bytes.len() - 2) + 2;
        prop_assume!(!(18..20).contains(&at));
        bytes[at] = bytes[at].wrapping_add(by);
        // Two values are the same modulo 255.
        let original = bytes[at].wrapping_sub(by);
        prop_assume!(u32::from(original) % 255 != u32::from(bytes[at]) % 255);
        prop_assert!(Lsa::parse(&bytes).is_err());
    }
}

#[test]
fn a_damaged_packet_another_version_and_authentication_are_refused() {
    let any = Ipv4Addr::UNSPECIFIED;
    let good = OspfPacket { router: any, area: any, body: OspfBody::Ack(Vec::new()) }.emit();
    assert_eq!(good.len(), 24);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        OspfPacket::parse(&bytes)
    };
    assert_eq!(with(0, 3), Err(Malformed::Version));
    assert_eq!(with(5, 1), Err(Malformed::Checksum));
    assert_eq!(with(3, 23), Err(Malformed::Length));
    assert_eq!(OspfPacket::parse(&good[..20]), Err(Malformed::Truncated));
}
