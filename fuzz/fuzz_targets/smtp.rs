//! Bytes as lines of mail.
#![no_main]

#[path = "../../crates/l7-application/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::smtp(bytes));
