//! What leaves a connection, in which order: resets, SYNs, probes, retransmissions, new data, acknowledgments.

use crate::clock::Us;
use crate::send::Push;
use crate::timers::Pending;
use crate::{Connection, State, Transmit};
use tidewire_units::Instant;
use tidewire_wire::{Ecn, Payload, Seq, TcpFlags, TcpOptions, TcpSegment, Timestamps};

/// What loss recovery wants to send after an acknowledgment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Rexmit {
    #[default]
    None,
    /// Segments marked lost.
    Lost,
    /// New data, to find out whether a timeout was spurious (RFC 5682).
    New,
}

/// Where a synthetic source stands, in bytes.
#[derive(Debug)]
pub(crate) struct Source {
    pub sent: u64,
    pub pushed: u64,
    /// The peer's largest window when the source was attached.
    pub max_window: u32,
}

/// What is to be sent at the next opportunity.
#[derive(Debug)]
pub(crate) struct Output {
    /// A reset, complete.
    pub reset: Option<Box<TcpSegment>>,
    /// An acknowledgment of an earlier state, before what comes next.
    pub early_ack: Option<Box<TcpSegment>>,
    pub syn: bool,
    pub syn_again: bool,
    /// The oldest segment, after a timeout.
    pub head: bool,
    pub rexmit: Rexmit,
    pub loss_probe: bool,
    /// A window or keepalive probe.
    pub probe: bool,
    /// Send what the window has room for, full segment or not.
    pub wakeup: bool,
    /// Try to send new data.
    pub push: bool,
    /// This time without a segment that is not full: more will be written at once.
    pub more: bool,
    pub ack: bool,
    /// The peer scales its windows.
    pub peer_scales: bool,
    /// Unanswered keepalive probes.
    pub keep_probes: u8,
    /// Segments of new data sent since `push` was set.
    pub burst: u16,
    /// Bytes that go with the segment just sent, and whether the last of them is pushed.
    pub chunk: u32,
    pub chunk_pushes: bool,
    /// Bytes in the last piece of the write queue, when it was written to.
    pub tail: u32,
    /// The last attempt waited for more room.
    pub deferred: bool,
    /// What the path takes.
    pub path_mss: u16,
    /// The timestamp echoed by the last acknowledgment; zero: none.
    pub tsecr: u32,
    pub source: Option<Box<Source>>,
    /// First transmission of the SYN, or of the first unanswered window probe.
    pub since_us: Us,
    /// When anything was sent last.
    pub last_us: Us,
    pub now_ns: u64,
}

impl Default for Output {
    fn default() -> Self {
        Output {
            reset: None,
            early_ack: None,
            syn: false,
            syn_again: false,
            head: false,
            rexmit: Rexmit::None,
            loss_probe: false,
            probe: false,
            wakeup: false,
            push: false,
            more: false,
            ack: false,
            peer_scales: false,
            keep_probes: 0,
            burst: 0,
            chunk: 0,
            chunk_pushes: false,
            tail: 0,
            deferred: false,
            path_mss: u16::MAX,
            tsecr: 0,
            source: None,
            since_us: 0,
            last_us: 0,
            now_ns: 0,
        }
    }
}

impl Output {
    pub fn want_lost(&mut self) {
        self.rexmit = Rexmit::Lost;
    }
}

