//! Whole experiments from outside: files, exit codes, what is printed where.

mod place;

use place::{Place, text};
use std::fs;
use std::path::Path;

const SWEEP: &str = r#"
local p = experiment {
  name = "lossy", params = { loss = { "0%", "2%" }, proto = { "tcp", "udp" } }, order = { "proto", "loss" },
  reps = 3, duration = "4s", warmup = "1s",
  expect = { { "mean(goodput_mbps) > 2", where = { loss = "0%" } } },
  plot = { x = "loss", y = "goodput_mbps", color = "proto" },
}
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "4Mbps", delay = "5ms", forward = { loss = p.loss } })
local flow = p.proto == "tcp" and a:bulk { to = b } or a:cbr { to = b, rate = "3Mbps", size = 1000 }
at_end(function() record { goodput_mbps = flow.goodput_mbps } end)
"#;

fn csv_files(folder: &Path) -> Vec<(String, String)> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<(String, String)> = names
        .filter(|name| name.ends_with(".csv"))
        .map(|name| (name.clone(), fs::read_to_string(folder.join(name)).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_sweep_leaves_tables_plots_and_a_manifest() {
    let place = Place::new(&[("lossy.lua", SWEEP)]);
    let (out, err) = place.expect("sweep lossy.lua", 0);
    assert!(
        err.contains("lossy: proto(2) x loss(2) x 3 reps = 12 runs of 4 s simulated time, seed 1"),
        "{err}"
    );
    let remark =
        "all replications are equal at proto=tcp loss=0%, proto=udp loss=0%: nothing is random there";
    assert!(out.contains(remark), "{out}");
    for part in ["goodput_mbps", "loss=0%", "proto=tcp", "ok    mean(goodput_mbps) > 2", "runs.csv"] {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
    let latest = place.path("results/lossy/latest");
    for file in ["script.lua", "expect.json", "manifest.json", "plots/loss-goodput_mbps.svg"] {
        assert!(fs::metadata(latest.join(file)).unwrap().len() > 0, "{file}");
    }
    let files = csv_files(&latest);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["flows.csv", "ledger.csv", "links.csv", "runs.csv", "summary.csv"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let runs = fs::read_to_string(latest.join("runs.csv")).unwrap();
    assert!(runs.starts_with("run,point,rep,seed,proto,loss,loss_ratio,goodput_mbps,"), "{runs}");
    assert_eq!(runs.lines().count(), 13);
    assert!(place.expect("plot", 0).0.contains("loss-goodput_mbps.svg"));
}

#[test]
fn tables_are_the_same_for_one_thread_and_for_three() {
    let place = Place::new(&[("lossy.lua", SWEEP)]);
    place.expect("sweep lossy.lua -q -j 1 --out one", 0);
    place.expect("sweep lossy.lua -q -j 3 --out three", 0);
    let [one, three] = ["one", "three"].map(|out| csv_files(&place.path(out).join("lossy/latest")));
    assert!(one.len() >= 5 && one == three);
}

#[test]
fn a_sweep_goes_on_where_an_earlier_one_stopped() {
    let place = Place::new(&[("lossy.lua", SWEEP)]);
    place.expect("sweep lossy.lua --reps 2 -p proto=tcp", 0);
    let (_, err) = place.expect("sweep lossy.lua", 0);
    assert!(err.contains("4 of 12 runs found, 8 to go"), "{err}");
    place.expect("sweep lossy.lua -q --out whole", 0);
    assert!(csv_files(&place.path("results/lossy/latest")) == csv_files(&place.path("whole/lossy/latest")));
    fs::write(place.path("lossy.lua"), format!("{SWEEP}\n-- another")).unwrap();
    let (_, err) = place.expect("sweep lossy.lua --dry-run", 0);
    assert!(err.contains("script changed since "), "{err}");
}

#[test]
fn a_single_run_of_a_sweep_is_the_same_run() {
    let place = Place::new(&[("lossy.lua", SWEEP)]);
    place.expect("sweep lossy.lua -q", 0);
    let before = csv_files(&place.path("results/lossy/latest"));
    let (out, err) = place.expect("lossy.lua -p proto=udp -p loss=2% --rep 3 -v", 0);
    assert!(out.contains("goodput_mbps") && out.contains("ledger"), "{out}");
    assert!(err.contains("lossy: proto=udp loss=2% rep=3 seed=1   4 s simulated in"), "{err}");
    assert!(before == csv_files(&place.path("results/lossy/latest")));
}

#[test]
fn a_threshold_or_check_that_fails_exits_with_1() {
    let strict = SWEEP.replace("> 2\"", "> 9\"");
    let check = "net:host 'a'; check(1 == 2, 'one is not %d', 2)";
    let place = Place::new(&[("strict.lua", &strict), ("check.lua", check)]);
    let (out, _) = place.expect("sweep strict.lua", 1);
    assert!(out.contains("FAIL  mean(goodput_mbps) > 9"), "{out}");
    assert!(out.contains("look closer: tidewire run strict.lua -p proto=tcp -p loss=0% --rep "), "{out}");
    assert!(out.contains("1 of 1 threshold failed"), "{out}");
    let (out, _) = place.expect("run check.lua", 1);
    assert!(out.contains("FAIL  one is not 2  check.lua:1"), "{out}");
}

#[test]
fn a_failed_check_is_told_in_quiet_and_counted_when_its_run_is_found_again() {
    let text = "local p = experiment { params = { x = { 1, 2 } } }\ncheck(p.x == 1, 'x is %d', p.x)\nrecord { y_ms = 1 }\n";
    let place = Place::new(&[("c.lua", text)]);
    let (out, _) = place.expect("sweep c.lua -q", 1);
    assert!(out.contains("FAIL  x is 2  c.lua:2  in run ") && out.contains("look closer"), "{out}");
    let (out, _) = place.expect("sweep c.lua --json", 1);
    assert!(out.contains("\"checks\":{\"failed\":1,\"passed\":1}"), "{out}");
}

#[test]
fn thresholds_and_plots_that_name_nothing_are_errors_with_a_suggestion() {
    let cases = [
        ("mean(goodput_mbps)", "maen(goodput_mbps)", "did you mean 'mean'?"),
        ("mean(goodput_mbps)", "mean(godput_mbps)", "names no metric; did you mean 'goodput_mbps'?"),
        ("where = { loss", "where = { lss", "did you mean 'loss'?"),
        ("color = \"proto\"", "color = \"prto\"", "did you mean 'proto'?"),
        ("y = \"goodput_mbps\"", "y = \"goodput_mbs\"", "did you mean 'goodput_mbps'?"),
    ];
    for (right, wrong, message) in cases {
        let place = Place::new(&[("lossy.lua", &SWEEP.replace(right, wrong))]);
        let (_, err) = place.expect("sweep lossy.lua", 3);
        assert!(err.contains(message), "{wrong}: {err}");
    }
}

#[test]
fn what_only_some_points_record_is_no_mistake() {
    let text = r#"
local p = experiment { params = { proto = { "tcp", "udp" } }, reps = 2, 
  expect = { { "mean(udp_mbps) > 0", where = { proto = "udp" } } },
  plot = { x = "proto", y = { "tcp_mbps", "udp_mbps" } } }
record { [p.proto .. "_mbps"] = 1 + random.uniform(0, 1) }
"#;
    let place = Place::new(&[("some.lua", text)]);
    for jobs in [1, 2] {
        let (out, err) = place.expect(&format!("sweep some.lua --fresh -j {jobs}"), 0);
        assert!(out.contains("proto-tcp_mbps.svg") && out.contains("proto-udp_mbps.svg"), "{out}{err}");
    }
    let wrong = text.replace("\"udp_mbps\" }", "\"udq_mbps\" }");
    let place = Place::new(&[("some.lua", &wrong)]);
    let (_, err) = place.expect("sweep some.lua --reps 50 -j 1", 3);
    assert!(err.contains("no metric 'udq_mbps'; did you mean 'udp_mbps'?"), "{err}");
    assert!(fs::read_dir(place.path("results/some/latest/parts")).unwrap().count() < 50, "stopped early");
}

#[test]
fn a_swarm_gives_the_same_tables_with_one_worker_and_with_two() {
    let text = r#"
local p = experiment { name = "swarm", params = { u = { 2, 4 } }, reps = 2 }
local core, origin, peers = net:router "core", net:host "origin", net:hosts("peer", 4)
net:link(origin, core, { rate = "5Mbps", delay = "5ms" })
for _, peer in ipairs(peers) do net:link(peer, core, { rate = p.u .. "Mbps", delay = "5ms", loss = "0.5%" }) end
local s = net:swarm { seed = origin, peers = peers, size = "300kB", piece = "16KiB", interval = "500ms", arrive = "100ms", log = true }
s:wait()
record { finish_s = s.last_finish }
stop()
"#;
    let place = Place::new(&[("swarm.lua", text)]);
    let tables = |jobs: u32| {
        place.expect(&format!("sweep swarm.lua --fresh -j {jobs}"), 0);
        csv_files(&place.path("results/swarm/latest"))
    };
    let alone = tables(1);
    let swarm = &alone.iter().find(|(name, _)| name == "swarm.csv").expect("swarm.csv").1;
    assert_eq!(swarm.lines().count(), 1 + 4 * 5, "{swarm}");
    assert_eq!(tables(2), alone);
}

#[test]
fn a_mistake_that_fails_every_run_is_the_only_one_told() {
    let text = "experiment { params = { a = { 1, 2 } }, plot = { x = 'a', y = 'x_ms' } }\nlocal n = nil\nrecord { x_ms = n.y }";
    let place = Place::new(&[("bad.lua", text)]);
    let (_, err) = place.expect("sweep bad.lua", 3);
    assert!(err.contains("bad.lua:3") && !err.contains("plot:"), "{err}");
}

#[test]
fn a_misspelt_value_of_the_command_line_leaves_nothing_in_the_tables() {
    let place = Place::new(&[("lossy.lua", SWEEP)]);
    place.expect("sweep lossy.lua --reps 1 -p proto=udp", 0);
    place.expect("sweep lossy.lua --reps 1 -p proto=udp -p loss=foo", 3);
    let runs = fs::read_to_string(place.path("results/lossy/latest/runs.csv")).unwrap();
    assert!(runs.lines().count() == 3 && !runs.contains("foo"), "{runs}");
}

#[test]
fn a_plot_without_anything_to_draw_is_an_error_that_says_what_to_write() {
    let text = SWEEP
        .replace("at_end(", "a:spawn(print) flow:watch('queue_bytes')\nat_end(")
        .replace("flow:watch", "net.links[1]:watch");
    let place = Place::new(&[("lossy.lua", &text)]);
    place.expect("sweep lossy.lua --reps 1", 0);
    let (_, err) = place.expect("plot --x loss --y queue_bytes", 2);
    assert!(err.contains("it is a time series; write --series queue_bytes"), "{err}");
    let (_, err) = place.expect("plot --x loss --y status", 2);
    assert!(err.contains("nothing to draw"), "{err}");
}

#[test]
fn a_wrong_command_line_is_json_on_stdout_where_json_is_asked_for() {
    let place = Place::new(&[("lossy.lua", SWEEP)]);
    let (out, err) = place.expect("sweep lossy.lua --json --jbos 2", 2);
    assert!(
        out.starts_with("{\"error\":\"unexpected argument '--jbos'") && err.contains("--jobs"),
        "{out}{err}"
    );
    let (_, err) = place.expect("sweep lossy.lua --reps 1 --log-level error", 0);
    assert_eq!(err, "");
}

#[test]
fn what_was_printed_before_a_mistake_is_shown() {
    let place = Place::new(&[("bad.lua", "print 'so far'\nnet:link(1)\n")]);
    let (out, err) = place.expect("run bad.lua", 3);
    assert!(out.contains("so far") && err.contains("bad.lua:2"), "{out}{err}");
}

#[test]
fn a_line_over_time_is_of_one_object_in_one_run() {
    let text = r#"
local p = experiment { params = { q = { "20pkt", "60pkt" } }, duration = "1s", plot = { series = "queue_bytes", color = "q" } }
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "10ms", queue = p.q }):watch("queue_bytes")
a:bulk { to = b } b:bulk { to = a }
"#;
    let place = Place::new(&[("two.lua", text)]);
    place.expect("sweep two.lua", 0);
    let svg = fs::read_to_string(place.path("results/two/latest/plots/series-queue_bytes.svg")).unwrap();
    for panel in ["object = a-b&gt;", "object = a-b&lt;"] {
        assert!(svg.contains(panel), "{panel} is no panel of its own");
    }
}

#[test]
fn an_error_in_one_run_leaves_the_others_alone() {
    let failing = SWEEP.replace(
        "at_end(",
        "if p.proto == 'udp' then after('1s', function() local x; x.y = 1 end) end\nat_end(",
    );
    let place = Place::new(&[("lossy.lua", &failing)]);
    let (out, err) = place.expect("sweep lossy.lua", 3);
    assert!(err.contains("error in run ") && err.contains("lossy.lua:11"), "{err}");
    assert!(
        err.contains("the other 11 runs continue; repeat this one: tidewire run lossy.lua -p proto=udp"),
        "{err}"
    );
    assert!(err.contains("5 more runs failed in the same way"), "{err}");
    assert!(out.contains("6 of 12 runs failed"), "{out}");
    let runs = fs::read_to_string(place.path("results/lossy/latest/runs.csv")).unwrap();
    assert_eq!(
        (runs.matches(",ok,").count(), runs.matches(",failed,lossy.lua:11: attempt").count()),
        (6, 6),
        "{runs}"
    );
}

#[test]
fn bad_input_has_a_message_a_place_and_an_exit_code() {
    let link =
        |options: &str| format!("local a, b = net:host 'a', net:host 'b'\nnet:link(a, b, {{ {options} }})");
    let cases: Vec<(String, i32, &[&str])> = vec![
        (link("dealy = '5ms'"), 3, &["unknown option 'dealy'", "did you mean 'delay'?", "bad.lua:2"]),
        (link("delay = '5 %ms'"), 3, &["'5 %ms' is not a time", "bad.lua:2"]),
        (link("rate = 10"), 3, &["10 bit/s", "10Mbps", "bad.lua:2"]),
        (link("loss = 5"), 3, &["did you mean '5%'?"]),
        ("local x = = 1".into(), 3, &["bad.lua:1", "="]),
        (link("rate = '10Mbps'") + "\na:spawn(function() local x; x.y = 1 end)", 3, &["bad.lua:3"]),
        (link("rate = '10Mbps'") + "\nlocal s = b:udp(9)\ns:recvfrom()", 3, &["deadlock", "bad.lua:4"]),
        (link("rate = '10Mbps'") + "\nlocal s = b:udp(65536)", 3, &["65536", "bad.lua:3"]),
        (link("rate = '10Mbps'") + "\nwhile true do end", 4, &["bad.lua:3"]),
    ];
    for (script, code, parts) in cases {
        let place = Place::new(&[("bad.lua", &script)]);
        let (_, err) = place.expect("run bad.lua --script-timeout 200ms", code);
        assert!(err.starts_with("error: "), "{script}\n{err}");
        parts.iter().for_each(|part| assert!(err.contains(part), "{script}\n{err}\nshould contain {part}"));
        assert!(!err.contains("panicked"), "{err}");
    }
}

#[test]
fn a_results_folder_that_cannot_be_written_is_found_before_the_first_run() {
    let place = Place::new(&[("lossy.lua", SWEEP), ("results", "a file in the way")]);
    let (out, err) = place.expect("sweep lossy.lua", 5);
    assert!(err.contains("cannot write results/lossy/"), "{err}");
    assert!(err.contains("checked before the first run; nothing was computed. Use --out DIR."), "{err}");
    assert_eq!(out, "");
    place.expect("sweep lossy.lua --out elsewhere -q", 0);
    place.expect("run lossy.lua", 5);
}

#[test]
fn json_is_alone_on_stdout() {
    let place = Place::new(&[("lossy.lua", SWEEP), ("hello.lua", "net:host 'a'; print 'hello'")]);
    let (out, err) = place.expect("run lossy.lua --json", 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    for key in ["runs", "sim_s", "wall_s", "cpu_s", "events", "packet_hops", "peak_rss_bytes"] {
        assert!(json[key].as_f64().is_some_and(|x| x > 0.0), "{key} in {json}");
    }
    assert!(json["record"]["goodput_mbps"].as_f64().unwrap() > 2.0 && json["exit"] == 0);
    assert!(err.contains("goodput_mbps"), "{err}");
    let (out, _) = place.expect("sweep lossy.lua --json", 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&json["runs"], &json["found"], &json["thresholds"]["passed"]),
        (&12.into(), &1.into(), &1.into())
    );
    let (out, err) = place.expect("run hello.lua --json", 0);
    assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
    assert!(err.contains("hello"), "what the script prints goes to stderr: {err}");
}

#[test]
fn a_script_that_measures_nothing_leaves_no_files() {
    let place = Place::new(&[("hello.lua", "net:host 'a'; print 'hello'")]);
    assert_eq!(place.expect("hello.lua", 0).0, "hello\n");
    assert!(!place.path("results").exists());
    place.expect("hello.lua --out kept", 0);
    assert!(place.path("kept/hello/latest/manifest.json").exists());
    fs::write(place.path("measures.lua"), "net:host 'a'; record { x_ms = 3 }").unwrap();
    place.expect("measures.lua", 0);
    let runs = fs::read_to_string(place.path("results/measures/latest/runs.csv")).unwrap();
    assert!(runs.starts_with("run,point,rep,seed,x_ms,ended"), "{runs}");
}

#[test]
fn a_script_can_come_from_standard_input() {
    use std::io::Write;
    let place = Place::new(&[]);
    let mut child = place
        .command("-")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"net:host 'a'; print(now())").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).trim()), (Some(0), "0.0"));
}

