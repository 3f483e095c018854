//! The recorded traces of a kernel and the scripts written from the RFCs, against the endpoint.

use std::fs;
use std::path::Path;
use tidewire_conformance::{Options, Report, Verdict, run_file};

/// Scripts that the endpoint does not satisfy yet. One that passes has to leave the list.
const EXPECTED_TO_FAIL: &[&str] = &[];

fn run_all(folder: &str) -> Vec<Report> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut names: Vec<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pkt"))
        .collect();
    names.sort();
    let options = Options::default();
    names
        .iter()
        .map(|name| {
            run_file(&fs::read_to_string(dir.join(name)).unwrap(), &format!("{folder}/{name}"), &options)
        })
        .collect()
}

fn check(reports: &[Report]) {
    let mut wrong = String::new();
    for report in reports {
        let expected = !EXPECTED_TO_FAIL.contains(&report.name.as_str());
        if report.passed() && !expected {
            wrong.push_str(&format!("{} passes now: take it off the list\n", report.name));
        } else if !report.passed() && expected {
            wrong.push_str(&format!("{report}\n"));
        }
        let unsupported = matches!(report.verdict, Verdict::Unsupported { .. });
        assert!(!unsupported, "{report}");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_recorded_traces_of_a_kernel_are_reproduced() {
    let reports = run_all("kernel-traces");
    assert_eq!(reports.len(), 25);
    check(&reports);
}

#[test]
fn the_scripts_from_the_rfcs_hold() {
    let reports = run_all("rfc");
    assert!(reports.len() >= 60, "{} scripts", reports.len());
    check(&reports);
}

#[test]
fn the_list_of_failures_names_scripts_that_exist() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for name in EXPECTED_TO_FAIL {
        assert!(dir.join(name).is_file(), "{name}");
    }
}

#[test]
fn every_script_from_the_rfcs_says_where_it_comes_from() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rfc");
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        let named = ["RFC ", "Linux", "Minshall"].iter().any(|source| first.contains(source));
        assert!(first.starts_with("// ") && named, "{}: {first}", path.display());
    }
}

#[test]
fn the_psh_flag_is_everywhere_as_the_scripts_have_it() {
    for report in run_all("kernel-traces").iter().chain(&run_all("rfc")) {
        assert_eq!(report.psh.matched, report.psh.of, "{}", report.name);
    }
}

#[test]
fn the_same_script_gives_the_same_report() {
    assert_eq!(run_all("kernel-traces"), run_all("kernel-traces"));
}
