//! The round-trip estimator and the retransmission timeout (RFC 6298).

use crate::clock::{Us, round_timeout};
use crate::{Profile, TcpConfig};
use tidewire_wire::Seq;

/// Smoothed round-trip time, its deviation, and the timeout that follows.
#[derive(Debug)]
pub(crate) struct RttEstimator {
    /// Eight times the smoothed RTT; zero before the first sample.
    pub srtt_us8: u32,
    /// Four times the mean deviation.
    pub mdev_us4: u32,
    /// Its maximum in the current round.
    pub mdev_max_us4: u32,
    /// The variance term of the timeout.
    pub rttvar_us4: u32,
    /// The end of the current round.
    pub rtt_seq: Seq,
    /// The timeout, backoff included.
    pub rto_us: u32,
}

impl RttEstimator {
    pub const fn new() -> RttEstimator {
        RttEstimator {
            srtt_us8: 0,
            mdev_us4: 0,
            mdev_max_us4: 0,
            rttvar_us4: 0,
            rtt_seq: Seq(0),
            rto_us: 1_000_000,
        }
    }

    /// A measurement of `rtt_us`.
    #[inline]
    pub fn sample(&mut self, config: &TcpConfig, rtt_us: u32, snd_una: Seq, snd_nxt: Seq) {
        let rtt_us = rtt_us.min(1 << 27);
        match config.profile {
            Profile::Linux => self.sample_linux(config.rto_min.as_us() as u32, rtt_us, snd_una, snd_nxt),
            Profile::Rfc => self.sample_rfc(rtt_us),
        }
        self.set_rto(config);
    }

    /// Linux: the variance term is at least the least timeout, follows the largest deviation of a round at once and decays once
    /// per round; a falling RTT raises the deviation eight times more slowly.
    fn sample_linux(&mut self, rto_min_us: u32, rtt_us: u32, snd_una: Seq, snd_nxt: Seq) {
        if self.srtt_us8 == 0 {
            self.srtt_us8 = (rtt_us << 3).max(1);
            self.mdev_us4 = rtt_us << 1;
            self.rttvar_us4 = self.mdev_us4.max(rto_min_us);
            self.mdev_max_us4 = self.rttvar_us4;
            self.rtt_seq = snd_nxt;
            return;
        }
        let error = rtt_us as i32 - (self.srtt_us8 >> 3) as i32;
        self.srtt_us8 = self.srtt_us8.wrapping_add_signed(error).max(1);
        let mut change = error.abs() - (self.mdev_us4 >> 2) as i32;
        if error < 0 && change > 0 {
            change >>= 3;
        }
        self.mdev_us4 = self.mdev_us4.wrapping_add_signed(change);
        if self.mdev_us4 > self.mdev_max_us4 {
            self.mdev_max_us4 = self.mdev_us4;
            self.rttvar_us4 = self.rttvar_us4.max(self.mdev_max_us4);
        }
        if snd_una.after(self.rtt_seq) {
            if self.mdev_max_us4 < self.rttvar_us4 {
                self.rttvar_us4 -= (self.rttvar_us4 - self.mdev_max_us4) >> 2;
            }
            self.rtt_seq = snd_nxt;
            self.mdev_max_us4 = rto_min_us;
        }
    }

    /// RFC 6298 sections 2.2 and 2.3.
    fn sample_rfc(&mut self, rtt_us: u32) {
        if self.srtt_us8 == 0 {
            self.srtt_us8 = (rtt_us << 3).max(1);
            self.rttvar_us4 = rtt_us << 1;
        } else {
            let error = rtt_us as i32 - (self.srtt_us8 >> 3) as i32;
            self.rttvar_us4 =
                self.rttvar_us4.wrapping_add_signed(error.abs() - (self.rttvar_us4 >> 2) as i32);
            self.srtt_us8 = self.srtt_us8.wrapping_add_signed(error).max(1);
        }
        self.mdev_us4 = self.rttvar_us4;
    }

    /// The timeout without backoff.
    #[inline]
    pub fn base_rto_us(&self, config: &TcpConfig) -> Us {
        let sum = Us::from(self.srtt_us8 >> 3) + Us::from(self.rttvar_us4);
        let floor = if config.is_rfc() { config.rto_min.as_us() } else { 0 };
        round_timeout(sum, config.timer_slack).clamp(floor, config.rto_max.as_us())
    }

    #[inline]
    pub fn set_rto(&mut self, config: &TcpConfig) {
        self.rto_us = self.base_rto_us(config) as u32;
    }

    /// No sample came from the handshake: three seconds (RFC 6298 section 5.7).
    pub fn fall_back(&mut self, config: &TcpConfig) {
        let us = 3_000_000u32.min(config.rto_max.as_us() as u32);
        self.rttvar_us4 = us;
        self.mdev_us4 = us;
        self.mdev_max_us4 = us;
        self.rto_us = us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_rtt_of_100_ms_gives_300_ms_under_linux_and_one_second_under_the_rfc() {
        for (config, rto) in [(TcpConfig::linux(), 300_000), (TcpConfig::rfc(), 1_000_000)] {
            let mut rtt = RttEstimator::new();
            for round in 0..100 {
                rtt.sample(&config, 100_000, Seq(round), Seq(round));
            }
            assert!((i64::from(rtt.rto_us) - rto).abs() < 500, "{}", rtt.rto_us);
        }
    }

    #[test]
    fn the_first_sample_gives_three_times_itself() {
        let mut rtt = RttEstimator::new();
        rtt.sample(&TcpConfig::linux(), 400_000, Seq(0), Seq(0));
        assert_eq!(rtt.rto_us, 1_200_000);
    }
}
