//! The same script and seed give the same bytes, whatever else happens in the process.

mod common;

use common::{good, request, script};
use tidewire_metrics::csv_text;
use tidewire_script::{RunResult, plan, run};

/// Orders of `pairs` over every kind of key, ties in sorting, texts of tables, chance, floating point.
const SCRIPT: &str = r#"
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "10Mbps", delay = "3ms", loss = "2%" })
local keys = { a, b, print, {}, {}, coroutine.create(print), function() end, 1.5, "text", true }
for i = 1, 50 do keys[#keys + 1] = (i % 3 == 0) and {} or "k" .. i end
local set = {}
for i, k in ipairs(keys) do set[k] = i end
for k, i in pairs(set) do print(i, k) end
local ties = {}
for i = 1, 300 do ties[i] = { key = i % 7, i = i } end
table.sort(ties, function(x, y) return x.key < y.key end)
for _, t in ipairs(ties) do print(t.key, t.i) end
print({}, function() end, ("%s %s"):format({}, print), coroutine.create(print))
print(math.random(), math.random(100), random.normal(0, 1), random.zipf(100, 1.1), random.exponential "1s")
print(2 ^ 0.1, math.exp(0.3), math.sin(1), math.log(7, 3))
local f = a:bulk { to = b, size = "200kB" }
f:wait()
print(f.fct, f.retransmits)
"#;

fn bytes(result: RunResult) -> String {
    let result = good(result);
    let tables: Vec<String> =
        result.tables.iter().map(|(name, table)| format!("{name}\n{}", csv_text(table))).collect();
    format!("{}\n{}\n{:?}", result.log.join("\n"), tables.join("\n"), result.record)
}

fn one() -> String {
    let script = script(SCRIPT);
    let experiment = plan(&script, &[]).unwrap();
    bytes(run(&script, &experiment, &request(&experiment.points[0])))
}

#[test]
fn runs_are_equal_in_every_thread_and_every_time() {
    let first = one();
    assert!(first.lines().count() > 350);
    let others: Vec<_> = (0..4).map(|_| std::thread::spawn(|| (one(), one()))).collect();
    for other in others {
        let (x, y) = other.join().unwrap();
        assert_eq!(x, first);
        assert_eq!(y, first);
    }
}

#[test]
fn another_seed_gives_other_luck() {
    let script = script("print(math.random(), random.uniform())");
    let experiment = plan(&script, &[]).unwrap();
    let with = |seed| {
        bytes(run(
            &script,
            &experiment,
            &tidewire_script::RunRequest { seed, ..request(&experiment.points[0]) },
        ))
    };
    assert_eq!(with(5), with(5));
    assert_ne!(with(5), with(6));
}

/// Run by the test below in processes of their own.
#[test]
fn prints_for_another_process() {
    if std::env::var_os("TIDEWIRE_PRINT_RUN").is_some() {
        println!("<<<{}>>>", one());
    }
}

#[test]
fn runs_are_equal_in_every_process() {
    let exe = std::env::current_exe().unwrap();
    let output = || {
        let output = std::process::Command::new(&exe)
            .args(["prints_for_another_process", "--exact", "--nocapture"])
            .env("TIDEWIRE_PRINT_RUN", "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text[text.find("<<<").unwrap()..text.find(">>>").unwrap()].to_owned()
    };
    let first = output();
    for _ in 0..19 {
        assert_eq!(output(), first);
    }
}
