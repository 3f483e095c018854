//! Bytes as messages of HTTP/1.1, and as addresses of pages.
#![no_main]

#[path = "../../crates/l7-application/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::http(bytes));
