//! Opening a connection (RFC 9293 sections 3.5 and 3.10.7.3), with its options and retransmissions.

use crate::clock::Us;
use crate::output::todo;
use crate::timers::Pending;
use crate::window::initial_window;
use crate::{Connection, EcnMode, Event, State, TcpConfig, TcpError};
use std::sync::Arc;
use tidewire_units::Instant;
use tidewire_wire::{Ecn, Endpoint, Seq, TcpFlags, TcpOptions, TcpSegment, Timestamps};

/// The MSS of a peer that announces none (RFC 9293 section 3.7.1).
const DEFAULT_MSS: u16 = 536;
/// The least MSS that is used for sending and the least that is believed.
const MIN_SEND_MSS: u32 = 48;
/// Bytes of a timestamps option, padded.
pub(crate) const TIMESTAMP_BYTES: u32 = 12;
/// After an answer to something that was never sent.
const SYN_AGAIN_US: Us = 8_000;
/// The largest shift of RFC 7323 section 2.3.
const MAX_SHIFT: u8 = 14;

impl Connection {
    /// Opens a connection: the SYN is the first segment that [`Connection::poll_transmit`] gives. `isn` is the initial sequence
    /// number, `ts_offset` the offset of its timestamp clock.
    pub fn connect(
        now: Instant,
        config: Arc<TcpConfig>,
        local: Endpoint,
        remote: Endpoint,
        isn: Seq,
        ts_offset: u32,
    ) -> Connection {
        let mut this = Connection::new(now, config, local, remote, isn, ts_offset, State::SynSent);
        this.open_receive_window(u32::from(this.config.announced_mss()));
        this.tx.snd_nxt = isn + 1;
        this.tx.rtt.rto_us = this.config.rto_init.as_us() as u32;
        this.out.want(todo::SYN);
        this
    }

    /// A listener's answer to `syn`: a connection in SYN_RECEIVED, whose SYN-ACK is the next segment to send.
    #[allow(clippy::too_many_arguments)]
    pub fn accept(
        now: Instant,
        config: Arc<TcpConfig>,
        local: Endpoint,
        remote: Endpoint,
        syn: &TcpSegment,
        ecn: Ecn,
        isn: Seq,
        ts_offset: u32,
    ) -> Connection {
        let mut this = Connection::new(now, config, local, remote, isn, ts_offset, State::SynReceived);
        this.segs_in = 1;
        this.take_syn(syn);
        let offers_ecn = syn.flags.contains(TcpFlags::ECE | TcpFlags::CWR);
        let wants = this.config.ecn != EcnMode::Off || this.cc.needs_ecn();
        this.flags.ecn = offers_ecn && wants && (ecn == Ecn::NotCapable || this.cc.needs_ecn());
        let overhead = if this.flags.timestamps { TIMESTAMP_BYTES } else { 0 };
        this.open_receive_window(u32::from(this.config.announced_mss()) - overhead);
        this.tx.snd_nxt = isn + 1;
        this.tx.rtt.rto_us = this.config.rto_init.as_us() as u32;
        this.out.want(todo::SYN);
        this
    }

    fn open_receive_window(&mut self, mss: u32) {
        let config = &self.config;
        let size = config.rcvbuf.unwrap_or(config.rcvbuf_init).min(u64::from(u32::MAX / 2)) as u32;
        let max = if config.rcvbuf.is_some() { 0 } else { config.rcvbuf_max };
        // Whether the peer offered scaling is known by the time a SYN-ACK is made.
        let scaling = config.window_scale && (self.flags.active || self.out.peer_scales);
        let (window, shift) = initial_window(size, max, mss, scaling);
        let rx = &mut self.rx;
        rx.rcvbuf = size;
        rx.rcv_wnd = window;
        rx.rcv_ssthresh = window;
        rx.window_clamp = 65_535 << shift;
        rx.wscale = shift;
        rx.advmss = config.announced_mss();
    }

