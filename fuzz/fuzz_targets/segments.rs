//! Bytes as segments for a connection, and as calls of its application.
#![no_main]

#[path = "../../crates/l4-transport/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::segments(data));