#[test]
fn check_and_topo_show_what_a_script_builds() {
    let lonely = format!("{SWEEP}\nnet:host 'c'");
    let place = Place::new(&[("lossy.lua", SWEEP), ("lonely.lua", &lonely)]);
    assert!(place.expect("check lossy.lua", 0).0.contains("ok  lossy.lua: 4 points"));
    let (out, err) = place.expect("check lonely.lua", 0);
    assert!(out.contains("warning") && err.contains("'c'"), "{out}{err}");
    place.expect("check lonely.lua --strict", 3);
    assert!(place.expect("topo lossy.lua", 0).0.contains("10.0.0.1/24"));
    assert!(place.expect("topo lossy.lua --dot", 0).0.starts_with("graph "));
    assert!(place.expect("topo lossy.lua --svg", 0).0.starts_with("<svg"));
    fs::write(place.path("net.json"), place.expect("topo lossy.lua --json", 0).0).unwrap();
    assert_eq!(place.expect("topo net.json", 0).0, place.expect("topo lossy.lua", 0).0);
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_keeps_what_is_finished_and_can_be_resumed() {
    let slow = SWEEP.replace("reps = 3", "reps = 400").replace("\"4s\"", "\"20s\"");
    let place = Place::new(&[("lossy.lua", &slow)]);
    let child = place
        .command("sweep lossy.lua -j 1")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let parts = || {
        let folders = fs::read_dir(place.path("results/lossy")).into_iter().flatten().flatten();
        folders.flat_map(|folder| fs::read_dir(folder.path().join("parts")).into_iter().flatten()).count()
    };
    while parts() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // SAFETY: a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let output = child.wait_with_output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{out}\n{err}");
    assert!(err.contains("stopping"), "{err}");
    assert!(out.contains("run again to resume: "), "{out}");
    let runs = fs::read_to_string(place.path("results/lossy/latest/runs.csv")).unwrap();
    let finished = runs.lines().count() - 1;
    assert!((3..1600).contains(&finished), "{finished}");
    let (_, err) = place.expect("sweep lossy.lua --reps 1 -q --json", 0);
    assert!(!err.contains("error"), "{err}");
}

#[test]
fn a_check_finds_parameters_that_nothing_reads_and_globals_by_accident() {
    let unread = "local p = experiment { params = { loss = {'0%', '1%'}, n = {1, 2} } }  net:hosts('h', p.n)";
    let place = Place::new(&[
        ("unread.lua", unread),
        ("global.lua", "local a = net:host 'a'\nlocal function f() count = 1 end\nf()"),
        (
            "fine.lua",
            "local p = experiment { params = { loss = {'0%'} } }\nlocal function f() return p.loss end f()",
        ),
    ]);
    let (_, err) = place.expect("check unread.lua", 0);
    assert!(err.contains("parameter 'loss' is never read") && !err.contains("'n'"), "{err}");
    place.expect("check unread.lua --strict", 3);
    place.expect("check global.lua", 0);
    let (_, err) = place.expect("check global.lua --strict", 3);
    assert!(
        err.contains("'count' becomes a global variable; write local count") && err.contains("global.lua:2"),
        "{err}"
    );
    place.expect("check fine.lua --strict", 0);
}

#[test]
fn the_reference_is_searched_for_what_is_no_name() {
    let place = Place::new(&[]);
    let (out, err) = place.expect("doc spanning tree", 0);
    assert!(out.contains("net:switch") && err.contains("nothing is called 'spanning tree'"), "{out}{err}");
    place.expect("doc zebra crossing", 2);
    let (out, _) = place.expect("doc row 22", 0);
    assert!(
        out.contains("handshake") && out.contains("ladder") && out.contains("scripts/tcp/handshake.lua"),
        "{out}"
    );
    place.expect("doc row 200", 2);
}

#[test]
fn a_function_sees_the_results_of_the_whole_sweep() {
    let text = SWEEP.replace(
        "plot = {",
        "after_all = function(results)
          local rows = results:summary { metric = 'goodput_mbps', loss = '0%' }
          print(#results.runs, #rows, rows[1].proto, rows[1].n, rows[1].mean > 2)
          check(rows[1].mean > limit, 'tcp is fast')
        end, plot = {",
    );
    let place = Place::new(&[
        ("good.lua", &text.replace("limit", "3")),
        ("bad.lua", &text.replace("limit", "99")),
        ("late.lua", &text.replace("check(", "net:host 'x' check(")),
        ("wrong.lua", &text.replace("rows[1].mean > limit", "rows[1].maen + 1 > 0")),
    ]);
    let (out, _) = place.expect("sweep good.lua", 0);
    assert!(out.contains("12\t2\ttcp\t3\ttrue"), "{out}");
    let (out, _) = place.expect("sweep bad.lua", 1);
    assert!(out.contains("FAIL  tcp is fast  bad.lua:"), "{out}");
    let (_, err) = place.expect("sweep wrong.lua", 3);
    assert!(
        err.contains("attempt to perform arithmetic on a nil value") && err.contains("wrong.lua:"),
        "{err}"
    );
    let (_, err) = place.expect("sweep late.lua", 3);
    assert!(err.contains("nothing can be simulated in after_all") && err.contains("late.lua:"), "{err}");
    let (out, _) = place.expect("run good.lua", 0);
    assert!(!out.contains("12\t2"), "{out}");
}
