//! Scripts that do what they must not: each stops with a message, its own exit code, and what was measured so far.

mod place;

use place::Place;
use std::fs;

const BEFORE: &str = "local a, b = net:host 'a', net:host 'b'; net:link(a, b); a:ping(b); record { so_far_count = 7 }; print 'so far'\n";

/// What a script does after [`BEFORE`], its exit code, and what is said.
const CASES: &[(&str, i32, &[&str])] = &[
    ("while true do end", 4, &["ran too long without waiting", "script.lua:2"]),
    ("while true do pcall(function() while true do end end) end", 4, &["without waiting"]),
    ("while true do pcall(error, 'x') end", 4, &["without waiting"]),
    ("xpcall(function() while true do end end, function() while true do end end)", 4, &["without waiting"]),
    (
        "coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()",
        4,
        &["without waiting"],
    ),
    (
        "local t = {} for i = 1, 1e5 do t[i] = i end table.sort(t, function() while true do end end)",
        4,
        &["without waiting"],
    ),
    ("print(#setmetatable({}, { __len = function() while true do end end }))", 4, &["without waiting"]),
    ("for _ in function() return 1 end do end", 4, &["without waiting"]),
    ("spawn(function() while true do end end) sleep '1s'", 4, &["without waiting", "in process"]),
    ("every('1ms', function() while true do end end) sleep '1s'", 4, &["without waiting"]),
    ("at_end(function() while true do end end)", 4, &["without waiting"]),
    ("local function f() return 1 + f() end f()", 4, &["memory"]),
    ("local function f() return (select(2, f())) end f()", 3, &["stack overflow"]),
    ("local s = ('x'):rep(2^30)", 4, &["memory"]),
    ("local s = 'x' while true do s = s .. s end", 4, &["memory"]),
    ("local t = {} for i = 1, 1e9 do t[i] = { i } end", 4, &["memory"]),
    (
        "while true do pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end end) end",
        4,
        &[],
    ),
    ("for i = 1, 1e6 do spawn(function() sleep '1h' end) end", 4, &[]),
    ("while true do sleep(0) end", 4, &["time stands still"]),
    ("local function again() after(0, again) end again() sleep '1s'", 4, &["time stands still"]),
    ("string.format('%99999d', 1)", 3, &["invalid conversion"]),
    ("load('\\27Lua')", 3, &[]),
];

