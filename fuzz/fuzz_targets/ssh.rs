//! Bytes as packets of SSH.
#![no_main]

#[path = "../../crates/l7-application/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::ssh_packets(bytes));
