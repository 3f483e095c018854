//! A network in a file of this format: a message or a plan, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tidewire_topology::import::survives("a.gml", bytes);
});
