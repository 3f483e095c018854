//! How close today's TCP comes to recordings of a kernel. The floors are today's figures, so that they can only rise.

use tidewire_reproduce::kernel::{KernelReport, Reference, compare};

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn goodput(text: &str, keep: impl Fn(&str, f64, f64, u64) -> bool) -> KernelReport {
    let Ok(Reference::Goodput(mut rows)) = Reference::parse(text) else { panic!("not recognised") };
    rows.retain(|row| keep(&row.cc, row.loss, row.rate, row.seed));
    compare(&Reference::Goodput(rows), 0)
}

#[test]
fn lossy_flows_get_what_the_kernel_got() {
    // 17 rows, the worst 2.3 % off; of all 145 rows the worst is 3.6 % off.
    let report =
        goodput(&data("goodput.csv"), |_, loss, rate, seed| loss >= 0.02 && rate < 15.0 && seed == 1);
    let all = report.summary().pop().unwrap();
    assert_eq!((all.missing, all.within[0]), (0, all.figures), "worst {:.3}", all.worst);
    assert!(all.figures >= 15);
}

#[test]
fn flows_without_random_loss_get_what_the_kernel_got() {
    // 11 rows, the worst 1.8 % off.
    let one_of_each =
        |cc: &str, loss: f64, rate: f64, seed| loss == 0.0 && rate < 15.0 && seed == 1 && cc != "cubic";
    let report = goodput(&data("goodput.csv"), one_of_each);
    let all = report.summary().pop().unwrap();
    assert_eq!((all.missing, all.within[0]), (0, all.figures), "worst {:.3}", all.worst);
}

#[test]
fn two_flows_share_as_the_kernel_s_did() {
    let Ok(Reference::Fairness(mut rows)) = Reference::parse(&data("fairness.csv")) else {
        panic!("not recognised")
    };
    rows.retain(|row| row.cc == ["cubic", "reno"] && row.queue_pkts == 42);
    let report = compare(&Reference::Fairness(rows), 0);
    assert_eq!(report.comparisons.len(), 1);
    // 0.014.
    assert!(report.comparisons[0].off.unwrap() < 0.07, "{:?}", report.comparisons[0]);
}

#[test]
fn messages_and_datagrams_arrive_as_the_kernel_s_did() {
    let Ok(Reference::Udp(mut rows)) = Reference::parse(&data("udp.csv")) else { panic!("not recognised") };
    rows.retain(|row| row.offered_mbps == 0.5);
    let report = compare(&Reference::Udp(rows), 0);
    for share in report.summary() {
        println!("{share:?}");
    }
    let of = |group: &str| report.summary().into_iter().find(|share| share.group == group).unwrap();
    assert_eq!(of("udpmsg udp").within[0], 9);
    // 9, 7 and 8: the 95th percentile of few retransmissions jumps.
    assert!(
        of("tcpmsg reno").within[0] >= 9
            && of("tcpmsg cubic").within[0] >= 7
            && of("tcpmsg bbr").within[0] >= 8
    );
}

#[test]
fn a_result_does_not_depend_on_the_number_of_threads() {
    let Ok(Reference::Udp(mut rows)) = Reference::parse(&data("udp.csv")) else { panic!("not recognised") };
    rows.retain(|row| row.offered_mbps == 0.5 && row.loss == 0.05);
    let (one, many) = (compare(&Reference::Udp(rows.clone()), 1), compare(&Reference::Udp(rows), 4));
    assert_eq!(one.table, many.table);
}

#[test]
fn every_row_and_a_summary_are_printed() {
    let text = data("goodput.csv");
    let head: Vec<&str> = text.lines().take(2).collect();
    let row = head[1].replacen("bbr", "nonesuch", 1);
    let report = compare(&Reference::parse(&format!("{}\n{row}\n", head[0])).unwrap(), 1);
    let mut out = Vec::new();
    report.print(&mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("within 10 %") && out.contains("nonesuch"), "{out}");
    assert!(out.contains("1 figures are of congestion controls that are not there"), "{out}");
}

#[test]
fn other_files_are_refused_with_a_sentence() {
    let refused = |text: &str| Reference::parse(text).unwrap_err().to_string();
    assert!(refused("a,b\n1,2\n").contains("these columns are neither"));
    let bad = "cc,rate,rtt_ms,loss,queue_pkts,goodput_mbps\nreno,10,x,0,5,9\n";
    assert_eq!(refused(bad), "line 2, column 'rtt_ms': 'x' is not a value of this column");
    assert!(
        refused("cc,rate,rtt_ms,loss,queue_pkts,goodput_mbps\nreno,10,5,7,5,9\n").contains("'loss': '7'")
    );
}
