//! How close today's sender comes to packet traces of a kernel. The floors are today's figures, so that they can only rise.

use std::path::Path;
use tidewire_reproduce::trace::{Outcome, TraceOptions, compare_all, traces};

#[test]
fn transmissions_are_those_of_the_kernel() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces");
    let mut out = Vec::new();
    let options = TraceOptions { reference: Some(folder), ..TraceOptions::default() };
    let report = traces(&options, &mut out).unwrap();
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
    let header = "# x link={'rate': 1e6, 'delay_us': 1, 'queue': 1} client={}\nt_ms,dir,proto,cport,flags,seq,ack,len\n";
    assert_eq!(
        refused(&format!("{header}0.0,>,tcp,1,S,0,0,0\n1.0,>,tcp,1,A,x,0,0\n")),
        "x.csv:4: column 'seq': 'x' is no number"
    );
}
