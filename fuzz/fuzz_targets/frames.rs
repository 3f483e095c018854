//! Bytes as frames, and as the messages that they carry: ARP, IPv4, IPv6, ICMP, neighbour discovery, DHCP, IGMP, routing protocols.
#![no_main]

#[path = "../../crates/wire/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::frame(data));
