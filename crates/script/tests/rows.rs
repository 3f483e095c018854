//! What the transport layer must show, row by row of the project's checklist; each row has its script.

mod common;

use common::{column, good, lines, result_of, run_at, shipped, text};
use std::fmt::Write;
use std::path::Path;
use tidewire_metrics::Value;
use tidewire_script::RunResult;

/// Runs the first point of a script; its checks must hold.
fn run(name: &str) -> RunResult {
    checked(result_of(&shipped(name)))
}

/// Runs a script at a point; its checks must hold.
fn at(name: &str, point: &[(&str, Value)]) -> RunResult {
    checked(run_at(&shipped(name), point))
}

fn checked(result: RunResult) -> RunResult {
    let result = good(result);
    result.checks.iter().for_each(|check| assert!(check.passed, "{}", check.text));
    result
}

/// Compares a text with a file of `tests/golden`; `GOLDEN=write` writes it instead.
#[track_caller]
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text == expected, "{name}: expected\n{expected}\ngot\n{text}");
}

#[test]
fn row_21_sockets_as_in_the_textbook() {
    let result = run("scripts/sockets/textbook.lua");
    let lines = lines(&result);
    assert_eq!(lines[0], "server: listening\ttcp *:12000 LISTEN");
    assert_eq!(lines[2..], ["Hello, Server", "Hello, Client"]);
    assert_eq!(result.checks.len(), 1);
}

#[test]
fn row_22_three_way_handshake() {
    let result = run("scripts/tcp/handshake.lua");
    let shown = lines(&result).join("\n");
    assert!(shown.contains("client: CLOSED -> SYN_SENT -> ESTABLISHED\n"), "{shown}");
    assert!(shown.contains("server: LISTEN -> SYN_RECEIVED -> ESTABLISHED\n"), "{shown}");
    golden("row_22_handshake.txt", &(lines(&result).join("\n") + "\n"));
    // Two ways of 10 ms, and twice 60 bytes at 10 Mbit/s.
    assert!((column(&result, "connect_ms") - 20.096).abs() < 1e-9);
    assert!((column(&result, "accept_ms") - 30.1376).abs() < 1e-9);
}

#[test]
fn row_23_four_way_close() {
    let states = |mode: &str| {
        let result = at("scripts/tcp/close.lua", &[("mode", text(mode))]);
        let mut lines = lines(&result);
        lines.retain(|line| !line.starts_with("TIME_WAIT lasted 60 s = 2 MSL"));
        let states = lines.split_off(lines.len() - 2);
        (states, column(&result, "time_wait_s"), lines.join("\n"))
    };
    let (orderly, time_wait, log) = states("orderly");
    assert_eq!(
        orderly,
        [
            "a: ESTABLISHED -> FIN_WAIT_1 -> FIN_WAIT_2 -> TIME_WAIT -> CLOSED",
            "b: ESTABLISHED -> CLOSE_WAIT -> LAST_ACK -> CLOSED"
        ]
    );
    assert!((time_wait - 60.0).abs() < 0.002, "2 MSL: {time_wait}");
    golden("row_23_close.txt", &(log + "\n"));
    let (reset, time_wait, log) = states("reset");
    assert_eq!(
        (reset, time_wait),
        (vec!["a: ESTABLISHED -> CLOSED".into(), "b: ESTABLISHED -> CLOSED".into()], 0.0)
    );
    assert!(log.contains("RST ACK seq"), "{log}");
    let (both, time_wait, _) = states("both");
    let way = "ESTABLISHED -> FIN_WAIT_1 -> CLOSING -> TIME_WAIT -> CLOSED";
    assert_eq!(both, [format!("a: {way}"), format!("b: {way}")]);
    assert!((time_wait - 60.0).abs() < 0.002);
}

#[test]
fn row_24_timeout_refused_and_unreachable_are_different() {
    let result = run("scripts/tcp/connect_errors.lua");
    assert_eq!(result.checks.len(), 5);
    let lines = lines(&result).join("\n");
    for part in [
        "nil, \"refused\"",
        "nil, \"unreachable\"",
        "nil, \"timeout\"",
        "SYNs at 0 1 3 7 s (rfc)",
        "SYNs at 0 1 2 3 4 5 7 11 s (linux)",
        "first SYN lost -> connected        after  1020",
    ] {
        assert!(lines.contains(part), "{part} in\n{lines}");
    }
}

