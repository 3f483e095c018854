//! Keeps the shape of the project: who may depend on whom, how long files are, what scripts exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each crate may depend on inside the workspace; ARCHITECTURE.md explains why.
const MAY_DEPEND_ON: [(&str, &[&str]); 19] = [
    ("units", &[]),
    ("wire", &["units"]),
    ("l1-physical", &["units"]),
    ("l2-datalink", &["units", "wire"]),
    ("l3-network", &["units", "wire"]),
    ("l4-transport", &["units", "wire"]),
    ("l7-application", &["units", "wire"]),
    ("node", &["units", "wire", "l1-physical", "l2-datalink", "l3-network", "l4-transport"]),
    ("engine", &["units"]),
    ("topology", &["units"]),
    ("metrics", &["units"]),
    (
        "world",
        &[
            "units",
            "wire",
            "l1-physical",
            "l2-datalink",
            "l3-network",
            "l4-transport",
            "l7-application",
            "node",
            "engine",
            "topology",
            "metrics",
        ],
    ),
    ("plot", &[]),
    (
        "script",
        &[
            "units",
            "wire",
            "l1-physical",
            "l3-network",
            "l4-transport",
            "l7-application",
            "node",
            "topology",
            "metrics",
            "world",
        ],
    ),
    ("lab", &["units", "wire", "topology", "metrics", "plot", "script"]),
    ("conformance", &["units", "wire", "l4-transport"]),
    (
        "reproduce",
        &["units", "wire", "l4-transport", "l7-application", "node", "topology", "metrics", "world"],
    ),
    ("cli", &["units", "topology", "metrics", "script", "lab", "conformance", "reproduce"]),
    (
        "benches",
        &["units", "wire", "l1-physical", "l4-transport", "l7-application", "engine", "topology", "world"],
    ),
];

/// Crates in which nothing may name a clock, a file, a socket of the operating system or a thread.
const PURE: [&str; 12] = [
    "units",
    "wire",
    "l1-physical",
    "l2-datalink",
    "l3-network",
    "l4-transport",
    "l7-application",
    "node",
    "engine",
    "topology",
    "metrics",
    "world",
];

const MOST_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn folder_of(name: &str) -> PathBuf {
    if name == "benches" { root().join("benches") } else { root().join("crates").join(name) }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

/// The workspace crates that a manifest's `[dependencies]` name.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(folder_of(name).join("Cargo.toml")).unwrap();
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim().to_owned();
        } else if section == "[dependencies]"
            && let Some(rest) = line.strip_prefix("tidewire-")
        {
            let end = rest.find(['.', ' ', '=']).unwrap();
            found.insert(rest[..end].to_owned());
        }
    }
    found
}

#[test]
fn crates_depend_only_on_what_lies_below_them() {
    let allowed: BTreeMap<_, _> = MAY_DEPEND_ON.into_iter().collect();
    let mut folders: Vec<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.push("benches".to_owned());
    for name in folders {
        let allowed = allowed
            .get(name.as_str())
            .unwrap_or_else(|| panic!("say in tidy.rs what '{name}' may depend on"));
        for dependency in dependencies(&name) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "crate '{name}' depends on '{dependency}', which the architecture does not allow"
            );
        }
    }
}

#[test]
fn the_simulation_names_no_clock_file_socket_or_thread() {
    for name in PURE {
        let mut files = Vec::new();
        rust_files(&folder_of(name).join("src"), &mut files);
        assert!(!files.is_empty(), "{name} has sources");
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            for word in [
                "std::fs",
                "std::net::Tcp",
                "std::net::Udp",
                "std::thread",
                "std::time",
                "SystemTime",
                "std::env",
            ] {
                assert!(!text.contains(word), "{} names {word}", path.display());
            }
        }
    }
}

#[test]
fn no_source_file_is_longer_than_one_can_hold_in_mind() {
    let mut files = Vec::new();
    for (name, _) in MAY_DEPEND_ON {
        rust_files(&folder_of(name).join("src"), &mut files);
    }
    for path in files {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines: split it", path.display());
    }
}

#[test]
fn every_crate_says_what_it_is_and_what_it_is_not() {
    for (name, _) in MAY_DEPEND_ON {
        let lib = folder_of(name).join("src/lib.rs");
        if let Ok(text) = fs::read_to_string(&lib) {
            assert!(text.starts_with("//! "), "{} begins with a sentence", lib.display());
            assert!(text.contains("not here"), "{} says what is not there", lib.display());
        }
    }
}
