//! Whether two senders sent the same at the same times.

use super::record::Record;
use std::collections::HashMap;

/// What of a trace is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judged {
    /// Data transmissions: order, sequence, gap.
    Data,
    /// The times of retransmissions.
    Retransmissions,
    /// Nothing carries data: the times of SYNs. Not counted in the overall score.
    Handshake,
}

/// How much of a trace is the same.
#[derive(Clone, PartialEq, Debug)]
pub struct Score {
    /// What was compared.
    pub judged: Judged,
    /// Transmissions of the kernel that we also made, in the same order, with the same gap.
    pub matched: usize,
    /// Those that are the same also by number: our n-th is the kernel's n-th.
    pub in_place: usize,
    /// Transmissions of the kernel, or ours if they are more.
    pub total: usize,
    /// The first one that is not the same, in words.
    pub first_difference: Option<String>,
    /// When the recording stops while the connection is open: that time, in ms. What we send later does not count.
    pub compared_until: Option<f64>,
}

/// Gaps may differ by this much, in ms, or by an eighth.
const TOLERANCE_MS: f64 = 10.0;
const TOLERANCE_PART: f64 = 0.125;

/// A transmission with the time since the one before it.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Sent {
    record: Record,
    gap: f64,
    again: bool,
}

/// Compares a recording with a run. `trimmed`: the recording is of a part only.
///
/// What we send too much counts until the run ends, some time after the recording; when the recording stops with the connection open,
/// until it does.
pub(crate) fn compare(kernel: &[Record], ours: &[Record], trimmed: bool) -> Score {
    let is_data = |record: &&Record| record.forward && record.len > 0;
    let end = (!is_closed(kernel)).then(|| kernel.iter().map(|record| record.ms).fold(0.0, f64::max));
    let score = if !kernel.iter().any(|record| is_data(&record)) {
        let syns = |records: &[Record]| sent(records.iter().filter(|r| r.forward && r.syn));
        let (kernel, ours) = (syns(kernel), syns(ours));
        first_ones(Judged::Handshake, &kernel, &ours, end)
    } else if trimmed {
        let begin = kernel.first().map_or(0.0, |record| record.ms);
        let again = |records: &[Record]| {
            let all = sent(records.iter().filter(is_data).filter(|record| record.ms >= begin));
            all.into_iter().filter(|sent| sent.again).collect::<Vec<_>>()
        };
        let (kernel, ours) = (again(kernel), again(ours));
        first_ones(Judged::Retransmissions, &kernel, &ours, end)
    } else {
        let (kernel, ours) = (sent(kernel.iter().filter(is_data)), sent(ours.iter().filter(is_data)));
        aligned(&kernel, &ours, end)
    };
    Score { compared_until: end, ..score }
}

/// Both sides have sent a FIN, or one a RST: the recording goes to the end of its connection.
fn is_closed(kernel: &[Record]) -> bool {
    let fin = |forward| kernel.iter().any(|record| record.fin && record.forward == forward);
    kernel.iter().any(|record| record.reset) || (fin(true) && fin(false))
}

/// How many of ours are compared with a recording that stops at `end`, in ms: at least those well before it, at most those that are no
/// later than a gap may be off. What we sent in between, the kernel may have been about to send.
fn bounds(kernel: &[Sent], ours: &[Sent], end: Option<f64>) -> (usize, usize) {
    let Some(end) = end else { return (ours.len(), ours.len()) };
    let until = |ms: f64| ours.partition_point(|sent| sent.record.ms <= ms);
    let late = kernel.last().map_or(0.0, |last| last.gap * TOLERANCE_PART).max(TOLERANCE_MS);
    (until(end - TOLERANCE_MS), until(end + late))
}

fn sent<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Sent> {
    let (mut last, mut highest) = (None, 0);
    let mut all = Vec::new();
    for record in records {
        let gap = record.ms - last.unwrap_or(0.0);
        all.push(Sent { record: *record, gap, again: record.seq < highest });
        (last, highest) = (Some(record.ms), highest.max(record.end()));
    }
    all
}

fn close(kernel: &Sent, ours: &Sent) -> bool {
    (kernel.gap - ours.gap).abs() <= (kernel.gap * TOLERANCE_PART).max(TOLERANCE_MS)
}

