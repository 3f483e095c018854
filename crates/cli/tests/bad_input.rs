//! Bad input, from outside: what is wrong, where, what to write instead, the exit code, and nothing lost.

mod place;

use place::{Place, text};
use std::fs;

const PAIR: &str = "local a, b = net:host 'a', net:host 'b'; net:link(a, b, { delay = '5ms' })\n";

/// Runs a script of two hosts (the mistake is on line 2), expects an exit code and parts of the message.
#[track_caller]
fn wrong(code: &str, exit: i32, says: &[&str]) {
    let place = Place::new(&[("bad.lua", &format!("{PAIR}{code}"))]);
    let (_, err) = place.expect("run bad.lua --script-timeout 200ms", exit);
    assert!(err.starts_with("error: "), "{err}");
    for part in says {
        assert!(err.contains(part), "{code}\n{err}\nshould contain {part}");
    }
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn a_typo_in_an_option() {
    wrong(
        "net:link(a, b, { dealy = '5ms' })",
        3,
        &["'dealy'", "did you mean 'delay'?", "bad.lua:2", "^^^^^"],
    );
}

#[test]
fn a_wrong_unit() {
    wrong("net:link(a, b, { rate = '10Mb' })", 3, &["did you mean '10Mbps' (rate) or '10MB'", "bad.lua:2"]);
}

#[test]
fn a_bare_number_as_a_rate() {
    wrong("net:link(a, b, { rate = 10 })", 3, &["rate = 10 is 10 bit/s", "write \"10Mbps\"", "bad.lua:2"]);
}

#[test]
fn an_unreachable_destination() {
    let code = "local c = net:host 'c'\nlocal s = a:connect(c, 80)\ns:send 'x'";
    wrong(code, 3, &["bad.lua:4", "bad.lua:3: connect() returned nil, \"unreachable\"", "assert(...)"]);
    let place = Place::new(&[("far.lua", &format!("{PAIR}print(a:ping(net:host 'c'))"))]);
    let (out, err) = place.expect("run far.lua", 0);
    assert!(out.contains("nil\tunreachable"), "{out}");
    assert!(
        err.contains("warning: nothing can reach 'c': it has no link") && err.contains("far.lua:2"),
        "{err}"
    );
    let (_, err) = place.expect("check far.lua", 0);
    assert!(err.contains("'c'") && err.contains("no link"), "{err}");
}

#[test]
fn a_missing_file() {
    let place = Place::new(&[("hello.lua", "")]);
    let (_, err) = place.expect("run helo.lua", 5);
    assert!(err.contains("there is no script 'helo.lua'; did you mean 'hello.lua'?"), "{err}");
    wrong("read_file 'nothing.csv'", 5, &["nothing.csv", "bad.lua:2"]);
}

#[test]
fn an_unwritable_results_folder() {
    let place = Place::new(&[("x.lua", "experiment {}\nnet:host 'a'"), ("results", "in the way")]);
    let (out, err) = place.expect("sweep x.lua", 5);
    assert!(err.contains("cannot write results/x/") && err.contains("Use --out DIR."), "{err}");
    assert_eq!(out, "", "nothing was computed in vain");
}

#[test]
fn a_syntax_error() {
    wrong("local x = = 1", 3, &["unexpected symbol near '='", "bad.lua:2:  local x = = 1"]);
}

#[test]
fn an_error_inside_a_process() {
    let code = "b:spawn(function() local x; x.y = 1 end)";
    wrong(code, 3, &["attempt to index a nil value (local 'x')", "bad.lua:2", "in process 'process 1' of b"]);
}

#[test]
fn a_deadlock() {
    wrong("b:udp(9):recvfrom()", 3, &["deadlock at t = 0s", "recvfrom()", "bad.lua:2", "on UDP port 9"]);
}

#[test]
fn a_port_in_use() {
    let other = "\"in use\": another socket of this host has the port";
    let says: &[&str] = &["bad.lua:4", "bad.lua:3: listen() returned nil, ", other, "assert(...)"];
    wrong("local s = b:listen(80)\nlocal t = b:listen(80)\nt:accept()", 3, says);
    wrong("b:udp(80)\nassert(b:udp(80))", 3, &["udp() failed, ", other, "bad.lua:3"]);
    wrong("b:serve(80, print)\nassert(b:serve(80, print))", 3, &["serve() failed, ", other, "bad.lua:3"]);
    wrong(
        "b:sink(80)\na:bulk { to = b, port = 80, size = 1000 }\nassert(b:listen(80))",
        3,
        &[other, "bad.lua:4"],
    );
}

#[test]
fn a_port_beyond_the_last() {
    wrong("b:udp(65536)", 3, &["65536 is not a port: ports are 0 to 65535", "bad.lua:2"]);
}

#[test]
fn a_script_that_never_waits() {
    wrong("while true do end", 4, &["bad.lua:2", "ran too long without waiting", "--script-timeout"]);
}

#[test]
fn a_flow_without_an_end_in_a_run_without_one() {
    wrong("a:bulk { to = b }", 3, &["the run would never end", "duration = \"30s\"", "bad.lua:2"]);
    let place = Place::new(&[("bad.lua", &format!("{PAIR}a:bulk {{ to = b }}"))]);
    assert!(place.expect("check bad.lua", 3).1.contains("the run would never end"));
}

#[test]
fn one_address_for_two_hosts() {
    let code = "local c, d = net:host('c', { ip = '10.9.0.1/24' }), net:host('d', { ip = '10.9.0.1/24' })\nnet:link(c, d)";
    wrong(code, 3, &["'c' and 'd' both have the address 10.9.0.1", "bad.lua:2"]);
}

#[test]
fn a_value_on_the_command_line_that_the_script_does_not_know() {
    let grid = "local p = experiment { params = { proto = { 'tcp', 'udp' }, loss = { '0%', '1%' }, n = { 1, 2 } } }\nnet:host 'a'";
    let place = Place::new(&[("x.lua", grid)]);
    let warning = "warning: -p proto=tpc: the script's values of 'proto' are tcp, udp; did you mean 'tcp'?";
    for command in ["run", "check", "sweep"] {
        let (_, err) = place.expect(&format!("{command} x.lua -p proto=tpc"), 0);
        assert!(err.contains(warning), "{command}: {err}");
    }
    for (value, warns) in
        [("proto=udp", false), ("loss=3%", false), ("n=7", false), ("loss=lots", true), ("loss=3ms", true)]
    {
        let (_, err) = place.expect(&format!("run x.lua -p {value}"), 0);
        assert_eq!(err.contains("warning:"), warns, "{value}: {err}");
    }
}

#[test]
fn a_plot_that_nearly_names_a_parameter_is_found_before_the_sweep() {
    let script = "experiment {\n  params = { loss = { '0%', '1%' } },\n  plot = { x = 'los', y = 'x_ms' },\n}\nnet:host 'a'\nrecord { x_ms = 1 }";
    let place = Place::new(&[("x.lua", script)]);
    for command in ["check", "run", "sweep"] {
        let (_, err) = place.expect(&format!("{command} x.lua"), 3);
        assert!(err.contains("\"los\" names no parameter; did you mean 'loss'?"), "{err}");
        assert!(err.contains("x.lua:3"), "{err}");
    }
    assert!(!place.path("results").exists());
}

#[test]
fn a_run_tells_of_thresholds_and_plots_that_nearly_name_what_it_recorded() {
    let script = "experiment { expect = { 'mean(latncy_ms) < 5' }, plot = { kind = 'cdf', y = 'latency_m' } }\nnet:host 'a'\nrecord { latency_ms = 1 }";
    let place = Place::new(&[("x.lua", script)]);
    let (_, err) = place.expect("run x.lua", 0);
    assert_eq!(err.matches("warning:").count(), 2, "{err}");
    assert_eq!(err.matches("did you mean 'latency_ms'?").count(), 2, "{err}");
    assert_eq!(err.matches("x.lua:1").count(), 2, "{err}");
}

#[test]
fn names_of_metrics_that_nobody_records_are_told_with_their_line() {
    let script = "experiment {\n  params = { loss = { '0%', '1%' } },\n  expect = { 'mean(b_ms) < 5' },\n  \
                  plot = {\n    { x = 'rtt', y = 'latency_ms' },\n    { x = 'loss_ratio', y = 'latency_ms' },\n  },\n}\n\
                  net:host 'a'\nrecord { latency_ms = 1 }";
    let place = Place::new(&[("x.lua", script)]);
    let (_, err) = place.expect("run x.lua", 0);
    assert_eq!(err.matches("warning:").count(), 2, "{err}");
    assert!(err.contains("no metric 'rtt'\n  metrics: latency_ms loss\n  x.lua:5"), "{err}");
    assert!(err.contains("'mean(b_ms) < 5' names no metric\n  metrics: latency_ms\n  x.lua:3"), "{err}");
    // Another point could have recorded them: a sweep says so at its end.
    let (_, err) = place.expect("sweep x.lua", 3);
    assert!(err.contains("x.lua:3") && err.contains("x.lua:5"), "{err}");
    assert_eq!(fs::read_to_string(place.path("results/x/latest/runs.csv")).unwrap().lines().count(), 3);
    assert!(place.path("results/x/latest/plots/loss_ratio-latency_ms.svg").exists());
}

#[test]
fn a_sweep_of_a_single_run_shows_what_it_prints_and_checks() {
    let place =
        Place::new(&[("x.lua", "net:host 'a'\nprint 'hello'\ncheck(true, 'one')\ncheck(false, 'two')")]);
    let (out, _) = place.expect("sweep x.lua", 1);
    assert!(out.starts_with("hello\n"), "{out}");
    assert!(out.contains("FAIL  two  x.lua:4") && out.contains("checks 1/2"), "{out}");
    let runs = fs::read_to_string(place.path("results/x/latest/runs.csv")).unwrap();
    assert!(runs.lines().nth(1).unwrap().ends_with(",check_failed,x.lua:4: two"), "{runs}");
    let (out, err) = place.expect("sweep x.lua", 1);
    assert!(out.contains("nothing to run, 1 run found") && err.contains("1 of 1 run found"), "{out}{err}");
}

#[test]
fn figures_without_numbers_are_told_and_not_counted() {
    let place = Place::new(&[(
        "x.lua",
        "experiment { reps = 2 }\nnet:host 'a'\nrecord { x_ms = 0/0, z_ms = 'text' }",
    )]);
    for _ in 0..2 {
        let (out, err) = place.expect("sweep x.lua", 0);
        assert_eq!(err.matches("warning: x_ms is not a number").count(), 1, "{err}");
        assert!(err.contains("z_ms is the text \"text\"") && err.contains("x.lua:3"), "{err}");
        assert!(!out.contains("more metrics"), "{out}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_hangs_in_a_library_function_is_named_and_the_others_are_kept() {
    let script = "local p = experiment { params = { n = { 1, 2, 3 } } }\nnet:host 'a'\nrecord { x_ms = p.n }\n\
                  if p.n == 2 then\n  local s = ('a'):rep(40)\n  s:find(('a*'):rep(20) .. 'b')\nend";
    let place = Place::new(&[("x.lua", script)]);
    let (out, err) = place.expect("sweep x.lua -j 1 --script-timeout 100ms", 4);
    assert!(err.contains("x.lua is stuck in a library function") && err.contains("x.lua:6"), "{err}");
    assert!(err.contains("in the run n=2 rep=1; repeat it: tidewire run x.lua -p n=2 --rep 1"), "{err}");
    assert!(out.contains("1 of 3 runs failed") && out.contains("run again to resume: 2/3 done"), "{out}");
    // What was recorded before it hung is kept.
    assert!(fs::read_to_string(place.path("results/x/latest/runs.csv")).unwrap().contains(",2,2,failed,"));
    let rows = |n: usize| {
        let runs = fs::read_to_string(place.path("results/x/latest/runs.csv")).unwrap();
        assert_eq!(runs.lines().count(), n + 1, "{runs}");
        assert!(runs.contains("n-2-r1") || runs.contains("2-r1,"), "{runs}");
    };
    rows(2);
    // What failed comes last: now the third run is done before the second one hangs again.
    place.expect("sweep x.lua -j 1 --script-timeout 100ms", 4);
    rows(3);
}

/// A limit on the size of files acts as a disk without room.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing_that_is_finished() {
    use std::os::unix::process::CommandExt;
    let script = "local p = experiment { params = { rows = { 1, 2, 20000 } } }\nnet:host 'a'\n\
                  for i = 1, p.rows do record('many', { i = i, text = 'a text of some length' }) end\nrecord { x_ms = p.rows }";
    let place = Place::new(&[("x.lua", script)]);
    let mut command = place.command("sweep x.lua -j 1");
    // SAFETY: only calls that are allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            let limit = libc::rlimit { rlim_cur: 100_000, rlim_max: 100_000 };
            if libc::setrlimit(libc::RLIMIT_FSIZE, &limit) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        });
    }
    let output = command.output().unwrap();
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{err}");
    assert!(err.contains("cannot write results/x/") && err.contains("2 of 3 runs are kept"), "{err}");
    assert!(err.contains("make room and run again to resume"), "{err}");
    let runs = fs::read_to_string(place.path("results/x/latest/runs.csv")).unwrap();
    assert_eq!(runs.lines().count(), 3, "{runs}");
    let (_, err) = place.expect("sweep x.lua -j 1", 0);
    assert!(err.contains("2 of 3 runs found, 1 to go"), "{err}");
}

