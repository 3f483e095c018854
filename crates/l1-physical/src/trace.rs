//! Links whose capacity was recorded: a packet may leave at given times only (Mahimahi's packet-delivery traces, Netravali 2015).

use std::sync::Arc;
use tidewire_units::{Instant, Span};

/// Bytes of IP packets that one opportunity delivers.
pub const OPPORTUNITY_BYTES: u32 = 1500;

/// When packets may be delivered. After its last opportunity the trace begins anew, shifted by that time.
#[derive(Clone, Debug)]
pub struct DeliveryTrace {
    /// Milliseconds, ascending; several equal ones deliver several packets.
    times_ms: Arc<[u64]>,
    /// The next opportunity: position, and how many periods have passed.
    next: (usize, u64),
}

impl DeliveryTrace {
    /// A trace from the opportunities' times in milliseconds. `None` when there are none, they do not ascend, or the last is zero.
    pub fn new(times_ms: Vec<u64>) -> Option<DeliveryTrace> {
        let valid = times_ms.is_sorted() && times_ms.last().is_some_and(|last| *last > 0);
        valid.then(|| DeliveryTrace { times_ms: times_ms.into(), next: (0, 0) })
    }

    /// Reads a trace: one time in milliseconds to a line; lines that begin with # do not count.
    ///
    /// # Errors
    /// The number of the first bad line, counted from 1, and what is wrong with it.
    pub fn parse(text: &str) -> Result<DeliveryTrace, (usize, String)> {
        let mut times: Vec<u64> = Vec::new();
        // Some editors begin a file with a byte order mark, which nobody sees.
        let text = text.trim_start_matches('\u{feff}');
        for (i, line) in text.lines().enumerate() {
            let word = line.trim();
            if word.is_empty() || word.starts_with('#') {
                continue;
            }
            let ms = word
                .parse()
                .map_err(|_| (i + 1, format!("'{}' is not a time in milliseconds", shortened(word))))?;
            if times.last().is_some_and(|last| *last > ms) {
                return Err((i + 1, format!("{ms} ms comes after a later time")));
            }
            times.push(ms);
        }
        let lines = text.lines().count().max(1);
        DeliveryTrace::new(times).ok_or((lines, "a trace needs a time after 0 ms".to_owned()))
    }

    /// The opportunities, in milliseconds.
    pub fn times_ms(&self) -> Arc<[u64]> {
        self.times_ms.clone()
    }

    /// The mean rate in bit/s.
    pub fn mean_bps(&self) -> f64 {
        let period_ms = self.times_ms[self.times_ms.len() - 1] as f64;
        self.times_ms.len() as f64 * f64::from(OPPORTUNITY_BYTES) * 8.0 / (period_ms / 1e3)
    }

    /// Skips the opportunities before `now` and says when the next one is.
    pub fn due(&mut self, now: Instant) -> Instant {
        let period = self.times_ms[self.times_ms.len() - 1];
        let now_ms = now.as_ps().div_ceil(1_000_000_000);
        let periods = now_ms.saturating_sub(1) / period;
        if periods > self.next.1 {
            self.next = (0, periods);
        }
        let into = now_ms.saturating_sub(self.next.1 * period);
        let skipped = self.times_ms[self.next.0..].partition_point(|ms| *ms < into);
        self.next.0 += skipped;
        if self.next.0 == self.times_ms.len() {
            self.next = (0, self.next.1 + 1);
        }
        Instant::ZERO + Span::from_ms(self.next.1 * period + self.times_ms[self.next.0])
    }

    /// The time that the opportunity which [`DeliveryTrace::due`] has found stands for: since those before it, in equal parts.
    pub fn share(&self) -> Span {
        let (times, last) = (&self.times_ms, self.times_ms[self.times_ms.len() - 1]);
        let own = times[self.next.0];
        if (own, self.next.1) == (0, 0) {
            return Span::ZERO;
        }
        // Those at the beginning of a period are together with those at the end of the one before.
        let time = if own == 0 { last } else { own };
        let at_start = if time == last { times.partition_point(|ms| *ms == 0) } else { 0 };
        let first = times.partition_point(|ms| *ms < time);
        let together = times.partition_point(|ms| *ms <= time) - first + at_start;
        let before = first.checked_sub(1).map_or(0, |before| times[before]);
        Span::from_ps(Span::from_ms(time - before).as_ps() / together as u64)
    }

    /// Uses up the opportunity that [`DeliveryTrace::due`] has found.
    pub fn take(&mut self) {
        self.next.0 += 1;
        if self.next.0 == self.times_ms.len() {
            self.next = (0, self.next.1 + 1);
        }
    }
}

fn shortened(word: &str) -> String {
    word.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Instant {
        Instant::ZERO + Span::from_ms(n)
    }

    fn taken(trace: &mut DeliveryTrace, now: Instant) -> Instant {
        let at = trace.due(now);
        trace.take();
        at
    }

    #[test]
    fn opportunities_come_in_order_and_the_trace_repeats() {
        let mut trace = DeliveryTrace::parse("2\n2\n5\n\n10\n").unwrap();
        let all: Vec<u64> = (0..8).map(|_| taken(&mut trace, Instant::ZERO).as_us() / 1000).collect();
        assert_eq!(all, [2, 2, 5, 10, 12, 12, 15, 20]);
        assert_eq!(trace.mean_bps(), 4.0 * 1500.0 * 8.0 / 0.010);
    }

    #[test]
    fn comments_and_a_byte_order_mark_do_not_count() {
        let trace = DeliveryTrace::parse("\u{feff}# a walk\n2\n# a stop\n10\n").unwrap();
        assert_eq!(trace.times_ms()[..], [2, 10]);
        assert_eq!(DeliveryTrace::parse("# a\nx").unwrap_err().0, 2);
    }

    #[test]
    fn what_was_not_used_in_time_is_gone() {
        let mut trace = DeliveryTrace::parse("2\n2\n5\n10").unwrap();
        assert_eq!(taken(&mut trace, ms(3)), ms(5));
        assert_eq!(taken(&mut trace, ms(10)), ms(10));
        assert_eq!(taken(&mut trace, ms(47)), ms(50));
        assert_eq!(taken(&mut trace, ms(50)), ms(52));
        // An opportunity at this very instant counts.
        assert_eq!(taken(&mut trace, ms(52)), ms(52));
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(
            DeliveryTrace::parse("1\nx\n").unwrap_err(),
            (2, "'x' is not a time in milliseconds".into())
        );
        assert_eq!(DeliveryTrace::parse("5\n4\n").unwrap_err().0, 2);
        assert!(DeliveryTrace::parse("").is_err() && DeliveryTrace::parse("0\n0\n").is_err());
    }
}
