//! What the fuzz target for scripts does with its bytes.

use tidewire_conformance::{Options, Verdict, run_file};

/// Any text is run or refused; the endpoint never fails by a defect of its own.
pub fn script(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(20_000)]);
    let report = run_file(&text, "fuzz", &Options::default());
    if let Verdict::Fail { line: 0, actual, .. } = &report.verdict {
        panic!("{actual}\n{text}");
    }
}
