//! Probes of a closed window and of a silent peer, and the ends of connections (RFC 9293 sections 3.8.4, 3.8.6.1, 3.10.8).

use crate::clock::Us;
use crate::output::todo;
use crate::timers::Pending;
use crate::{Connection, State, TcpError};

/// After the host's own queue has refused a segment.
pub(crate) const LOCAL_RETRY_US: Us = 500_000;
/// Window probes in the foreground: a quarter of an hour.
const PATIENT_PROBES: u32 = 15;

impl Connection {
    /// The time until the next window probe.
    pub(crate) fn window_probe_delay(&self) -> Us {
        let floor = self.config.rto_min.as_us().min(200_000);
        let base = Us::from(self.tx.rtt.rto_us).max(floor);
        let most = self.config.rto_max.as_us();
        let steps = (most / floor.max(1)).max(1).ilog2() + 1;
        let delay = (base << u32::from(self.tx.backoff).min(steps)).min(most);
        self.clamp_probe(delay)
    }

    /// The last probe before a user timeout comes when that expires.
    pub(crate) fn clamp_probe(&self, delay: Us) -> Us {
        match self.config.user_timeout {
            Some(limit) if self.out.since_us > 0 => {
                let left = limit.as_us().saturating_sub(self.tx.us_since(self.out.since_us));
                delay.min(left.max(2_000))
            }
            _ => delay,
        }
    }

    /// The window has been closed for a probe interval, or a short segment held back for long enough.
    pub(crate) fn on_window_probe_timer(&mut self) {
        if self.tx.packets_out > 0 || (self.buf.unsent() == 0 && !self.fin_unsent()) {
            self.tx.probes_out = 0;
            self.out.since_us = 0;
            return;
        }
        if self.out.since_us == 0 {
            self.out.since_us = self.tx.now_us.max(1);
        } else if let Some(limit) = self.config.user_timeout
            && self.tx.us_since(self.out.since_us) >= limit.as_us()
        {
            self.finish(Some(self.timeout_error()));
            return;
        }
        let most = if self.flags.orphan { 8.min(self.config.retries) } else { self.config.retries };
        if u32::from(self.tx.probes_out) >= most {
            self.finish(Some(self.timeout_error()));
            return;
        }
        if self.flags.local_drop {
            self.tx.probes_out = self.tx.probes_out.saturating_add(1);
            self.arm(Pending::WindowProbe, self.clamp_probe(LOCAL_RETRY_US));
            return;
        }
        if self.tx.snd_nxt.before(self.tx.wnd_end()) {
            // There is room, only not for a full segment: what fits goes out now.
            self.out.want(todo::WAKEUP);
            return;
        }
        self.out.want(todo::PROBE);
        self.tx.probes_out += 1;
        if u32::from(self.tx.backoff) < self.config.retries {
            self.tx.backoff += 1;
        }
        let delay = self.window_probe_delay();
        self.arm_window_probe(delay);
    }

    /// Probes go on for as long as the peer answers them (RFC 9293, section 3.8.6.1). The first ones are in the foreground: the news
    /// of an open window may have been lost. Who has said so often that there is no room does not read, and keeps no run alive.
    pub(crate) fn arm_window_probe(&mut self, delay: Us) {
        if u32::from(self.tx.backoff) < self.config.retries.min(PATIENT_PROBES) {
            self.arm(Pending::WindowProbe, delay);
        } else {
            self.disarm();
            self.timers.pending = Pending::WindowProbe;
            self.timers.keep = self.deadline(delay.min(self.config.rto_max.as_us()));
        }
    }

    /// The keepalive settings have changed: the time that the peer has been silent counts.
    pub(crate) fn restart_keepalive(&mut self) {
        let waits_for_end =
            self.state == State::TimeWait || (self.state == State::FinWait2 && self.flags.orphan);
        if waits_for_end || !self.state.is_synchronized() {
            return;
        }
        self.timers.keep = match self.config.keepalive {
            Some(keepalive) => {
                let silent = self.tx.us_since(self.rx.last_recv_us.max(self.tx.last_ack_us));
                self.deadline(keepalive.idle.as_us().saturating_sub(silent))
            }
            None => Us::MAX,
        };
    }

    /// Keepalive runs from the establishment on; when its timer expires it looks how long the peer has been silent.
    pub(crate) fn arm_keepalive(&mut self) {
        if let Some(keepalive) = self.config.keepalive
            && self.timers.keep == Us::MAX
            && self.state.is_synchronized()
        {
            self.timers.keep = self.deadline(keepalive.idle.as_us());
        }
    }

    pub(crate) fn on_keep_timer(&mut self) {
        self.timers.keep = Us::MAX;
        if self.timers.pending == Pending::WindowProbe && self.timers.rtx == Us::MAX {
            self.timers.pending = Pending::None;
            self.on_window_probe_timer();
            self.arm_keepalive();
            return;
        }
        match self.state {
            State::TimeWait => self.finish(None),
            State::FinWait2 if self.flags.orphan => self.finish(None),
            _ => self.on_keepalive(),
        }
    }

    fn on_keepalive(&mut self) {
        let Some(keepalive) = self.config.keepalive.filter(|_| self.state.is_synchronized()) else { return };
        let idle = keepalive.idle.as_us();
        let silent = self.tx.us_since(self.rx.last_recv_us.max(self.tx.last_ack_us));
        let mut next = idle;
        if self.tx.packets_out == 0 && self.buf.unsent() == 0 {
            if silent < idle {
                next = idle - silent;
            } else {
                let limit = self.config.user_timeout.map(|limit| limit.as_us());
                let given_up = match limit {
                    Some(limit) => silent >= limit && self.out.keep_probes > 0,
                    None => u32::from(self.out.keep_probes) >= keepalive.probes,
                };
                if given_up {
                    self.send_reset();
                    self.finish(Some(TcpError::TimedOut));
                    return;
                }
                self.out.want(todo::PROBE);
                self.out.keep_probes = self.out.keep_probes.saturating_add(1);
                next = keepalive.interval.as_us();
            }
        }
        self.timers.keep = self.deadline(next);
    }
}
