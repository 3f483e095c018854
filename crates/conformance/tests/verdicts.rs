//! Verdicts, times and messages of the runner itself.

use tidewire_conformance::{Checks, Options, Report, Summary, Verdict, run_file};

const OPENED: &str = "`./defaults.sh`
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
   +0 > S. 0:0(0) ack 1 <...>
  +.1 < . 1:1(0) ack 1 win 257
   +0 accept(3, ..., ...) = 4
";

fn run(events: &str) -> Report {
    run_file(&format!("{OPENED}{events}"), "test", &Options::default())
}

fn failure(events: &str) -> (u32, String, String) {
    match run(events).verdict {
        Verdict::Fail { line, expected, actual } => (line, expected, actual),
        other => panic!("{events}: {other:?}"),
    }
}

fn unsupported(events: &str) -> String {
    match run(events).verdict {
        Verdict::Unsupported { what, .. } => what,
        other => panic!("{events}: {other:?}"),
    }
}

#[test]
fn a_wrong_sequence_number_is_a_failure_with_its_line() {
    let (line, expected, actual) = failure("+0 write(4, ..., 1000) = 1000\n+0 > P. 2:1002(1000) ack 1\n");
    assert_eq!(line, 10);
    assert_eq!(expected, "+0.000000 > P. 2:1002(1000) ack 1");
    assert!(actual.contains("1:1001(1000) ack 1") && actual.contains("sequence number"), "{actual}");
}

#[test]
fn flags_acknowledgment_window_and_options_are_compared() {
    let sent = "+0 write(4, ..., 1000) = 1000\n+0 > ";
    for (segment, what) in [
        ("F. 1:1001(1000) ack 1", "flags"),
        (". 1:1001(1000) ack 2", "acknowledgment"),
        ("P. 1:1001(1000) ack 1 win 1", "window"),
        ("P. 1:1001(1000) ack 1 <nop,nop,nop,nop>", "options"),
        ("P. 1:501(500) ack 1", "length"),
        ("[ect0] P. 1:1001(1000) ack 1", "ECN field"),
    ] {
        assert!(failure(&format!("{sent}{segment}\n")).2.contains(what), "{segment}");
    }
}

#[test]
fn a_segment_that_comes_too_late_or_too_early_is_a_failure() {
    let late =
        failure("+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n+.2 > P. 1:1001(1000) ack 1\n");
    assert!(late.2.contains("late"), "{}", late.2);
    let early = failure("+0 write(4, ..., 1000) = 1000\n+.02 > P. 1:1001(1000) ack 1\n");
    assert!(early.2.contains("0.020000 s early"), "{}", early.2);
    assert!(run("+0 write(4, ..., 1000) = 1000\n+.004 > P. 1:1001(1000) ack 1\n").passed());
    assert!(run("+0 write(4, ..., 1000) = 1000\n* > P. 1:1001(1000) ack 1\n").passed());
    assert!(run("+0 write(4, ..., 1000) = 1000\n0.1~0.2 > P. 1:1001(1000) ack 1\n").passed());
}

#[test]
fn absolute_times_may_not_go_backward() {
    assert_eq!(unsupported("0.05 close(4) = 0\n"), "time goes backward, to 0.050000");
    // The probe comes some milliseconds after its time; what the script says about that time still counts.
    let late = "0.1 write(4, ..., 2000) = 2000
0.1 > P. 1:2001(2000) ack 1
0.3 > P. 1001:2001(1000) ack 1
0.3 %{ assert tcpi_unacked == 2 }%
0.301 < . 1:1(0) ack 2001 win 257
";
    let report = run(late);
    assert!(report.passed(), "{report}");
}

#[test]
fn the_tolerance_is_an_eighth_of_the_time_since_the_last_event_at_least() {
    let sent = "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n";
    assert!(run(&format!("{sent}+.33 > P. 1:1001(1000) ack 1\n")).passed());
    let wide = format!("--tolerance_usecs=200000\n{OPENED}{sent}+.15 > P. 1:1001(1000) ack 1\n");
    assert!(run_file(&wide, "test", &Options::default()).passed());
    let narrow = Options { tolerance_us: Some(1), ..Options::default() };
    assert!(!run_file(&wide, "test", &narrow).passed());
}

