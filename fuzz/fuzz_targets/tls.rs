//! Bytes as records of TLS, at both ends of a handshake.
#![no_main]

#[path = "../../crates/l7-application/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::tls_records(bytes));
