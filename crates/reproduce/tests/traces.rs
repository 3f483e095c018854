//! How close today's sender comes to packet traces of a kernel. The floors are today's figures, so that they can only rise.

use std::path::Path;
use tidewire_reproduce::trace::{Outcome, TraceOptions, compare_all, traces};

#[test]
fn transmissions_are_those_of_the_kernel() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces");
    let mut out = Vec::new();
    let options = TraceOptions { reference: Some(folder), csv: None };
    let report = traces(&options, 0.into(), &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    println!("{out}");
    let (matched, total) = report.overall();
    // 4458 of 4460; 16848 of 17066 with the other two thirds.
    assert!(matched as f64 >= 0.999 * total as f64, "{matched} of {total}");
    assert!(out.lines().last().unwrap().starts_with("overall: "), "{out}");
    for trace in &report.traces {
        match &trace.outcome {
            Outcome::Scored(score) if trace.name.starts_with("a4_") => assert!(score.matched >= 985),
            Outcome::Scored(score) => assert_eq!(score.matched, score.total, "{}", trace.name),
            Outcome::Listed(_) => assert!(["g_idle_restart", "h_zwp_25s"].contains(&trace.name.as_str())),
            other => panic!("{}: {other:?}", trace.name),
        }
    }
}

#[test]
fn a_trace_that_cannot_be_understood_is_named() {
    let refused = |text: &str| {
        let report = compare_all(&[("x".into(), text.into())], 1);
        report.unreadable().collect::<Vec<_>>().join("|")
    };
    let rows = "t_ms,dir,proto,cport,flags,seq,ack,len\n0.0,>,tcp,1,S,0,0,0\n";
    assert_eq!(
        refused(&format!("# x link={{'rate': 1e6}} client={{}}\n{rows}")),
        "x.csv:1: no delay_us in the header"
    );
    let header = "# x link={'rate': 1e6, 'delay_us': 1, 'queue': 1, 'drop': 'Q5'} client={}";
    assert_eq!(refused(&format!("{header}\n{rows}")), "x.csv:1: unknown kind of packet 'Q'");
    assert!(compare_all(&[("notes".into(), "a,b\n".into())], 1).traces.is_empty());
    let plain = "# x link={'rate': 1e6, 'delay_us': 1, 'queue': 1} client={}";
    let columns = "t_ms,dir,proto,cport,flags,seq,ack,len";
    assert_eq!(refused(&format!("{plain}\n{columns}\n")), "x.csv:2: there are no packets");
    assert_eq!(
        refused(&format!("{plain}\n{columns}\n1.0,>,tcp,1,A,x,0,0\n")),
        "x.csv:3: column 'seq': 'x' is no number of this column"
    );
    let endless = "# x link={'rate': 1e12, 'delay_us': 1, 'queue': 1} client={'secs': 1e9}";
    assert_eq!(
        refused(&format!("{endless}\n{columns}\n1e9,>,tcp,1,S,0,0,0\n")),
        "x.csv:1: so many packets are too much to simulate"
    );
}

#[test]
fn a_row_that_makes_no_sense_is_named_and_skipped() {
    let text = "# x link={'rate': 1e6, 'delay_us': 1000, 'queue': 10} client={'bytes': 1000}\r\n\
                t_ms,dir,proto,cport,flags,seq,ack,len\r\n0.0,>,tcp,1,S,0,0,0\r\n2.5,>,tcp,1,PA,1,1,1000\r\n\
                3.0,>,tcp,1,A,NaN,1,0\r\n4.0,?,tcp,1,A,1,1,0\r\n-1,<,tcp,1,A,1,1001,0\r\n9.0,<,tc";
    let report = compare_all(&[("x".into(), text.into())], 1);
    let trace = &report.traces[0];
    assert_eq!(
        trace.skipped,
        [
            "5: column 'seq': 'NaN' is no number of this column",
            "6: '?' is no direction",
            "7: column 't_ms': '-1' is no number of this column"
        ]
    );
    assert!(matches!(&trace.outcome, Outcome::Scored(score) if score.matched == 1), "{:?}", trace.outcome);
    let mut out = Vec::new();
    report.print(&mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("x.csv:6: '?' is no direction; this row is skipped"));
}

/// A trace that comes with the program, the begin of it.
fn head_of(name: &str, lines: usize) -> (String, String) {
    let path = format!("{}/tests/data/traces/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    (name.to_owned(), text.lines().take(lines).map(|line| format!("{line}\n")).collect())
}

fn printed(files: &[(String, String)]) -> String {
    let mut out = Vec::new();
    compare_all(files, 0).print(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_recording_that_was_cut_short_is_compared_as_far_as_it_goes() {
    for lines in [4, 9, 15, 40, 100, 200, 300] {
        let report = compare_all(&[head_of("c1_drop3spread_cubic_sack_rack", lines)], 1);
        let Outcome::Scored(score) = &report.traces[0].outcome else { panic!("{report:?}") };
        assert_eq!((score.matched, score.first_difference.as_ref()), (score.total, None), "{lines}");
        assert!(score.compared_until.is_some());
    }
    let out = printed(&[head_of("c1_drop3spread_cubic_sack_rack", 40)]);
    assert!(out.contains("before its connection ends: compared until then"), "{out}");
}

#[test]
fn other_protocols_and_programs_are_listed_with_the_reason() {
    let rows = "t_ms,dir,proto,cport,flags,seq,ack,len\n0.00,>,udp,59814,,1,0,100\n25.47,<,icmp,0,,0,0,0\n";
    let link = "# x link={'rate': 1e7, 'delay_us': 25000, 'queue': 200}";
    let none = ("none".to_owned(), format!("{link} client=None sysctls={{}}\n{rows}"));
    let some = ("some".to_owned(), format!("{link} client={{'bytes': 100}}\n{rows}"));
    let report = compare_all(&[none.clone(), some.clone()], 1);
    assert_eq!(report.unreadable().count(), 0);
    assert_eq!(report.traces[0].outcome, Outcome::Listed("driven by a program of its own".into()));
    assert_eq!(report.traces[1].outcome, Outcome::Listed("there are no TCP packets in it".into()));
    let out = printed(&[none, head_of("e1_drop_syn1", 1000), some]);
    assert!(out.contains("none          not scored\n    driven by a program of its own\n"), "{out}");
    assert!(out.lines().last().unwrap().starts_with("overall: 1 of 1 "), "{out}");
}

#[test]
fn where_nothing_can_be_compared_no_percentage_is_told() {
    let out = printed(&[("x".into(), "# x link={} client={}\nt_ms,dir\n".into())]);
    assert_eq!(out.lines().last().unwrap(), "overall: nothing compared", "{out}");
    assert!(!out.contains('%'), "{out}");
}

#[test]
fn a_file_that_is_no_trace_is_named_as_left_out() {
    let other = |name: &str| (name.to_owned(), "a,b\n1,2\n".to_owned());
    let trace = head_of("e1_drop_syn1", 1000);
    // Samples of the trace's socket belong to it.
    let out = printed(&[other("a"), trace, other("e1_drop_syn1.info"), other("z.info")]);
    assert!(
        out.contains("left out, since no packet traces (line 1 names no link): a.csv, z.info.csv\n"),
        "{out}"
    );
}