#[test]
fn a_segment_that_never_comes_is_a_failure() {
    assert_eq!(failure("+0 > . 1:1(0) ack 1\n").2, "nothing was sent");
}

#[test]
fn one_line_stands_for_consecutive_segments_unless_the_script_is_strict() {
    let events = "+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1\n";
    assert!(run(events).passed());
    let strict = run_file(&format!("--strict_segments\n{OPENED}{events}"), "test", &Options::default());
    assert!(!strict.passed());
}

#[test]
fn an_unexpected_segment_before_the_last_event_is_a_failure_and_after_it_is_printed() {
    let (_, expected, actual) = failure("+0 write(4, ..., 1000) = 1000\n+.1 < . 1:1(0) ack 1001 win 257\n");
    assert_eq!(expected, "no further segment before the last event");
    assert!(actual.contains("1:1001(1000)"), "{actual}");
    let report = run("+0 write(4, ..., 1000) = 1000\n");
    assert!(report.passed());
    assert_eq!(report.left_over.len(), 1);
}

#[test]
fn psh_is_a_score_of_its_own_unless_it_is_asked_for() {
    let events = "+0 write(4, ..., 1000) = 1000\n+0 > . 1:1001(1000) ack 1\n";
    let report = run(events);
    assert!(report.passed());
    assert_eq!((report.psh.matched, report.psh.of), (0, 1));
    let options = Options { checks: Checks { psh: true, win: false }, ..Options::default() };
    assert!(!run_file(&format!("{OPENED}{events}"), "test", &options).passed());
}

#[test]
fn results_of_calls_are_compared() {
    assert_eq!(failure("+0 write(4, ..., 1000) = 10\n").2, "1000");
    assert_eq!(failure("+0 read(4, ..., 1000) = 0\n").2, "the call waits");
    assert_eq!(failure("+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0\n").2, "[0]");
    assert_eq!(failure("+0 close(9) = 0\n").2, "-1 EBADF");
}

#[test]
fn blocking_calls_return_when_the_script_says() {
    let data = "+.1 < P. 1:101(100) ack 1 win 257\n+0 > . 1:1(0) ack 101\n";
    assert!(run(&format!("+0...0.1 read(4, ..., 1000) = 100\n{data}")).passed());
    assert!(failure(&format!("+0...0.3 read(4, ..., 1000) = 100\n{data}")).2.contains("at 0.2"));
    assert!(failure(&format!("+0...0.05 read(4, ..., 1000) = 100\n{data}")).2.contains("waits longer"));
    assert_eq!(failure("+0...0.1 read(4, ..., 1000) = 100\n").2, "the call still waits");
}

#[test]
fn nonblocking_calls_say_so() {
    assert!(
        run("+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 read(4, ..., 10) = -1 EAGAIN (Try again)\n")
            .passed()
    );
    assert!(run("+0 recv(4, ..., 10, MSG_DONTWAIT) = -1 EWOULDBLOCK\n").passed());
}

#[test]
fn assertions_are_made_about_the_connection() {
    assert!(run("+0 %{ assert tcpi_snd_cwnd == 10, 'cwnd=%d' % tcpi_snd_cwnd }%\n").passed());
    let (line, expected, actual) =
        failure("+0 %{\nassert 1 <= tcpi_snd_cwnd < 10, 'cwnd=%d' % tcpi_snd_cwnd\n}%\n");
    assert_eq!((line, expected.as_str()), (10, "1 <= tcpi_snd_cwnd < 10"));
    assert_eq!(actual, "tcpi_snd_cwnd = 10 (cwnd=10)");
}