    /// What a SYN or SYN-ACK says about the peer.
    fn take_syn(&mut self, syn: &TcpSegment) {
        let (config, options) = (&self.config, &syn.options);
        self.peer_mss = options.mss.unwrap_or(DEFAULT_MSS).max(1);
        self.flags.timestamps = config.timestamps && options.timestamps.is_some();
        self.tx.sack_enabled = config.sack && options.sack_permitted;
        self.out.peer_scales = config.window_scale && options.window_scale.is_some();
        self.snd_wscale =
            if self.out.peer_scales { options.window_scale.unwrap_or(0).min(MAX_SHIFT) } else { 0 };
        let rx = &mut self.rx;
        rx.irs = syn.seq;
        rx.rcv_nxt = syn.seq + 1;
        rx.rcv_wup = rx.rcv_nxt;
        rx.copied_seq = rx.rcv_nxt;
        rx.last_ack_sent = rx.rcv_nxt;
        rx.bytes_received = 0;
        if let Some(stamps) = options.timestamps
            && self.flags.timestamps
        {
            rx.ts_recent = stamps.value;
            rx.ts_recent_us = self.tx.now_us.max(1);
        }
        // The window of a SYN is never scaled (RFC 7323 section 2.2).
        self.tx.snd_wnd = u32::from(syn.window);
        self.tx.max_window = self.tx.snd_wnd;
        self.tx.snd_wl1 = syn.seq;
    }

    /// The data bytes of a full segment, after both sides' limits and the options that every segment carries.
    pub(crate) fn sync_mss(&mut self) {
        let overhead = if self.flags.timestamps { TIMESTAMP_BYTES } else { 0 };
        let path = u32::from(self.config.mss.min(self.out.path_mss));
        let mut mss = path.min(u32::from(self.peer_mss)).saturating_sub(overhead).max(MIN_SEND_MSS);
        if !self.config.is_rfc() {
            // Half of a small window, so that a peer with room for one segment only is not sent one (Linux).
            let half = if self.tx.max_window > 536 { self.tx.max_window >> 1 } else { self.tx.max_window };
            if half > 0 && mss > half {
                mss = half.max(68 - 20 - overhead);
            }
        }
        if self.rare.is_some() {
            mss = self.searched_mss(path).map_or(mss, |limit| mss.min(limit));
        }
        self.tx.mss = mss;
        self.out.chunk = 0;
    }

    /// The SYN or SYN-ACK.
    pub(crate) fn syn_segment(&mut self) -> TcpSegment {
        let config = &self.config;
        let answer = self.state == State::SynReceived;
        let mut flags = TcpFlags::SYN;
        if answer {
            flags |= TcpFlags::ACK;
            if self.flags.ecn {
                flags |= TcpFlags::ECE;
            }
        } else if (config.ecn == EcnMode::On || self.cc.needs_ecn()) && self.tx.retransmits < 1 {
            flags |= TcpFlags::ECE | TcpFlags::CWR;
        }
        // Where both sides opened at once the answer is the SYN again, with all that it offers.
        let negotiated = answer && !self.flags.active;
        let stamps = if negotiated { self.flags.timestamps } else { config.timestamps };
        let scaling = if negotiated { self.out.peer_scales } else { config.window_scale };
        let sack = if negotiated { self.tx.sack_enabled } else { config.sack };
        let echo = if answer { self.rx.ts_recent } else { 0 };
        TcpSegment {
            src_port: self.local.port,
            dst_port: self.remote.port,
            seq: self.tx.snd_una,
            ack: if answer { self.rx.rcv_nxt } else { Seq(0) },
            flags,
            window: self.rx.rcv_wnd.min(65_535) as u16,
            options: TcpOptions {
                mss: Some(config.announced_mss()),
                window_scale: scaling.then_some(self.rx.wscale),
                sack_permitted: sack,
                timestamps: stamps.then(|| Timestamps { value: self.timestamp(), echo }),
                ..TcpOptions::default()
            },
            ..TcpSegment::default()
        }
    }

