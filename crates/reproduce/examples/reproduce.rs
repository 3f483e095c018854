//! `cargo run --release --example reproduce -- kernel FILE.csv [OUT.csv]`, until the command has it.

use std::path::PathBuf;
use tidewire_reproduce::kernel::{KernelOptions, kernel};
use tidewire_reproduce::theory::{TheoryOptions, theory};
use tidewire_reproduce::trace::{TraceOptions, packets, traces};
use tidewire_reproduce::validity::{ValidityOptions, all};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = |i: usize| args.get(i).map(PathBuf::from);
    let mut out = std::io::stdout().lock();
    let result = match args.first().map(String::as_str) {
        Some("kernel") => {
            let options = KernelOptions { reference: path(1).expect("a file"), csv: path(2), jobs: 0 };
            kernel(&options, &mut out).map(drop)
        }
        Some("traces") => {
            let options = TraceOptions { reference: path(1).expect("a folder"), csv: path(2), jobs: 0 };
            traces(&options, &mut out).map(drop)
        }
        Some("theory") => {
            let quick = args.iter().any(|arg| arg == "--quick");
            let only = args.get(1).filter(|arg| *arg != "--quick").cloned();
            theory(&TheoryOptions { quick, csv: None, jobs: 0, only }, &mut out).map(drop)
        }
        Some("all") => {
            let (reference, page) = (path(1), path(2).expect("a page"));
            let version = env!("CARGO_PKG_VERSION").to_owned();
            all(&ValidityOptions { reference, page, version, quick: false, jobs: 0 }, &mut out).map(drop)
        }
        Some("packets") => {
            let path = path(1).expect("a trace");
            let text = tidewire_reproduce::read_text(&path).expect("a file");
            packets("trace", &text).map(|csv| print!("{csv}"))
        }
        _ => panic!("kernel FILE [OUT] | traces DIR [OUT]"),
    };
    if let Err(error) = result {
        eprintln!("error: {error}");
    }
}
