//! The command from outside: exit codes and messages that need no network.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn tidewire(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidewire"))
        .args(args)
        .current_dir(dir)
        .env_remove("CLICOLOR_FORCE")
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[track_caller]
fn expect(output: &Output, code: i32, on_stderr: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(on_stderr), "{stderr:?} should contain {on_stderr:?}");
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&["swep", "x.lua"], "similar subcommand exists: 'sweep'"),
        (&["sweep"], "<SCRIPT>"),
        (&["run", "x.lua", "--reps", "3"], "'--rep'"),
        (&["run", "x.lua", "--until", "5"], "'5' is not a time"),
        (&["run", "x.lua", "--memory", "lots"], "'lots' is not a size"),
        (&["run", "x.lua", "--rep", "0"], "'0'"),
        (&["sweep", "x.lua", "-j", "0"], "'0'"),
        (&["sweep", "x.lua", "--resume", "--fresh"], "cannot be used with"),
        (&["plot", "--kind", "pie"], "line, dots, scatter, bar, box, cdf, step"),
    ];
    for (args, message) in cases {
        expect(&tidewire(dir.path(), args), 2, message);
    }
}

#[test]
fn a_missing_script_exits_with_5_and_suggests_its_neighbour() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("hello.lua"), "").unwrap();
    expect(
        &tidewire(dir.path(), &["run", "helo.lua"]),
        5,
        "error: there is no script 'helo.lua'; did you mean 'hello.lua'?",
    );
    expect(&tidewire(dir.path(), &["helo.lua"]), 5, "did you mean 'hello.lua'?");
    expect(&tidewire(dir.path(), &["sweep", "hello"]), 5, "did you mean hello.lua?");
    expect(&tidewire(dir.path(), &["check", "."]), 5, "error: cannot read '.'");
}

#[test]
fn a_script_that_is_no_text_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.lua"), b"local a\nlocal \xFF").unwrap();
    expect(&tidewire(dir.path(), &["bad.lua"]), 5, "'bad.lua' is not a text in UTF-8");
}

#[test]
fn errors_are_json_too_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let output = tidewire(dir.path(), &["run", "no.lua", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["exit"], 5);
    assert!(json["error"].as_str().unwrap().contains("no.lua"));
}

#[test]
fn help_has_examples_and_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let long = tidewire(dir.path(), &["--help"]);
    expect(&long, 0, "");
    let long = text(&long.stdout);
    for part in ["Examples:", "tidewire sweep tcp_vs_udp.lua", "130  interrupted"] {
        assert!(long.contains(part), "{part} is missing in\n{long}");
    }
    let short = text(&tidewire(dir.path(), &["-h"]).stdout);
    assert!(short.lines().count() < long.lines().count());
    assert!(
        text(&tidewire(dir.path(), &["sweep", "--help"]).stdout)
            .contains("--only 'loss >= 1% and proto = tcp'")
    );
}

#[test]
fn colours_come_only_where_asked() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!text(&tidewire(dir.path(), &["no.lua"]).stderr).contains('\x1b'));
    assert!(
        text(&tidewire(dir.path(), &["no.lua", "--color", "always"]).stderr).contains("\x1b[1;31merror:")
    );
    let with = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
        let output =
            command.arg("no.lua").current_dir(dir.path()).env_remove("NO_COLOR").env(name, value).output();
        text(&output.unwrap().stderr).contains('\x1b')
    };
    assert!(with("CLICOLOR_FORCE", "1"));
    assert!(!with("NO_COLOR", "1"));
}