    /// The SYN has left: its timer runs.
    pub(crate) fn syn_sent(&mut self) {
        if self.timers.pending == Pending::None {
            let backoff = if self.state == State::SynReceived { self.tx.backoff } else { 0 };
            let rto = Us::from(self.tx.rtt.rto_us) << backoff;
            let rto = if self.tx.retransmits > 0 { self.clamp_to_user_timeout(rto) } else { rto };
            self.arm(Pending::Retransmit, rto);
        }
        if self.tx.retrans_stamp == 0 {
            self.out.since_us = self.tx.now_us;
            self.tx.retrans_stamp = crate::Sender::stamp(self.tx.now_us);
        }
    }

    /// No answer to the SYN or SYN-ACK came in time.
    pub(crate) fn on_syn_timer(&mut self) {
        let active = self.state == State::SynSent;
        let config = &self.config;
        let limit =
            if active { config.syn_retries + config.syn_linear_timeouts } else { config.synack_retries };
        let patience = config.user_timeout.map_or(Us::MAX, |limit| limit.as_us());
        let waited = self.tx.us_since(self.out.since_us);
        if u32::from(self.tx.retransmits) >= limit || (self.tx.retransmits > 0 && waited >= patience) {
            let error = self.timeout_error();
            self.finish(Some(error));
            return;
        }
        self.tx.retransmits += 1;
        self.tx.total_rto += 1;
        if !active {
            self.tx.backoff += 1;
        } else if u32::from(self.tx.retransmits) > config.syn_linear_timeouts {
            self.tx.backoff += 1;
            let rto = (Us::from(self.tx.rtt.rto_us) << 1).min(config.rto_max.as_us());
            self.tx.rtt.rto_us = rto as u32;
        }
        self.tx.total_retrans += 1;
        self.out.want(todo::SYN);
        self.out.want(todo::SYN_AGAIN);
    }

    /// A segment in SYN_SENT (RFC 9293 section 3.10.7.3).
    pub(crate) fn on_syn_sent(&mut self, segment: &TcpSegment) {
        let flags = segment.flags;
        if flags.ack() {
            let bad_ack = segment.ack.at_or_before(self.tx.snd_una) || segment.ack.after(self.tx.snd_nxt);
            if bad_ack || !self.plausible_echo(segment) {
                if bad_ack && self.tx.retransmits == 0 && !self.config.is_rfc() {
                    // What answers something older may be in the way of the SYN: it is resent at once.
                    self.arm(Pending::Retransmit, SYN_AGAIN_US);
                }
                self.refuse(segment);
                return;
            }
        }
        if flags.rst() {
            if flags.ack() {
                self.finish(Some(TcpError::Refused));
            }
            return;
        }
        if !flags.syn() {
            return;
        }
        self.take_syn(segment);
        if !flags.ack() {
            // Both sides opened at once: the SYN is answered, and the answer to ours will acknowledge it.
            self.transition(Event::Syn);
            self.tx.backoff = 0;
            self.out.want(todo::SYN);
            self.disarm();
            return;
        }
        self.flags.ecn = flags.contains(TcpFlags::ECE)
            && !flags.contains(TcpFlags::CWR)
            && (self.config.ecn == EcnMode::On || self.cc.needs_ecn());
        if !self.out.peer_scales {
            self.rx.wscale = 0;
            self.rx.window_clamp = self.rx.window_clamp.min(65_535);
            self.rx.rcv_ssthresh = self.rx.rcv_ssthresh.min(65_535);
        }
        self.transition(Event::SynAck);
        self.establish(segment);
        self.out.want(todo::ACK);
    }

    /// The echoed timestamp lies between the first SYN and now (RFC 7323 section 3.2).
    pub(crate) fn plausible_echo(&self, segment: &TcpSegment) -> bool {
        let Some(stamps) = segment.options.timestamps.filter(|_| self.config.timestamps) else {
            return true;
        };
        if stamps.echo == 0 || segment.flags.rst() {
            return true;
        }
        let first = ((self.out.since_us / 1000) as u32).wrapping_add(self.rx.ts_offset);
        let now = self.timestamp();
        now.wrapping_sub(stamps.echo) <= now.wrapping_sub(first)
    }