#[test]
fn row_25_a_film_begins_before_it_has_arrived() {
    let figures = |mode: &str, line: &str| {
        let result = at("scripts/tcp/video.lua", &[("mode", text(mode)), ("line", text(line))]);
        ["first_frame_s", "download_s", "stalls_count", "stalled_s"].map(|name| column(&result, name))
    };
    let [first, download, stalls, _] = figures("stream", "10Mbps");
    assert!(first < 2.0 && download > 80.0 && stalls == 0.0, "{first} {download}");
    let [first, download, ..] = figures("message", "10Mbps");
    assert_eq!(first, download);
    // 100 s of film through a line that takes 141 s: it must stall for about as long as it is late.
    let [_, _, stalls, stalled] = figures("stream", "6Mbps");
    assert!(stalls > 5.0 && stalled > 5.0, "{stalls} {stalled}");
}

#[test]
fn row_26_a_slow_reader_slows_the_sender_down() {
    let result = run("scripts/tcp/flow_control.lua");
    assert!((column(&result, "goodput_mbps") - 1.0).abs() < 0.02);
    assert_eq!((column(&result, "retransmits_count"), column(&result, "drops_count")), (0.0, 0.0));
    assert!(column(&result, "zero_windows_count") >= 1.0 && column(&result, "probes_count") >= 3.0);
    assert!(column(&result, "rwnd_limited_pct") > 90.0);
    let shown = lines(&result);
    assert!(
        shown.last().unwrap().ends_with("the sender got 1.00 Mbit/s, and 0 packets were lost"),
        "{shown:?}"
    );
    assert!(
        shown[0].contains("window 0") && shown[shown.len() - 2].contains("the window opens again"),
        "{shown:?}"
    );
}

#[test]
fn row_27_what_is_lost_or_damaged_is_sent_again() {
    let lossy = at("scripts/tcp/error_control.lua", &[("loss", text("5%"))]);
    assert!(column(&lossy, "lost_count") > 3.0 && column(&lossy, "retransmits_count") > 3.0);
    assert!(column(&lossy, "damaged_count") >= 1.0);
    let shown = lines(&lossy);
    let sum = |line: &str| line.split("checksum ").nth(1).unwrap()[..16].to_owned();
    assert_eq!(sum(&shown[0]), sum(&shown[1]), "the checksums");
    let repaired = column(&lossy, "lost_count") + column(&lossy, "damaged_count");
    assert!(column(&lossy, "retransmits_count") >= repaired - 1.0, "{shown:?}");
    let bad = at("scripts/tcp/error_control.lua", &[("loss", text("20%"))]);
    assert!(column(&bad, "rtos_count") >= 1.0);
    let clean = at("scripts/tcp/error_control.lua", &[("loss", text("0%"))]);
    assert_eq!(column(&clean, "retransmits_count"), 0.0);
}

#[test]
fn row_28_what_comes_twice_is_read_once_and_in_order() {
    for cause in ["network", "lost_ack", "order"] {
        let result = at("scripts/tcp/duplicates.lua", &[("cause", text(cause))]);
        assert_eq!(column(&result, "lines_count"), 400.0);
        let troubled = if cause == "order" { "out_of_order_count" } else { "duplicates_count" };
        assert!(column(&result, troubled) >= 8.0, "{cause}");
        assert_eq!(column(&result, "datagrams_count") > 400.0, cause == "network");
        assert_eq!(column(&result, "udp_wrong_count") > 0.0, cause != "lost_ack");
        let shown = lines(&result);
        let tcp = shown.iter().find(|line| line.starts_with("TCP: ")).unwrap();
        assert!(tcp.starts_with("TCP: 400 lines sent, 400 read, 0 of them twice or late; "), "{tcp}");
        // D-SACK: the block ends where the acknowledgment stands.
        let last = shown.last().unwrap();
        let (ack, block) = last.split_once(", sack ").unwrap_or_else(|| panic!("no block in {last}"));
        let is_copy = ack.rsplit(' ').next() == block.rsplit(':').next();
        assert_eq!(is_copy, cause != "order", "{last}");
    }
}

