//! Bytes as messages of databases.
#![no_main]

#[path = "../../crates/l7-application/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::postgresql(bytes));