#[test]
fn what_is_wrong_with_a_whole_network_has_its_place_in_the_file() {
    let json = "{\n\"nodes\":[{\"name\":\"a\",\"ip\":\"10.0.0.1/24\"},\n{\"name\":\"b\",\"ip\":\"10.0.0.1/24\"}],\n\"links\":[{\"ends\":[\"a\",\"b\"]}]}";
    let nodes = "[[nodes]]\nname = \"a\"\n[[nodes]]\nname = \"b\"\n[[nodes]]\nname = \"c\"\n[[nodes]]\nname = \"s\"\nkind = \"switch\"\n";
    let links = ["a", "b", "c"].map(|end| format!("[[links]]\nends = [\"{end}\", \"s\"]\n")).concat();
    let toml = format!("{nodes}{links}[[subnets]]\nprefix = \"192.168.1.0/30\"\nnodes = [\"a\", \"b\"]\n");
    let loopback = "[[nodes]]\nname = \"a\"\n[[nodes]]\nname = \"b\"\nip = \"127.0.0.1/8\"\n";
    let reserved = "{\n\"nodes\":[{\"name\":\"a\"},\n{\"name\":\"b\",\"ip\":\"240.0.0.1/8\"}]}";
    let outer = "{\"include\":[{\"file\":\"ip.json\",\"prefix\":\"x-\"}]}";
    let place = Place::new(&[
        ("ip.json", json),
        ("sub.toml", &toml),
        ("outer.json", outer),
        ("loop.toml", loopback),
        ("reserved.json", reserved),
    ]);
    for (file, says) in [
        ("ip.json", "error: ip.json:3: 'a' and 'b' both have the address 10.0.0.1"),
        ("outer.json", "error: ip.json:3: 'x-a' and 'x-b' both have the address 10.0.0.1"),
        (
            "loop.toml",
            "error: loop.toml:3: node 'b': '127.0.0.1/8' cannot be a host's address: its network holds",
        ),
        (
            "reserved.json",
            "error: reserved.json:3: node 'b': '240.0.0.1/8' cannot be a host's address: its network",
        ),
        ("sub.toml", "error: sub.toml:16: subnet 192.168.1.0/30 has 2 addresses for hosts, but 3 are needed"),
    ] {
        let (_, err) = place.expect(&format!("topo {file}"), 3);
        assert!(err.contains(says), "{file}: {err}");
        fs::write(place.path("load.lua"), format!("net:load '{file}'\nsleep '1s'\n")).unwrap();
        let (_, err) = place.expect("run load.lua", 3);
        assert!(err.contains(says.trim_start_matches("error: ")), "{file}: {err}");
    }
}