#[test]
fn row_29_the_window_shrinks_on_loss() {
    let mut trace = String::new();
    for cc in ["reno", "newreno", "tahoe", "cubic", "vegas", "bbr"] {
        let result = at("scripts/tcp/congestion.lua", &[("cc", text(cc))]);
        let share = result
            .record
            .iter()
            .find(|(name, _)| name == "share_ratio")
            .and_then(|(_, value)| value.number());
        match cc {
            "reno" | "newreno" | "tahoe" | "vegas" => {
                assert!((share.unwrap() - 0.5).abs() < 0.003, "{cc}: {share:?}")
            }
            "cubic" => assert!((share.unwrap() - 0.7).abs() < 0.003, "{share:?}"),
            _ => assert_eq!(share, None, "{cc}"),
        }
        assert_eq!(column(&result, "lowest_packets") == 1.0, cc == "tahoe", "{cc}");
        let series = &result.tables.iter().find(|(name, _)| name == "series").unwrap().1;
        let values: Vec<f64> = series.rows.iter().map(|row| row[3].number().unwrap()).collect();
        let _ = writeln!(trace, "{cc}, every 250 ms, in packets:");
        let every: Vec<String> = values.iter().step_by(50).map(f64::to_string).collect();
        let _ = writeln!(trace, "{}", every.join(" "));
    }
    golden("row_29_cwnd.txt", &trace);
}

#[test]
fn row_30_udp_carries_and_does_nothing_else() {
    let figures = |proto: &str, loss: &str| {
        let result = at("scripts/udp/plain.lua", &[("proto", text(proto)), ("loss", text(loss))]);
        (column(&result, "goodput_mbps"), result)
    };
    for (loss, p) in [("0%", 0.0), ("1%", 0.01), ("5%", 0.05), ("10%", 0.1)] {
        let (goodput, _) = figures("udp", loss);
        // 19,000 datagrams: four standard deviations.
        let tolerance = 8.0 * 4.0 * (p * (1.0 - p) / 19_000.0_f64).sqrt() + 0.001;
        assert!((goodput - 8.0 * (1.0 - p)).abs() < tolerance, "{loss}: {goodput}");
    }
    assert!((5.0..14.0).contains(&column(&figures("udp", "0%").1, "late_pct")));
    assert_eq!(column(&figures("tcp", "1%").1, "late_pct"), 0.0);
    assert!((column(&figures("udp", "0%").1, "first_byte_rtts") - 0.5).abs() < 0.001);
    assert!((column(&figures("tcp", "0%").1, "first_byte_rtts") - 1.5).abs() < 0.005);
    // 29 bytes at 10 Mbit/s, and 20 ms; TCP asks first: 60, 60 and 53 bytes, and 60 ms.
    assert!((column(&figures("udp", "0%").1, "first_byte_ms") - 20.0232).abs() < 1e-9);
    assert!((column(&figures("tcp", "0%").1, "first_byte_ms") - 60.1384).abs() < 0.05);
    assert!(figures("tcp", "5%").0 < 0.3 * figures("udp", "5%").0);
}

#[test]
fn row_31_hello_becomes_helo() {
    let result = run("scripts/udp/missing_letters.lua");
    let lines = lines(&result);
    let says = |line: usize, text: &str| assert!(lines[line].starts_with(text), "{}", lines[line]);
    says(0, "app: Hello, this is a message that goes over the network letter by letter.");
    says(1, "UDP: Helo, this is amessage thatoes over the network letter by letter.");
    says(2, "TCP: Hello, this is a message that goes over the network letter by letter.");
}

#[test]
fn reno_and_a_gentler_control_are_written_in_lua() {
    let figures = |cc: &str| {
        let result = at("scripts/tcp/own_congestion_control.lua", &[("cc", text(cc))]);
        ["goodput_mbps", "queue_mean_packets", "retransmits_count"].map(|name| column(&result, name))
    };
    assert_eq!(figures("reno"), figures("my_reno"));
    let [goodput, queue, retransmits] = figures("gentle");
    assert!(goodput > 9.3 && queue < 6.0 && retransmits == 0.0, "{goodput} {queue} {retransmits}");
}
