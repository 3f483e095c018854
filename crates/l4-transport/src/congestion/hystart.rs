//! HyStart++: leaving slow start when the RTT rises, through a phase of slower growth (RFC 9406).

use super::Sender;
use tidewire_wire::Seq;

const MIN_RTT_THRESH_US: u32 = 4_000;
const MAX_RTT_THRESH_US: u32 = 16_000;
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u32 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u32 = 5;
/// Segments of growth per acknowledgment when nothing is paced.
const L: u32 = 8;

/// RFC 9406 section 4.2.
pub(crate) struct HystartPlusPlus {
    paced: bool,
    window_end: Seq,
    last_round_min_rtt_us: u32,
    current_round_min_rtt_us: u32,
    rtt_samples: u32,
    /// `Some` in conservative slow start: the RTT at its entry and the rounds spent in it.
    css: Option<(u32, u32)>,
    css_credit: u32,
}

impl HystartPlusPlus {
    pub const fn new(paced: bool, window_end: Seq) -> HystartPlusPlus {
        HystartPlusPlus {
            paced,
            window_end,
            last_round_min_rtt_us: u32::MAX,
            current_round_min_rtt_us: u32::MAX,
            rtt_samples: 0,
            css: None,
            css_credit: 0,
        }
    }

    /// Slow start begins (again).
    pub fn restart(&mut self, tcp: &Sender) {
        *self = HystartPlusPlus::new(self.paced, tcp.snd_nxt());
    }

    /// A round-trip measurement; negative: none.
    pub fn sample(&mut self, tcp: &mut Sender, rtt_us: i64) {
        if tcp.snd_una().at_or_after(self.window_end) {
            self.window_end = tcp.snd_nxt();
            self.last_round_min_rtt_us = self.current_round_min_rtt_us;
            self.current_round_min_rtt_us = u32::MAX;
            self.rtt_samples = 0;
            if let Some((_, rounds)) = &mut self.css {
                *rounds += 1;
                if *rounds >= CSS_ROUNDS {
                    tcp.ssthresh = tcp.cwnd;
                }
            }
        }
        if rtt_us < 0 {
            return;
        }
        self.current_round_min_rtt_us = self.current_round_min_rtt_us.min(rtt_us as u32);
        self.rtt_samples += 1;
        if self.rtt_samples < N_RTT_SAMPLE || self.current_round_min_rtt_us == u32::MAX {
            return;
        }
        match self.css {
            None if self.last_round_min_rtt_us != u32::MAX => {
                let threshold = (self.last_round_min_rtt_us / MIN_RTT_DIVISOR)
                    .clamp(MIN_RTT_THRESH_US, MAX_RTT_THRESH_US);
                if self.current_round_min_rtt_us >= self.last_round_min_rtt_us + threshold {
                    self.css = Some((self.current_round_min_rtt_us, 0));
                    self.css_credit = 0;
                }
            }
            Some((baseline, _)) if self.current_round_min_rtt_us < baseline => self.css = None,
            _ => {}
        }
    }

    /// Growth for `acked` segments; returns those left over once the threshold is reached.
    pub fn grow(&mut self, tcp: &mut Sender, acked: u32) -> u32 {
        let acked = if self.paced { acked } else { acked.min(L) };
        if self.css.is_none() {
            return tcp.slow_start(acked);
        }
        self.css_credit += acked;
        let growth = self.css_credit / CSS_GROWTH_DIVISOR;
        self.css_credit %= CSS_GROWTH_DIVISOR;
        tcp.slow_start(growth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(hystart: &mut HystartPlusPlus, tcp: &mut Sender, rtt_us: i64) {
        tcp.snd_una = tcp.snd_nxt;
        tcp.snd_nxt += 10_000;
        for _ in 0..10 {
            hystart.sample(tcp, rtt_us);
        }
    }

    #[test]
    fn a_rising_rtt_slows_growth_and_five_rounds_later_ends_slow_start() {
        let mut tcp = Sender::new(0, Seq(0), 1000, 3, 10);
        let mut hystart = HystartPlusPlus::new(false, Seq(0));
        hystart.restart(&tcp);
        round(&mut hystart, &mut tcp, 40_000);
        round(&mut hystart, &mut tcp, 40_000);
        hystart.grow(&mut tcp, 8);
        assert_eq!(tcp.cwnd, 18);
        round(&mut hystart, &mut tcp, 46_000);
        hystart.grow(&mut tcp, 8);
        assert_eq!(tcp.cwnd, 20);
        for _ in 0..4 {
            round(&mut hystart, &mut tcp, 47_000);
            assert!(tcp.in_slow_start());
        }
        round(&mut hystart, &mut tcp, 47_000);
        assert!(!tcp.in_slow_start());
    }

    #[test]
    fn a_falling_rtt_leads_back_to_slow_start() {
        let mut tcp = Sender::new(0, Seq(0), 1000, 3, 10);
        let mut hystart = HystartPlusPlus::new(false, Seq(0));
        hystart.restart(&tcp);
        for rtt_us in [40_000, 40_000, 46_000, 40_000] {
            round(&mut hystart, &mut tcp, rtt_us);
        }
        hystart.grow(&mut tcp, 8);
        assert_eq!(tcp.cwnd, 18);
    }
}