fn same(kernel: &Sent, ours: &Sent) -> bool {
    key(kernel) == key(ours) && close(kernel, ours)
}

fn key(sent: &Sent) -> (u32, u32) {
    (sent.record.seq, sent.record.len)
}

fn by_number(judged: Judged, kernel: &[Sent], ours: &[Sent], same: impl Fn(&Sent, &Sent) -> bool) -> Score {
    let matched = kernel.iter().zip(ours).filter(|(k, o)| same(k, o)).count();
    let total = kernel.len().max(ours.len());
    let first =
        (0..total).find(|i| !matches!((kernel.get(*i), ours.get(*i)), (Some(k), Some(o)) if same(k, o)));
    let first_difference = first.map(|i| difference(i, kernel.get(i), ours.get(i)));
    Score { judged, matched, in_place: matched, total, first_difference, compared_until: None }
}

/// The n-th of one with the n-th of the other.
fn first_ones(judged: Judged, kernel: &[Sent], ours: &[Sent], end: Option<f64>) -> Score {
    let (least, most) = bounds(kernel, ours, end);
    by_number(judged, kernel, &ours[..kernel.len().clamp(least, most)], close)
}

/// Pairs transmissions of the same bytes, as many as can be without changing the order of either side.
fn aligned(kernel: &[Sent], ours: &[Sent], end: Option<f64>) -> Score {
    let (least, most) = bounds(kernel, ours, end);
    let pairs = common_subsequence(kernel, &ours[..most]);
    let paired = pairs.iter().flatten().last().map_or(0, |(_, o)| o + 1);
    let by_number =
        by_number(Judged::Data, kernel, &ours[..paired.max(kernel.len().clamp(least, most))], same);
    let Some(pairs) = pairs else { return by_number };
    let matched = pairs.iter().filter(|(k, o)| close(&kernel[*k], &ours[*o])).count();
    Score { matched, ..by_number }
}

/// Pairs of equal transmissions beyond which none are looked for: millions of one segment, which no sender repeats so often.
const MOST_PAIRS: usize = 30_000_000;

/// The longest common subsequence of what was sent, as pairs of positions (Hunt and Szymanski 1977).
fn common_subsequence(kernel: &[Sent], ours: &[Sent]) -> Option<Vec<(usize, usize)>> {
    let mut places: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
    ours.iter().enumerate().for_each(|(o, sent)| places.entry(key(sent)).or_default().push(o));
    // Pairs with the one before in their chain; `ends[n]` is the pair that ends a chain of n + 1 at the earliest position of ours.
    let mut pairs: Vec<(usize, usize, Option<usize>)> = Vec::new();
    let mut ends: Vec<usize> = Vec::new();
    for (k, sent) in kernel.iter().enumerate() {
        for &o in places.get(&key(sent)).into_iter().flatten().rev() {
            let n = ends.partition_point(|pair| pairs[*pair].1 < o);
            pairs.push((k, o, n.checked_sub(1).map(|before| ends[before])));
            let pair = pairs.len() - 1;
            if pair > MOST_PAIRS {
                return None;
            }
            match ends.get_mut(n) {
                Some(end) => *end = pair,
                None => ends.push(pair),
            }
        }
    }
    let mut chain = Vec::new();
    let mut next = ends.last().copied();
    while let Some(pair) = next {
        chain.push((pairs[pair].0, pairs[pair].1));
        next = pairs[pair].2;
    }
    chain.reverse();
    Some(chain)
}

