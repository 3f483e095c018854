//! Microseconds inside, instants outside, and timers that expire as late as a kernel's.

use crate::TimerSlack;
use tidewire_units::{Instant, Span};

/// Microseconds since the start of the run, or a length of time in microseconds.
pub(crate) type Us = u64;

/// A tick of the kernel's timer wheel.
const TICK_US: Us = 4_000;
/// Buckets per level of the wheel, less one; each level is eight times coarser than the one before.
const WHEEL_SPAN: u64 = 63;

pub(crate) const fn instant(us: Us) -> Instant {
    Instant::from_ps(us.saturating_mul(1_000_000))
}

pub(crate) const fn span(us: Us) -> Span {
    Span::from_us(us)
}

/// When a timer that is set at `now` for `delay` expires.
#[inline]
pub(crate) fn expiry(now: Us, delay: Us, slack: TimerSlack) -> Us {
    match slack {
        TimerSlack::None => now + delay,
        TimerSlack::Wheel => {
            let tick = now / TICK_US;
            let ticks = delay.div_ceil(TICK_US);
            let mut shift = 0;
            while shift < 24 && ticks >= WHEEL_SPAN << shift {
                shift += 3;
            }
            ((((tick + ticks) >> shift) + 1) << shift) * TICK_US
        }
    }
}

/// A timeout as the kernel keeps it: in whole ticks under the wheel.
#[inline]
pub(crate) fn round_timeout(us: Us, slack: TimerSlack) -> Us {
    match slack {
        TimerSlack::None => us,
        TimerSlack::Wheel => us.div_ceil(TICK_US) * TICK_US,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_slack_timers_are_exact() {
        assert_eq!(expiry(1_234, 300_000, TimerSlack::None), 301_234);
    }

    #[test]
    fn the_wheel_is_never_early_and_at_most_an_eighth_and_two_ticks_late() {
        for delay in [1, 40_000, 200_000, 252_000, 1_000_000, 2_016_000, 18_400_000, 120_000_000] {
            for now in [0, 1, 3_999, 4_000, 123_456_789] {
                let late = expiry(now, delay, TimerSlack::Wheel) - now - delay;
                assert!(late <= delay / 7 + 2 * TICK_US, "{delay} set at {now} is {late} late");
            }
        }
    }
}
