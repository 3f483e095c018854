//! The scripts that come with Tidewire run, and show what they say they show.

mod common;

use common::{column, good, lines, result_of, run_at, shipped, text};
use std::path::Path;
use tidewire_metrics::Value;
use tidewire_script::{Ended, plan};

#[test]
fn hello_pings_and_exchanges_greetings() {
    let result = good(result_of(&shipped("scripts/hello.lua")));
    let lines = lines(&result);
    // 84 bytes of IP take 122 byte times of 0.8 us each way on Ethernet; the ARP exchange before takes 84 each way.
    assert_eq!(lines[0], "ping 1 alice -> bob: 80.3 ms");
    assert_eq!(lines[1], "ping 2 alice -> bob: 40.2 ms");
    assert_eq!(lines[2], "bob accepted\t10.0.0.1:49152\twho says:\tHello, server");
    assert_eq!(lines[3], "alice got:\tHello, client");
    assert_eq!(result.ended, Ended::Finished);
}

#[test]
fn go_back_n_moves_one_packet_per_round_trip_with_a_window_of_one() {
    let script = shipped("scripts/go_back_n.lua");
    let result = run_at(&script, &[("window", Value::Int(1)), ("loss", text("0%"))]);
    // 8000 bit in 2 x 20 ms + 1028 and 32 bytes at 10 Mbit/s: 40.848 ms.
    assert!((column(&result, "goodput_mbps") - 8000.0 / 0.040848 / 1e6).abs() < 1e-4);
    assert_eq!(column(&result, "intact"), 1.0);
    assert_eq!(column(&result, "efficiency"), 1.0);
    let lossy = run_at(&script, &[("window", Value::Int(16)), ("loss", text("5%"))]);
    assert_eq!(column(&lossy, "intact"), 1.0);
    assert!(column(&lossy, "efficiency") < 0.8);
}

#[test]
fn tcp_slows_down_with_loss_and_udp_does_not() {
    let script = shipped("scripts/tcp_vs_udp.lua");
    let at = |proto: &str, loss: &str| run_at(&script, &[("proto", text(proto)), ("loss", text(loss))]);
    let tcp = at("tcp", "0%");
    // 1448 of 1538 byte times are data.
    assert!((column(&tcp, "goodput_mbps") - 9.41).abs() < 0.05, "{}", column(&tcp, "goodput_mbps"));
    assert_eq!(tcp.ended, Ended::Duration);
    assert!(column(&at("tcp", "5%"), "goodput_mbps") < 4.0);
    let udp = at("udp", "5%");
    assert!((column(&udp, "goodput_mbps") - 9.0 * 0.95).abs() < 0.2);
    assert!((column(&udp, "delivered_pct") - 95.0).abs() < 2.0);
    assert!(column(&udp, "delay_p95_ms") < 22.0);
}

#[test]
fn the_plan_of_the_comparison_is_what_it_says() {
    let experiment = plan(&shipped("scripts/tcp_vs_udp.lua"), &[]).unwrap();
    assert_eq!((experiment.points.len(), experiment.reps, experiment.expect.len()), (14, 10, 2));
    assert_eq!(experiment.params[0].0, "proto");
    assert_eq!(experiment.plots[0].y, ["goodput_mbps", "delay_p95_ms"]);
    assert_eq!(experiment.expect[1].only.len(), 2);
}

#[test]
fn equal_flows_share_a_bottleneck_and_unequal_ones_less_so() {
    let script = shipped("scripts/dumbbell.lua");
    for cc in ["reno", "cubic"] {
        let equal = run_at(&script, &[("cc", text(cc)), ("rtts", text("equal"))]);
        let unequal = run_at(&script, &[("cc", text(cc)), ("rtts", text("unequal"))]);
        assert!(column(&equal, "jain") > 0.8, "{cc}: {}", column(&equal, "jain"));
        assert!(column(&unequal, "jain") < column(&equal, "jain"));
        assert!(column(&equal, "utilization_pct") > 90.0);
        let shares = &equal.tables.iter().find(|(name, _)| name == "shares").unwrap().1;
        assert_eq!(shares.rows.len(), 4);
    }
}

