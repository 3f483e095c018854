//! The body of the fuzz target over a seeded corpus: real frames, cut, joined and damaged.

mod bodies;
mod common;

use common::any_packet;
use proptest::collection::vec;
use proptest::prelude::*;
use tidewire_wire::LinkLayer;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn damaged_frames_do_no_harm(
        packet in any_packet(),
        cut in 0..200_usize,
        damage in vec((any::<u16>(), any::<u8>()), 0..6),
        tail in vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = packet.emit(LinkLayer::Ethernet);
        bytes.truncate(bytes.len().saturating_sub(cut));
        bytes.extend(tail);
        for (at, value) in damage {
            let len = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(usize::from(at) % len) {
                *byte = value;
            }
        }
        bodies::frame(&bytes);
        // The same as the bodies of messages, behind the headers.
        for header in [14, 34, 42, 54, 62] {
            bodies::frame(bytes.get(header..).unwrap_or_default());
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..400)) {
        bodies::frame(&bytes);
    }

    #[test]
    fn messages_of_dhcp_with_any_options_do_no_harm(mut header in vec(any::<u8>(), 236), options in vec(any::<u8>(), 0..200)) {
        (header[0], header[1], header[2]) = (1, 1, 6);
        header.extend([0x63, 0x82, 0x53, 0x63]);
        header.extend([53, 1, 1]);
        header.extend(options);
        bodies::frame(&header);
    }
}