impl Connection {
    /// The next segment to send now. To be called until it gives nothing after every other call.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.set_now(now);
        if self.flags.local_drop {
            // What is neither counted nor repeated is lost without a trace.
            while self.next_transmit().is_some() {}
            return None;
        }
        self.next_transmit()
    }

    #[inline]
    fn next_transmit(&mut self) -> Option<Transmit> {
        if let Some(transmit) = self.poll_control() {
            return Some(transmit);
        }
        if self.may_transmit()
            && let Some(transmit) = self.poll_data()
        {
            return Some(transmit);
        }
        if self.out.ack && self.state != State::Closed {
            return Some(self.transmit_ack());
        }
        if self.flags.discard && self.rx.readable > 0 {
            self.discard_readable();
            if self.out.ack && self.state != State::Closed {
                return Some(self.transmit_ack());
            }
        }
        None
    }

    fn transmit_ack(&mut self) -> Transmit {
        let segment = self.pure_ack();
        self.ack_left();
        self.plain(segment)
    }

    /// Counts a segment that is neither data nor subject to congestion control.
    fn plain(&mut self, segment: TcpSegment) -> Transmit {
        self.segs_out = self.segs_out.wrapping_add(1);
        let ecn = if self.cc.needs_ecn() && self.flags.ecn { Ecn::Ect0 } else { Ecn::NotCapable };
        Transmit { segment, ecn, is_retransmit: false }
    }

    fn poll_control(&mut self) -> Option<Transmit> {
        if let Some(segment) = self.out.reset.take() {
            self.segs_out = self.segs_out.wrapping_add(1);
            return Some(Transmit { segment: *segment, ecn: Ecn::NotCapable, is_retransmit: false });
        }
        if let Some(segment) = self.out.early_ack.take() {
            return Some(self.plain(*segment));
        }
        if self.out.syn && matches!(self.state, State::SynSent | State::SynReceived) {
            self.out.syn = false;
            let is_retransmit = self.out.syn_again;
            self.out.syn_again = false;
            let segment = self.syn_segment();
            self.syn_sent();
            self.segs_out = self.segs_out.wrapping_add(1);
            return Some(Transmit { segment, ecn: Ecn::NotCapable, is_retransmit });
        }
        if self.out.probe && self.may_transmit() {
            self.out.probe = false;
            let segment = self.header(self.tx.snd_una - 1, TcpFlags::ACK);
            self.ack_left();
            return Some(self.plain(segment));
        }
        None
    }

    fn poll_data(&mut self) -> Option<Transmit> {
        if self.out.head {
            self.out.head = false;
            let head = self.rtx.begin();
            if let Some(transmit) = self.retransmit(head, true) {
                return Some(transmit);
            }
        }
        if self.out.rexmit == Rexmit::New {
            if let Some(transmit) = self.new_data(Push::Now) {
                return Some(transmit);
            }
            self.end_burst();
            self.out.rexmit = Rexmit::None;
            if !self.tx.snd_nxt.after(self.tx.high_seq) {
                self.tx.frto = false;
                self.out.rexmit = Rexmit::Lost;
            }
        }
        if self.out.rexmit == Rexmit::Lost {
            if let Some(transmit) = self.retransmit_lost() {
                return Some(transmit);
            }
            self.out.rexmit = Rexmit::None;
        }
        if self.out.loss_probe {
            self.out.loss_probe = false;
            if let Some(transmit) = self.send_loss_probe() {
                return Some(transmit);
            }
        }
        if self.out.wakeup {
            self.out.wakeup = false;
            if let Some(transmit) = self.new_data(Push::Wakeup) {
                self.out.push = true;
                return Some(transmit);
            }
        }
        if self.out.push {
            if let Some(transmit) = self.new_data(Push::Normal) {
                return Some(transmit);
            }
            self.out.push = false;
            self.out.more = false;
            self.end_burst();
        }
        None
    }

    /// A header with everything but data.
    #[inline(always)]
    pub(crate) fn header(&mut self, seq: Seq, flags: TcpFlags) -> TcpSegment {
        let mut options = TcpOptions::default();
        if self.flags.timestamps {
            options.timestamps = Some(Timestamps { value: self.timestamp(), echo: self.rx.ts_recent });
        }
        if self.tx.sack_enabled && (self.rx.dsack.is_some() || self.rx.ooo.is_some()) {
            self.sack_blocks(&mut options.sack);
        }
        TcpSegment {
            src_port: self.local.port,
            dst_port: self.remote.port,
            seq,
            ack: if flags.ack() { self.rx.rcv_nxt } else { Seq(0) },
            flags,
            window: self.announce_window(),
            options,
            payload: Payload::EMPTY,
        }
    }

    /// An acknowledgment without data.
    pub(crate) fn pure_ack(&mut self) -> TcpSegment {
        let flags = self.plain_flags();
        self.header(self.acceptable_seq(), flags)
    }

    /// Beyond a window that the peer has shrunk, an empty segment must still be acceptable to it.
    #[inline]
    pub(crate) fn acceptable_seq(&self) -> Seq {
        let (end, next) = (self.tx.wnd_end(), self.tx.snd_nxt);
        let inside = !end.before(next) || (self.out.peer_scales && (next - end) < 1 << self.rx.wscale);
        if inside { next } else { end }
    }

    /// Resets the connection with an acceptable sequence number, as an application or a timer that gives up does.
    pub(crate) fn send_reset(&mut self) {
        let seq = self.acceptable_seq();
        let segment = self.header(seq, TcpFlags::ACK | TcpFlags::RST);
        self.out.reset = Some(Box::new(segment));
    }

    /// Answers `segment` with a reset, as if there were no connection.
    pub(crate) fn refuse(&mut self, segment: &TcpSegment) {
        self.out.reset = crate::reset_for(segment).map(Box::new);
    }

    #[inline]
    pub(crate) fn is_paced(&self) -> bool {
        self.tx.pacing_needed || self.config.pacing
    }

    /// Must the next segment wait for its turn? Then the timer is set.
    #[inline]
    pub(crate) fn pacing_blocks(&mut self) -> bool {
        if !self.is_paced() || self.tx.pace_next_ns <= self.out.now_ns {
            return false;
        }
        self.timers.pace = Instant::from_ps(self.tx.pace_next_ns.saturating_mul(1_000));
        true
    }

    /// A segment of `bytes` has left: the next one may follow when it would have drained at the pacing rate.
    #[inline]
    pub(crate) fn pace(&mut self, bytes: u32) {
        if !self.is_paced() {
            return;
        }
        let tx = &mut self.tx;
        let prior = tx.pace_next_ns;
        tx.pace_next_ns = prior.max(self.out.now_ns);
        // The first ten segments are not paced.
        if tx.pacing_rate == u64::MAX || tx.pacing_rate == 0 || tx.data_segs_out < 10 {
            return;
        }
        let ns = (u128::from(bytes) * 1_000_000_000 / u128::from(tx.pacing_rate)).min(1 << 60) as u64;
        let credit = tx.pace_next_ns - prior;
        tx.pace_next_ns += ns - (ns / 2).min(credit);
    }

    /// Nothing more goes out now: remembers whether the window was the limit, and sets the timers.
    pub(crate) fn end_burst(&mut self) {
        let sent = std::mem::take(&mut self.out.burst);
        let has_more = self.buf.unsent() > 0 || self.fin_unsent();
        if sent == 0 && !has_more {
            return;
        }
        self.out.chunk = 0;
        let limited = self.tx.in_flight() >= self.tx.cwnd || std::mem::take(&mut self.out.deferred);
        if sent > 0 || limited {
            self.validate_cwnd(limited);
        }
        if sent > 0 {
            if self.tx.in_cwnd_reduction() {
                self.tx.prr_out += u32::from(sent);
            }
            if !self.out.loss_probe && self.tx.tlp_high_seq.is_none() {
                self.schedule_loss_probe(false);
            }
        }
        if has_more && self.tx.packets_out == 0 && self.timers.pending == Pending::None {
            let delay = Us::from(self.tx.rtt.rto_us).max(self.config.rto_min.as_us().min(200_000));
            self.arm(Pending::WindowProbe, self.clamp_probe(delay));
        }
    }

    /// Tracks how much of the window is used (RFC 7661).
    fn validate_cwnd(&mut self, limited: bool) {
        let after_idle = self.config.slow_start_after_idle && !self.cc.controls_all();
        let tx = &mut self.tx;
        if tx.snd_una.at_or_after(tx.cwnd_usage_seq)
            || limited
            || (!tx.is_cwnd_limited && tx.packets_out > tx.max_packets_out)
        {
            tx.is_cwnd_limited = limited;
            tx.max_packets_out = tx.packets_out;
            tx.cwnd_usage_seq = tx.snd_nxt;
        }
        if tx.is_cwnd_limited() {
            tx.cwnd_used = 0;
            tx.cwnd_stamp_us = tx.now_us;
            return;
        }
        tx.cwnd_used = tx.cwnd_used.max(tx.packets_out);
        if after_idle && tx.us_since(tx.cwnd_stamp_us) >= Us::from(tx.rtt.rto_us) {
            self.shrink_unused_window();
        }
    }

    /// The application has not used the window for a timeout's time: half of the unused part goes (RFC 2861).
    fn shrink_unused_window(&mut self) {
        let tx = &mut self.tx;
        if tx.ca_state == crate::CaState::Open {
            let used = tx.cwnd_used.max(u32::from(tx.init_cwnd));
            if used < tx.cwnd {
                tx.ssthresh = tx.current_ssthresh();
                tx.cwnd = (tx.cwnd + used) >> 1;
            }
            tx.cwnd_used = 0;
        }
        tx.cwnd_stamp_us = tx.now_us;
    }
}