#[test]
fn requests_wait_in_line_at_a_busy_server() {
    let script = shipped("scripts/client_server.lua");
    let one = run_at(&script, &[("clients", Value::Int(1))]);
    let many = run_at(&script, &[("clients", Value::Int(32))]);
    assert!(column(&one, "response_ms_mean") < 40.0);
    assert!(column(&many, "response_ms_mean") > 4.0 * column(&one, "response_ms_mean"));
    assert!(column(&many, "cpu_pct") > 95.0);
}

#[test]
fn many_peers_are_served_sooner_among_themselves() {
    let script = shipped("scripts/p2p.lua");
    let last = |mode: &str| {
        let result = run_at(&script, &[("mode", text(mode)), ("n", Value::Int(16))]);
        assert_eq!(column(&result, "complete_count"), 16.0);
        column(&result, "last_finish_s")
    };
    // 16 MiB and their headers through 10 Mbit/s take more than 14 s.
    assert!(last("server") > 14.0);
    assert!(last("peers") < 12.0);
}

#[test]
fn peers_that_were_introduced_talk_the_short_way() {
    let result = good(result_of(&shipped("scripts/hybrid.lua")));
    assert_eq!(result.checks.len(), 2);
    assert!(result.checks.iter().all(|check| check.passed));
    let paths = &result.tables.iter().find(|(name, _)| name == "paths").unwrap().1;
    assert_eq!(paths.columns, ["t_s", "direct_ms", "from", "relayed_ms", "to"]);
    // 5 ms and 8 ms, there and back, and two times on 20 Mbit/s wires.
    let direct = paths.rows[0][1].number().unwrap();
    assert!((direct - 26.1).abs() < 0.1, "{direct}");
}

/// Every script below `scripts/`, as its path from there.
fn all_scripts() -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
            if path.is_dir() {
                walk(&path, &format!("{name}/"), found);
            } else if name.ends_with(".lua") {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts"), "", &mut found);
    found.sort();
    found
}

#[test]
fn every_script_builds_a_network_at_each_of_its_points() {
    for name in all_scripts() {
        let script = shipped(&format!("scripts/{name}"));
        let experiment = plan(&script, &[]).unwrap();
        for point in &experiment.points {
            let network = tidewire_script::build(&script, &experiment, point).unwrap();
            // What is on the wire can be looked at without a network.
            let signals = ["links/framing.lua", "links/line_coding.lua"].contains(&&*name);
            assert_eq!(network.links().is_empty(), signals, "{name}");
            assert!(network.is_numbered(), "{name}");
        }
    }
}

#[test]
fn every_script_runs_to_its_end_and_its_checks_hold() {
    for name in all_scripts() {
        let result = result_of(&shipped(&format!("scripts/{name}")));
        assert!(result.error.is_none(), "{name}: {:?}", result.error);
        assert!(result.warnings.is_empty(), "{name}: {:?}", result.warnings);
        result.checks.iter().for_each(|check| assert!(check.passed, "{name}: {}", check.text));
    }
}

#[test]
fn every_script_says_what_to_look_at_and_is_in_the_index() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let index = std::fs::read_to_string(root.join("README.md")).unwrap();
    for name in all_scripts() {
        assert!(index.contains(&format!("]({name})")), "scripts/README.md does not name {name}");
        let text = std::fs::read_to_string(root.join(&name)).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with("--")).collect();
        assert!(head.contains(&format!("scripts/{name}")), "{name} says how to run it");
        assert!(head.contains("Look at"), "{name} says what to look at");
    }
    for named in index.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(!named.ends_with(".lua") || root.join(named).exists(), "scripts/README.md names {named}");
    }
}
