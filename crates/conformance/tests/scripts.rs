//! The recorded traces of a kernel and the scripts written from the RFCs, against the endpoint.

use std::fs;
use std::path::Path;
use tidewire_conformance::{Options, Profile, Report, Verdict, run_file};

/// Scripts that the endpoint does not satisfy yet. One that passes has to leave the list.
const EXPECTED_TO_FAIL: &[&str] = &[];

fn run_all(folder: &str, profile: Profile) -> Vec<Report> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut names: Vec<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pkt"))
        .collect();
    names.sort();
    let options = Options { profile, ..Options::default() };
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
    let reports = run_all("kernel-traces", Profile::Linux);
    assert_eq!(reports.len(), 25);
    check(&reports);
}

#[test]
fn the_scripts_from_the_rfcs_hold() {
    let reports = run_all("rfc", Profile::Linux);
    assert!(reports.len() >= 60, "{} scripts", reports.len());
    check(&reports);
}

#[test]
fn the_rfc_profile_keeps_the_rfcs() {
    let reports = run_all("rfc-profile", Profile::Rfc);
    assert!(reports.len() >= 29, "{} scripts", reports.len());
    check(&reports);
}

/// Otherwise they would say nothing about the profile.
#[test]
fn many_scripts_of_the_rfc_profile_do_not_hold_for_linux() {
    let reports = run_all("rfc-profile", Profile::Linux);
    let failed = reports.iter().filter(|report| !report.passed()).count();
    assert!(failed >= 13, "{failed} of {}", reports.len());
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
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let entries = ["rfc", "rfc-profile"].map(|folder| fs::read_dir(dir.join(folder)).unwrap());
    for entry in entries.into_iter().flatten() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        let named = ["RFC ", "Linux", "Minshall"].iter().any(|source| first.contains(source));
        assert!(first.starts_with("// ") && named, "{}: {first}", path.display());
    }
}

#[test]
fn the_psh_flag_is_everywhere_as_the_scripts_have_it() {
    for report in run_all("kernel-traces", Profile::Linux).iter().chain(&run_all("rfc", Profile::Linux)) {
        assert_eq!(report.psh.matched, report.psh.of, "{}", report.name);
    }
}

#[test]
fn the_same_script_gives_the_same_report() {
    assert_eq!(run_all("kernel-traces", Profile::Linux), run_all("kernel-traces", Profile::Linux));
}