    /// The handshake is complete: `segment` acknowledged the SYN.
    pub(crate) fn establish(&mut self, segment: &TcpSegment) {
        self.disarm();
        if self.flags.timestamps {
            self.rx.advmss = self.rx.advmss.saturating_sub(TIMESTAMP_BYTES as u16);
        }
        if self.flags.active {
            self.init_mtu_search();
            self.sync_mss();
        } else {
            self.sync_mss();
            self.init_mtu_search();
        }
        let advmss = u32::from(self.rx.advmss);
        let hint = advmss.min(self.tx.mss).min(self.rx.rcv_wnd / 2).min(536);
        self.rx.rcv_mss = hint.max(88) as u16;
        self.measure_handshake(segment);
        let stamp = self.tx.retrans_stamp;
        let tx = &mut self.tx;
        tx.snd_una = segment.ack;
        tx.snd_sml = segment.ack;
        tx.high_seq = segment.ack;
        tx.cwnd_usage_seq = segment.ack;
        tx.highest_sack = segment.ack;
        tx.rtt.rtt_seq = segment.ack;
        tx.delivered = 1;
        tx.delivered_us = tx.now_us;
        tx.backoff = 0;
        tx.retransmits = 0;
        tx.retrans_stamp = 0;
        tx.last_ack_us = tx.now_us;
        // After two lost SYNs one segment, unless it was the first SYN that was answered after all.
        let offset = self.rx.ts_offset;
        let late =
            segment.options.timestamps.is_some_and(|ts| ts.echo.wrapping_sub(offset) == stamp && stamp > 0);
        tx.cwnd = if tx.total_retrans > 1 && !late { 1 } else { u32::from(tx.init_cwnd) };
        if self.config.is_rfc() {
            // RFC 6928 section 2; one segment after a lost SYN (RFC 5681 section 3.1).
            let bytes = (10 * self.tx.mss).min((2 * self.tx.mss).max(14_600));
            let window = (bytes / self.tx.mss).min(u32::from(self.tx.init_cwnd));
            self.tx.cwnd = if self.tx.total_retrans > 0 { 1 } else { window };
        }
        self.tx.cwnd_stamp_us = self.tx.now_us;
        self.tx.lsnd_us = self.tx.now_us;
        self.out.since_us = 0;
        self.rx.last_oow_us = 0;
        if let Some(source) = &mut self.out.source {
            // A source attached before now writes as an application does that has waited for the connection.
            source.max_window = self.tx.max_window;
        }
        self.init_receive_space();
        if self.cc.needs_ecn() && !self.flags.ecn {
            // Without ECN there are no marks to react to; the algorithm falls back to its loss response.
            self.out.want(todo::PUSH);
        }
        self.cc.init(&mut self.tx);
        self.update_pacing_rate();
        self.arm_keepalive();
        self.out.want(todo::PUSH);
    }

    /// The first round-trip time, unless the SYN was resent and no timestamp tells which one was answered (Karn).
    fn measure_handshake(&mut self, segment: &TcpSegment) {
        let mut rtt_us = None;
        if self.tx.total_retrans == 0 {
            rtt_us = Some(self.tx.us_since(self.out.since_us));
        } else if let Some(stamps) = segment.options.timestamps.filter(|_| self.flags.timestamps)
            && stamps.echo != 0
        {
            rtt_us = Some(self.echo_delay_us(stamps.echo));
        }
        let Some(us) = rtt_us else {
            self.tx.rtt.fall_back(&self.config);
            return;
        };
        let us = us.clamp(1, 1 << 27) as u32;
        self.tx.min_rtt.running_min(300_000, self.tx.now_us / 1000, us);
        self.tx.rtt.sample(&self.config, us, self.tx.snd_una, self.tx.snd_nxt);
    }

    /// The timestamp clock.
    #[inline]
    pub(crate) fn timestamp(&self) -> u32 {
        ((self.tx.now_us / 1000) as u32).wrapping_add(self.rx.ts_offset)
    }

    /// Time since the timestamp that the peer echoes, at least one tick.
    pub(crate) fn echo_delay_us(&self, echo: u32) -> Us {
        let ticks = self.timestamp().wrapping_sub(echo);
        if ticks > 1 << 30 { 1_000 } else { Us::from(ticks.max(1)) * 1_000 }
    }
}
