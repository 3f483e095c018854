//! What each header *is*: typed headers, parse and emit with checksums, packets and their pools, pcapng.
//!
//! ```text
//!   bytes <--emit / parse--> Packet { Ethernet, Arp | Ipv4 | Ipv6 { Tcp | Udp | Icmp | Raw } }
//!                               |  pack / unpack
//!                            Hot (32 bytes, moves from link to link) + Body (64 bytes, stays in its pool)
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `addr.rs` | [`MacAddr`], [`MacKey`], [`Endpoint`] |
//! | `address_book.rs` | [`AddressBook`]: IPv6 addresses as keys of 32 bits |
//! | `ethernet.rs`, `arp.rs`, `ipv4.rs`, `ipv6.rs`, `icmp.rs`, `ndp.rs`, `udp.rs`, `tcp.rs`, `tcp_options.rs` | one header each, typed, with parse and emit |
//! | `vlan.rs`, `bpdu.rs`, `pause.rs` | [`VlanTag`], [`Bpdu`] (spanning tree) and [`PauseFrame`], with parse and emit |
//! | `rip.rs`, `ospf/`, `bgp.rs` | messages of routing protocols, with parse and emit |
//! | `igmp.rs` | messages about groups: IGMP, PIM in dense mode |
//! | `dhcp.rs` | messages of DHCP, with parse and emit |
//! | `malformed.rs` | [`Malformed`], why bytes are not a packet |
//! | `seq.rs` | [`Seq`], modulo-2^32 sequence numbers |
//! | `payload.rs` | [`Payload`], real or synthetic bytes |
//! | `packet.rs` | [`Packet`], the unpacked view of a whole frame, and its bytes |
//! | `hot.rs`, `packed_tcp.rs` | [`Hot`], the descriptor that moves; [`PackedTcp`], a TCP header at rest |
//! | `packed.rs`, `fragment.rs` | [`Body`] and the pools, [`Packets`]; cutting a packet into fragments and back |
//! | `relative.rs` | segments in a few words, numbered from their first byte |
//! | `rewrite.rs` | other addresses and ports for a packet, and for what ICMP quotes |
//! | `fate.rs` | [`Birth`] and [`Cause`], the two ends of a packet's life |
//! | `checksum.rs` | the Internet checksum and the Ethernet FCS |
//! | `text.rs` | one line of text per packet, as tcpdump prints it |
//! | `layers.rs` | [`Layer`], a packet layer by layer with its sizes |
//! | `pcapng.rs` | [`PcapngWriter`], [`read_pcapng`]: capture files |
//!
//! What is not here: anything that changes with time. Protocols live in the layers' crates.

mod addr;
mod address_book;
mod arp;
mod bgp;
mod bpdu;
mod checksum;
mod dhcp;
mod ethernet;
mod fate;
mod fragment;
mod hot;
mod icmp;
mod igmp;
mod ipv4;
mod ipv6;
mod layers;
mod malformed;
mod ndp;
mod ospf;
mod packed;
mod packed_tcp;
mod packet;
mod pause;
mod payload;
mod pcapng;
mod relative;
mod rewrite;
mod rip;
mod seq;
mod tcp;
mod tcp_options;
mod text;
mod udp;
mod vlan;

pub use addr::{Endpoint, MacAddr, MacKey};
pub use address_book::AddressBook;
pub use arp::{ArpOperation, ArpPacket};
pub use bgp::{BgpMessage, BgpPath, BgpPrefix, BgpUpdate};
pub use bpdu::{Bpdu, BpduBody, BpduFlags, BpduRole, BridgeId};
pub use checksum::{Checksum, Pseudo, frame_check_sequence};
pub use dhcp::{DhcpKind, DhcpMessage};
pub use ethernet::{EtherType, EthernetHeader};
pub use fate::{Birth, Cause};
pub use fragment::Piece;
pub use hot::{Hot, HotKind};
pub use icmp::{IcmpMessage, Quote, Quote6};
pub use igmp::{IgmpMessage, PimBranch, PimMessage};
pub use ipv4::{Ecn, Ipv4Header, Protocol};
pub use ipv6::{FragmentHeader, Ipv6Header};
pub use layers::{Layer, Pdu};
pub use malformed::Malformed;
pub use ndp::Ndp;
pub use ospf::{
    Lsa, LsaBody, LsaHeader, LsaKey, OspfBody, OspfDescription, OspfHello, OspfPacket, RouterLink,
};
pub use packed::{Body, Content, Packets};
pub use packed_tcp::PackedTcp;
pub use packet::{LinkLayer, Net, Packet, Transport};
pub use pause::PauseFrame;
pub use payload::Payload;
pub use pcapng::{Capture, CapturedInterface, CapturedPacket, PcapngWriter, read_pcapng};
pub use relative::{RelativeNumbers, flag_names};
pub use rip::{RipCommand, RipEntry, RipMessage};
pub use seq::Seq;
pub use tcp::{TcpFlags, TcpSegment};
pub use tcp_options::{SackBlocks, TcpOptions, Timestamps};
pub use udp::UdpHeader;
pub use vlan::{VlanId, VlanTag};