#[test]
fn a_script_that_goes_astray_is_stopped_and_what_it_measured_is_kept() {
    let mut wrong = Vec::new();
    for (code, exit, says) in CASES {
        let code = if code.starts_with("load(") { "assert(load('\\27Lua', 'x', 'b'))" } else { code };
        let place = Place::new(&[("script.lua", &format!("{BEFORE}{code}\n"))]);
        let line = "run script.lua --script-timeout 200ms --memory 64MiB --max-events 3000000";
        let output = place.run(line);
        let (out, err) = (place::text(&output.stdout), place::text(&output.stderr));
        let missing: Vec<&&str> = says.iter().filter(|part| !err.contains(**part)).collect();
        let kept = out.contains("so far") && out.contains("so_far_count");
        if output.status.code() != Some(*exit) || !missing.is_empty() || !kept || !err.contains("error") {
            wrong.push(format!("{code}\n  exit {:?}, lacks {missing:?}\n{out}{err}", output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn a_run_that_hangs_in_a_library_function_keeps_what_it_recorded() {
    let hang = "string.find(('a'):rep(1e5), ('.-'):rep(30) .. 'b')";
    let text = format!("{BEFORE}record('t', {{ v = 1 }}) sleep(1) {hang}\n");
    let place = Place::new(&[("script.lua", &text)]);
    let (out, err) = place.expect("run script.lua --script-timeout 200ms", 4);
    assert!(err.contains("stuck in a library function") && err.contains("at t = 1.0"), "{err}");
    assert!(err.contains("script.lua:2:  ") && err.contains("^^^^"), "{err}");
    assert!(out.contains("so_far_count"), "{out}");
    let runs = fs::read_to_string(place.path("results/script/latest/runs.csv")).unwrap();
    assert!(runs.contains("so_far_count") && runs.contains("failed"), "{runs}");
    assert!(place.path("results/script/latest/t.csv").is_file());

    let text = format!(
        "local p = experiment {{ params = {{ a = {{ 1, 2, 3 }} }} }}\nrecord {{ x_ms = 1 }}\nif p.a == 2 then {hang} end\n"
    );
    let place = Place::new(&[("script.lua", &text)]);
    let (out, err) = place.expect("sweep script.lua -j 1 --json --script-timeout 200ms", 4);
    assert!(err.contains("stuck") && err.contains("a=2") && err.contains("run again to resume"), "{err}");
    assert!(out.trim_end().ends_with('}') && out.contains("\"failed\":1"), "{out}");
    let latest = place.path("results/script/latest");
    assert!(latest.join("manifest.json").is_file());
    assert_eq!(fs::read_to_string(latest.join("runs.csv")).unwrap().lines().count(), 3);
}

#[test]
fn a_script_reaches_no_file_program_network_or_setting_beyond_its_folder() {
    let place = Place::new(&[]);
    fs::create_dir_all(place.path("scripts/lib")).unwrap();
    fs::write(place.path("secret.lua"), "return 'secret'").unwrap();
    fs::write(place.path("scripts/lib/inside.lua"), "return 'inside'").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.path("secret.lua"), place.path("scripts/link.lua")).unwrap();
        std::os::unix::fs::symlink(place.path(""), place.path("scripts/lib/up")).unwrap();
    }
    let cases = [
        ("read_file '../secret.lua'", 5, "outside the script's folder"),
        ("read_file 'lib/../../secret.lua'", 5, "outside the script's folder"),
        ("read_file '/etc/passwd'", 5, "outside the script's folder"),
        ("read_file 'link.lua'", 5, "leads outside"),
        ("read_file 'lib/up/secret.lua'", 5, "leads outside"),
        ("require 'link'", 5, "leads outside"),
        ("require '../secret'", 5, "nothing outside can be read"),
        ("require 'lib.up.secret'", 5, "leads outside"),
        ("net:load '../secret.gml'", 5, "outside the script's folder"),
        ("net:host('x'):run '../secret.lua'", 5, "outside the script's folder"),
        ("io.open('x', 'w')", 3, "there is no io.open here"),
        ("os.execute 'ls'", 3, "there is no os.execute here"),
        ("os.getenv 'HOME'", 3, "-p name=value"),
        ("os.remove 'x'", 3, "there is no os.remove here"),
        ("dofile 'lib/inside.lua'", 3, "there is no dofile here"),
        ("package.loadlib('x', 'y')", 3, "there is no package.loadlib here"),
        ("debug.getregistry()", 3, "there is no debug.getregistry here"),
        ("local a, b = net:host 'a', net:host 'b' net:link(a, b):pcap('../x')", 3, "plain file name"),
        ("record('../../x', { a = 1 })", 3, "cannot be the name of a table"),
        ("record('x', { a = 1 }) print(read_file 'lib/inside.lua', require 'lib.inside')", 0, ""),
    ];
    for (code, exit, says) in cases {
        fs::write(place.path("scripts/s.lua"), code).unwrap();
        let (_, err) = place.expect("run scripts/s.lua", exit);
        assert!(err.contains(says), "{code}: {err}");
    }
    let mut names: Vec<String> = fs::read_dir(place.path(""))
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["results", "scripts", "secret.lua"]);
}

#[test]
fn recursion_without_end_has_a_message_of_its_own() {
    let place = Place::new(&[("script.lua", "local function f() return 1 + f() end\nf()")]);
    let (_, err) = place.expect("run script.lua", 3);
    assert!(err.contains("stack overflow") && err.contains("script.lua:1"), "{err}");
}

#[test]
fn what_a_run_keeps_has_the_limit_of_its_memory() {
    for kept in ["series('x_ms'):add(i)", "print(('x'):rep(300))", "record('rows', { x_ms = i })"] {
        let text = format!(
            "record {{ before_ms = 1 }}\nfor i = 1, 1e7 do {kept} if i % 1000 == 0 then sleep '1ms' end end\n"
        );
        let place = Place::new(&[("m.lua", &text)]);
        let (_, err) = place.expect("run m.lua --memory 20MiB -q", 4);
        assert!(err.contains("not enough memory at t = ") && err.contains("take more than 20MiB"), "{err}");
        let runs = fs::read_to_string(place.path("results/m/latest/runs.csv")).unwrap();
        assert!(runs.contains("before_ms") && runs.contains("failed"), "{runs}");
    }
}

/// Batch systems set such limits.
#[cfg(target_os = "linux")]
#[test]
fn a_short_address_space_changes_no_result() {
    let text = "experiment { reps = 3 } local t = {} for i = 1, 50 do t[{}] = i end
        local s = '' for k, v in pairs(t) do s = s .. v .. ' ' end record { order = s }";
    let place = Place::new(&[("d.lua", text)]);
    let table = |limit: &str| {
        let program = env!("CARGO_BIN_EXE_tidewire");
        let status = std::process::Command::new("bash")
            .args(["-c", &format!("ulimit -v {limit}; '{program}' sweep d.lua --out o{limit} -q")])
            .current_dir(place.path(""))
            .status()
            .unwrap();
        assert!(status.success(), "{limit}");
        fs::read_to_string(place.path(&format!("o{limit}/d/latest/runs.csv"))).unwrap()
    };
    let free = table("unlimited");
    assert_eq!(table("4000000"), free);
    assert_eq!(table("2000000"), free);
}

#[test]
fn address_space_that_is_only_set_aside_ends_no_runs() {
    // Long enough to be looked at several times, four runs side by side.
    let text = "experiment { params = { n = { 1, 2, 3, 4, 5, 6, 7, 8 } } } local x = 0 for k = 1, 6 do for i = 1, 5e6 do x = x + i end sleep(1) end record { x = x }";
    let place = Place::new(&[("w.lua", text)]);
    let program = env!("CARGO_BIN_EXE_tidewire");
    for limit in ["4000000", "2500000"] {
        let status = std::process::Command::new("bash")
            .args(["-c", &format!("ulimit -v {limit}; '{program}' sweep w.lua -j 4 --out o{limit} -q")])
            .current_dir(place.path(""))
            .status()
            .unwrap();
        assert!(status.success(), "{limit}");
    }
}
