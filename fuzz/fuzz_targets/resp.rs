//! Bytes as commands and replies of caches.
#![no_main]

#[path = "../../crates/l7-application/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::resp(bytes));
