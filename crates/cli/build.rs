//! Tells the command its revision and a hash of the sources of all crates: results of a changed tool go to another folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for entry in fs::read_dir(&crates).into_iter().flatten().flatten() {
        let src = entry.path().join("src");
        println!("cargo:rerun-if-changed={}", src.display());
        collect(&src, &mut files);
    }
    files.sort();
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    for file in &files {
        for byte in fs::read(file).unwrap_or_default() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
    println!("cargo:rustc-env=TIDEWIRE_SOURCE={hash:016x}");
    let git = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(&crates).output();
    let commit = git
        .ok()
        .filter(|out| out.status.success())
        .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    println!("cargo:rustc-env=TIDEWIRE_COMMIT={}", commit.unwrap_or_default());
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "lua") {
            files.push(path);
        }
    }
}
