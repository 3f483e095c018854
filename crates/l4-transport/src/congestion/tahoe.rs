//! Tahoe: slow start from one segment after every loss (V. Jacobson, "Congestion avoidance and control", SIGCOMM 1988).

use super::{CcEvent, CongestionControl, Sender, reno};
use crate::TcpConfig;

/// Everything is in the sender's variables; the connection repairs a loss as after a timeout.
pub(crate) struct Tahoe;

impl Tahoe {
    pub fn new(_config: &TcpConfig) -> Tahoe {
        Tahoe
    }
}

impl CongestionControl for Tahoe {
    fn name(&self) -> &str {
        "tahoe"
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        (tcp.cwnd >> 1).max(2)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        reno::grow(tcp, acked);
    }

    /// A congestion mark, or a tail that a probe repaired, counts as a loss too.
    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        if event == CcEvent::CompleteCwr {
            tcp.cwnd = 1;
        }
    }

    fn restarts_after_loss(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round};
    use super::*;

    #[test]
    fn after_a_loss_the_window_doubles_from_one_to_half_and_then_grows_by_one() {
        let (mut tahoe, mut tcp) = (Tahoe::new(&TcpConfig::linux()), avoiding(40));
        tcp.ssthresh = tahoe.ssthresh(&mut tcp);
        assert_eq!(tcp.ssthresh, 20);
        tahoe.on_event(&mut tcp, CcEvent::CompleteCwr);
        let windows: Vec<u32> = (0..8)
            .map(|_| {
                round(&mut tahoe, &mut tcp, 50_000);
                tcp.cwnd
            })
            .collect();
        assert_eq!(windows, [2, 4, 8, 16, 20, 21, 22, 23]);
    }
}
