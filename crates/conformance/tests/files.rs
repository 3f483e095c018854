//! The command: finding scripts, printing, exit codes, files written.

use std::fs;
use std::path::Path;
use tidewire_conformance::{Command, Profile, execute};

const PASSES: &str = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 connect(3, ..., ...) = ...\n";
const GOOD: &str = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 close(3) = 0\n";
const BAD: &str = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 > . 1:1(0) ack 1\n";
const STRANGE: &str = "0 splice(3) = 0\n";

fn run(command: &Command) -> (u8, String) {
    let mut out = Vec::new();
    let code = execute(command, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("b/c")).unwrap();
    fs::write(dir.path().join("b/c/good.pkt"), GOOD).unwrap();
    fs::write(dir.path().join("b/notes.txt"), "no script").unwrap();
    fs::write(dir.path().join("a.pkt"), GOOD).unwrap();
    dir
}

fn command(path: &Path) -> Command {
    Command { paths: vec![path.to_path_buf()], ..Command::default() }
}

#[test]
fn directories_are_walked_in_the_order_of_names_and_all_passing_gives_zero() {
    let dir = folder();
    let (code, out) = run(&command(dir.path()));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].ends_with("a.pkt") && lines[1].ends_with("good.pkt"), "{out}");
    assert_eq!(lines.last(), Some(&"2 passed, 0 failed, 0 unsupported"));
    assert_eq!(code, 0);
}

#[test]
fn a_failure_or_something_unsupported_gives_one() {
    for text in [BAD, STRANGE] {
        let dir = folder();
        fs::write(dir.path().join("z.pkt"), text).unwrap();
        assert_eq!(run(&command(dir.path())).0, 1);
    }
    let dir = tempfile::tempdir().unwrap();
    let (code, out) = run(&command(dir.path()));
    assert_eq!((code, out.as_str()), (1, "0 passed, 0 failed, 0 unsupported\n"));
}

#[test]
fn a_path_that_does_not_exist_is_an_error_that_names_it() {
    let error = execute(&command(Path::new("no/such.pkt")), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("no/such.pkt: "), "{error}");
}

#[test]
fn a_file_is_run_whatever_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    fs::write(&path, GOOD).unwrap();
    assert_eq!(run(&command(&path)).0, 0);
}

#[test]
fn results_and_traces_are_written() {
    let dir = folder();
    fs::write(dir.path().join("z.pkt"), PASSES.replace("= ...", "= -1 EINPROGRESS")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut command = command(dir.path());
    command.json = Some(out.path().join("out.json"));
    command.trace = Some(out.path().join("traces"));
    run(&command);
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.path().join("out.json")).unwrap()).unwrap();
    assert_eq!((&json["passed"], &json["failed"]), (&2.into(), &1.into()));
    assert_eq!(json["reports"][2]["verdict"], "fail");
    assert_eq!(json["reports"][2]["line"], 2);
    let traces: Vec<String> = fs::read_dir(out.path().join("traces"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(traces.len(), 3);
    assert!(traces.iter().any(|text| text.contains("> S 0:0(0)")), "{traces:?}");
}

#[test]
fn profiles_and_checks_have_names() {
    let mut command = Command::default();
    command.set_profile("rfc").unwrap();
    command.set_checks("psh,win").unwrap();
    assert_eq!(command.options.profile, Profile::Rfc);
    assert!(command.options.checks.psh && command.options.checks.win);
    assert!(command.set_profile("bsd").unwrap_err().contains("`bsd`"));
    assert!(command.set_checks("urg").unwrap_err().contains("`urg`"));
}