#[test]
fn a_csv_file_is_drawn_with_the_columns_that_are_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("runs.csv"), "loss,proto,x_ms\n0%,tcp,1\n1%,tcp,2\n0%,udp,3\n1%,udp,4\n")
        .unwrap();
    let args = ["plot", "runs.csv", "--x", "loss", "--y", "x_ms", "--color", "proto", "-o", "out.svg"];
    expect(&tidewire(dir.path(), &args), 0, "");
    let svg = fs::read_to_string(dir.path().join("out.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("udp"), "{svg}");
    let wrong = ["plot", "runs.csv", "--x", "lss", "--y", "x_ms"];
    expect(&tidewire(dir.path(), &wrong), 2, "did you mean 'loss'?");
    expect(&tidewire(dir.path(), &["plot", "runs.csv", "--x", "loss"]), 2, "needs --x and --y");
    expect(&tidewire(dir.path(), &["plot", "runs.csv"]), 2, "nothing to plot");
    expect(&tidewire(dir.path(), &["plot", "no.csv", "--x", "a", "--y", "b"]), 5, "cannot read no.csv");
    expect(&tidewire(dir.path(), &["plot"]), 2, "no results below results");
    let png = ["plot", "runs.csv", "--x", "loss", "--y", "x_ms", "-o", "out.png"];
    expect(&tidewire(dir.path(), &png), 2, "write .svg or .pdf");
    let odd = ["plot", "runs.csv", "--x", "loss", "--y", "x_ms", "-o", "out"];
    expect(&tidewire(dir.path(), &odd), 2, "written as .svg or .pdf");
    let pdf = ["plot", "runs.csv", "--x", "loss", "--y", "x_ms", "--color", "proto", "-o", "out.pdf"];
    expect(&tidewire(dir.path(), &pdf), 0, "");
    assert!(fs::read(dir.path().join("out.pdf")).unwrap().starts_with(b"%PDF-"));
}

#[test]
fn clean_deletes_old_results_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results/e");
    for key in ["00000001", "00000002", "notakey", "0000000x"] {
        fs::create_dir_all(results.join(key).join("parts")).unwrap();
        fs::write(results.join(key).join("manifest.json"), key).unwrap();
    }
    expect(&tidewire(dir.path(), &["clean", "--dry-run"]), 0, "");
    assert!(results.join("00000001").exists());
    expect(&tidewire(dir.path(), &["clean"]), 0, "");
    let mut left: Vec<String> = fs::read_dir(&results)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.contains(&"notakey".to_owned()) && left.contains(&"0000000x".to_owned()));
    expect(&tidewire(dir.path(), &["clean", "--out", "nowhere"]), 5, "cannot read nowhere");
}

#[test]
fn completions_are_printed_for_a_shell() {
    let dir = tempfile::tempdir().unwrap();
    let output = tidewire(dir.path(), &["completions", "bash"]);
    assert!(text(&output.stdout).contains("_tidewire"));
}

#[test]
fn the_reference_in_the_documentation_is_what_the_command_prints() {
    let dir = tempfile::tempdir().unwrap();
    let printed = text(&tidewire(dir.path(), &["doc", "--markdown"]).stdout);
    let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    let written = fs::read_to_string(written).unwrap();
    assert!(written == printed, "write it anew: tidewire doc --markdown > docs/reference.md");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.lua"), "print 'hello'").unwrap();
    let run = |out: std::process::Stdio| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidewire"));
        let child = command.args(["run", "x.lua", "-q"]).current_dir(dir.path()).stdout(out);
        child.stderr(std::process::Stdio::piped()).output().unwrap()
    };
    let full = run(fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into());
    assert_eq!(full.status.code(), Some(5));
    assert!(text(&full.stderr).contains("cannot write to standard output"), "{}", text(&full.stderr));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(writer.into()).status.code(), Some(0));
}

#[test]
fn metrics_that_do_not_say_their_unit_get_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let script = "experiment { name = 'u', reps = 2, units = { jain = '1' } } record { jain = 1, speed = 2, delay_ms = 3, note = 'x' }";
    fs::write(dir.path().join("u.lua"), script).unwrap();
    let output = tidewire(dir.path(), &["sweep", "u.lua", "--no-progress"]);
    let said = text(&output.stderr);
    assert!(said.contains("no unit in the name of speed:"), "{said}");
}

#[test]
fn thresholds_and_plots_that_make_no_sense_are_shown_in_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let script = "experiment {\n  expect = { \"mean(y_ms) > \" },\n}\nrecord { y_ms = 1 }\n";
    fs::write(dir.path().join("c.lua"), script).unwrap();
    let output = tidewire(dir.path(), &["sweep", "c.lua", "--no-progress"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let quoted = lines.iter().position(|line| line.starts_with("  c.lua:")).expect(&said);
    assert!(lines[quoted].contains("expect") || lines[quoted].contains("experiment"), "{said}");
    assert!(lines[quoted + 1].trim_start().starts_with('^'), "{said}");
}
