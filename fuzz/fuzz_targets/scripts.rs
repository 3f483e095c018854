//! Bytes as a test script.
#![no_main]

#[path = "../../crates/conformance/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::script(data));