fn difference(i: usize, kernel: Option<&Sent>, ours: Option<&Sent>) -> String {
    let told = |sent: Option<&Sent>| match sent {
        None => "nothing more".to_owned(),
        Some(Sent { record, gap, again }) => {
            let kind = if *again { " again" } else { "" };
            format!("{}:{}{kind} at {:.2} ms (+{gap:.2})", record.seq, record.end(), record.ms)
        }
    };
    format!("#{}: kernel {}; here {}", i + 1, told(kernel), told(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(ms: f64, seq: u32) -> Record {
        Record {
            ms,
            forward: true,
            seq,
            ack: 1,
            len: 1000,
            syn: false,
            fin: false,
            reset: false,
            push: false,
            pure_ack: false,
        }
    }

    #[test]
    fn one_that_is_missing_does_not_spoil_what_follows() {
        let kernel: Vec<Record> = (0..10).map(|i| data(f64::from(i) * 20.0, i * 1000)).collect();
        assert_eq!(compare(&kernel, &kernel, false).matched, 10);
        let mut ours = kernel.clone();
        ours.remove(3);
        let score = compare(&kernel, &ours, false);
        // The one after the gap is 20 ms late, too.
        assert_eq!((score.matched, score.in_place, score.total), (8, 3, 10));
        assert!(
            score
                .first_difference
                .unwrap()
                .starts_with("#4: kernel 3000:4000 at 60.00 ms (+20.00); here 4000:")
        );
    }

    #[test]
    fn gaps_may_differ_by_ten_milliseconds_or_an_eighth() {
        let kernel = [data(0.0, 0), data(800.0, 1000)];
        let matched = |ms| compare(&kernel, &[data(0.0, 0), data(ms, 1000)], false).matched;
        assert_eq!([matched(899.0), matched(901.0), matched(701.0), matched(699.0)], [2, 1, 2, 1]);
    }

    #[test]
    fn what_we_send_too_much_counts_against_us() {
        let kernel = [data(0.0, 0), data(40.0, 1000)];
        let ours = [data(0.0, 0), data(5.0, 0), data(40.0, 1000)];
        let score = compare(&kernel, &ours, false);
        assert_eq!((score.matched, score.total), (2, 3));
    }

    #[test]
    fn what_we_send_after_a_recording_that_stops_does_not_count() {
        let kernel: Vec<Record> = (0..5).map(|i| data(f64::from(i) * 20.0, i * 1000)).collect();
        let mut ours: Vec<Record> = (0..9).map(|i| data(f64::from(i) * 20.1, i * 1000)).collect();
        let score = compare(&kernel, &ours, false);
        assert_eq!((score.matched, score.total, score.compared_until), (5, 5, Some(80.0)));
        assert_eq!(score.first_difference, None);
        // Within its time it does, also when it shifts what follows.
        ours.insert(1, data(0.5, 0));
        let score = compare(&kernel, &ours, false);
        assert_eq!((score.matched, score.total), (5, 6));
        // Nor what the kernel may have been about to send.
        let burst: Vec<Record> = (0..9).map(|i| data(0.1 * f64::from(i), i * 1000)).collect();
        let score = compare(&burst[..4], &burst, false);
        assert_eq!((score.matched, score.total), (4, 4));
        // What we do not send counts.
        let score = compare(&kernel, &ours[..3], false);
        assert_eq!((score.matched, score.total), (2, 5));
    }

    #[test]
    fn a_recording_of_a_closed_connection_counts_until_the_end_of_the_run() {
        let mut kernel: Vec<Record> = (0..5).map(|i| data(f64::from(i) * 20.0, i * 1000)).collect();
        kernel.push(Record { fin: true, len: 0, ..data(90.0, 5000) });
        let mut ours = kernel.clone();
        ours.push(data(400.0, 4000));
        assert_eq!(compare(&kernel, &ours, false).total, 5);
        kernel.push(Record { fin: true, len: 0, forward: false, ..data(120.0, 0) });
        let score = compare(&kernel, &ours, false);
        assert_eq!((score.matched, score.total, score.compared_until), (5, 6, None));
        let reset = Record { reset: true, len: 0, ..data(130.0, 0) };
        let score = compare(&[&kernel[..5], &[reset]].concat(), &ours, false);
        assert_eq!((score.matched, score.total), (5, 6));
    }

    #[test]
    fn of_a_trimmed_trace_only_retransmissions_count() {
        let kernel = [data(1000.0, 5000), data(1300.0, 4000), data(1900.0, 4000)];
        let ours =
            [data(0.0, 0), data(1001.0, 6000), data(1302.0, 3000), data(1890.0, 3000), data(5000.0, 3000)];
        let score = compare(&kernel, &ours, true);
        assert_eq!((score.judged, score.matched, score.total), (Judged::Retransmissions, 2, 2));
    }
}