#[test]
fn what_is_not_known_is_unsupported_and_never_passes() {
    assert_eq!(unsupported("+0 `iptables -F`\n"), "command `iptables -F`");
    assert_eq!(unsupported("+0 splice(3) = 0\n"), "call `splice`");
    assert_eq!(unsupported("+0 flock(4) = 0\n"), "call `flock`");
    assert_eq!(
        unsupported("+0 setsockopt(4, SOL_TCP, TCP_MD5SIG, [1], 4) = 0\n"),
        "setsockopt SOL_TCP TCP_MD5SIG [1]"
    );
    assert_eq!(unsupported("+0 %{ assert tcpi_colour }%\n"), "field `tcpi_colour`");
    let alone = |text: &str| run_file(text, "test", &Options::default()).verdict;
    let unknown = |what: &str| Verdict::Unsupported { line: 1, what: what.to_owned() };
    assert_eq!(alone("+0 blah(3) = 0\n"), unknown("call `blah`"));
    assert_eq!(alone("+0 %{ assert tcpi_colour == 1 }%\n"), unknown("field `tcpi_colour`"));
    assert_eq!(unsupported("+0 %{ assert 1 or tcpi_colour }%\n"), "field `tcpi_colour`");
    assert!(matches!(alone("+0 %{ assert tcpi_rtt == 0 }%\n"), Verdict::Fail { line: 1, .. }));
    assert_eq!(unsupported("+0 < . 1:1(0) ack 1 win 1 <FO abcd>\n"), "TCP option `FO`, before `abcd>`");
    let option = run_file(&format!("--colour=red\n{OPENED}"), "test", &Options::default());
    assert_eq!(option.verdict, Verdict::Unsupported { line: 1, what: "option --colour=red".to_owned() });
}

#[test]
fn consecutive_inbound_segments_keep_the_script_s_time() {
    let events = "+0 < . 1:1001(1000) ack 1 win 257
+.01 < . 1001:2001(1000) ack 1 win 257
0.11 > . 1:1(0) ack 1001
";
    // The second segment is sent at its own time although the first was answered before it.
    assert!(!run(events).passed());
    let events = "+0 write(4, ..., 1000) = 1000
+.003 > P. 1:1001(1000) ack 1
+0 %{ assert tcpi_unacked == 1 }%
";
    assert!(run(events).passed());
}

#[test]
fn the_numbers_of_the_script_are_not_those_of_the_endpoint() {
    let script = "`./defaults.sh`
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 123:123(0) win 32792 <mss 1000,sackOK,TS val 7 ecr 0>
   +0 > S. 900:900(0) ack 124 <mss 1460,sackOK,TS val 50 ecr 7>
  +.1 < . 124:124(0) ack 901 win 32792 <nop,nop,TS val 8 ecr 50>
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 500) = 500
   +0 > P. 901:1401(500) ack 124 <nop,nop,TS val 150 ecr 8>
   +0 %{ assert 99000 <= tcpi_rtt <= 101000, tcpi_rtt }%
";
    let report = run_file(&format!("--tcp_ts_tick_usecs=1000\n{script}"), "test", &Options::default());
    assert!(report.passed(), "{report}");
    let wrong = script.replace("val 150", "val 190");
    assert!(run_file(&wrong, "test", &Options::default()).passed());
    assert!(!run_file(&format!("--tcp_ts_tick_usecs=1000\n{wrong}"), "test", &Options::default()).passed());
}

#[test]
fn a_summary_counts_and_says_whether_all_went_well() {
    let mut summary = Summary::default();
    assert!(!summary.success());
    summary.push(run("+0 close(4) = 0\n"));
    assert!(summary.success());
    summary.push(run("+0 close(9) = 0\n"));
    summary.push(run("+0 splice(3) = 0\n"));
    assert_eq!(summary.to_string(), "1 passed, 1 failed, 1 unsupported");
    assert!(!summary.success());
    let json = summary.to_json();
    assert!(json.contains("\"verdict\": \"unsupported\"") && json.contains("call `splice`"), "{json}");
}
