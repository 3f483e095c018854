//! A connection at rest, in as few bytes as what it remembers needs: one waits for its application while thousands of others do.
//!
//! ```text
//!   Connection --- Folded::of ---> Folded --- unfold ---> Connection, as it was
//!   1,000 bytes                    300 bytes
//! ```

use crate::clock::Us;
use crate::congestion::Controller;
use crate::connection::{Busy, Connection, Flags};
use crate::output::{Output, Source};
use crate::receiver::Receiver;
use crate::sender::{Rack, Sender};
use crate::{CaState, Discards, State, TcpConfig};
use std::sync::Arc;
use tidewire_units::Instant;
use tidewire_wire::{Endpoint, Seq};

/// A connection at rest: established, nothing in flight, queued, unread or missing, and no timer but keepalive.
#[derive(Clone, Debug)]
pub struct Folded {
    config: Arc<TcpConfig>,
    local: Endpoint,
    remote: Endpoint,
    now: Instant,
    bytes: Box<[u8]>,
}

impl Connection {
    /// Nothing is in flight, queued, unread or missing, and no timer runs but keepalive: [`Folded::of`] may take it.
    #[inline]
    pub fn is_at_rest(&self) -> bool {
        self.out.todo == 0
            && self.timers.foreground() == Us::MAX
            && self.timers.pace == Instant::MAX
            && self.is_idle()
    }

    fn is_idle(&self) -> bool {
        let tx = &self.tx;
        let plain_cc = match &self.cc {
            Controller::Reno(reno) => reno.is_plain(),
            Controller::Cubic(cubic) => cubic.is_plain(),
            Controller::Boxed(_) => false,
        };
        plain_cc
            && self.state == State::Established
            && tx.ca_state == CaState::Open
            && tx.packets_out == 0
            && tx.tlp_high_seq.is_none()
            && self.buf.is_empty()
            && self.rx.readable == 0
            && self.rx.ooo.is_none()
            && self.rx.dsack.is_none()
            && self.rare.is_none()
            && self.error.is_none()
            && self.soft_error.is_none()
    }
}

impl Folded {
    /// Folds a connection that is at rest; `None` for any other.
    pub fn of(conn: &mut Connection) -> Option<Folded> {
        if !conn.is_at_rest() {
            return None;
        }
        let now = conn.out.now;
        let mut pass = Pass {
            base: conn.tx.now_us,
            una: conn.tx.snd_una,
            next: conn.rx.rcv_nxt,
            way: Way::Out(Vec::with_capacity(320)),
        };
        visit(conn, &mut pass);
        let Way::Out(bytes) = pass.way else { unreachable!("writing does not turn into reading") };
        let config = conn.config.clone();
        Some(Folded { config, local: conn.local, remote: conn.remote, now, bytes: bytes.into_boxed_slice() })
    }

    /// The connection as it was.
    pub fn unfold(&self) -> Connection {
        let (config, isn) = (self.config.clone(), Seq(0));
        let mut conn = Connection::new(self.now, config, self.local, self.remote, isn, 0, State::Established);
        conn.set_now(self.now);
        let base = conn.tx.now_us;
        let mut pass = Pass { base, una: Seq(0), next: Seq(0), way: Way::In(&self.bytes) };
        visit(&mut conn, &mut pass);
        conn
    }

    /// Heap bytes held, the shared settings excepted.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Goes over what a connection remembers: writes it down, or reads it back.
pub(crate) struct Pass<'a> {
    /// Times are near this one, sequence numbers near those.
    base: Us,
    una: Seq,
    next: Seq,
    way: Way<'a>,
}

enum Way<'a> {
    Out(Vec<u8>),
    In(&'a [u8]),
}

impl Pass<'_> {
    /// Seven bits a byte, the lowest first.
    pub fn u64(&mut self, value: &mut u64) {
        match &mut self.way {
            Way::Out(bytes) => {
                let mut rest = *value;
                while rest >= 0x80 {
                    bytes.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
            }
            Way::In(bytes) => {
                *value = 0;
                let mut shift = 0;
                while let Some((&byte, rest)) = bytes.split_first() {
                    *bytes = rest;
                    *value |= u64::from(byte & 0x7F) << shift;
                    shift += 7;
                    if byte < 0x80 {
                        break;
                    }
                }
            }
        }
    }

    /// Small in either direction.
    fn near(&mut self, value: &mut i64) {
        let mut zigzag = ((*value << 1) ^ (*value >> 63)) as u64;
        self.u64(&mut zigzag);
        *value = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    }

    pub fn u32(&mut self, value: &mut u32) {
        let mut wide = i64::from(*value as i32);
        self.near(&mut wide);
        *value = wide as u32;
    }

    fn i32(&mut self, value: &mut i32) {
        let mut wide = i64::from(*value);
        self.near(&mut wide);
        *value = wide as i32;
    }

    fn u16(&mut self, value: &mut u16) {
        let mut wide = u64::from(*value);
        self.u64(&mut wide);
        *value = wide as u16;
    }

    pub fn u8(&mut self, value: &mut u8) {
        let mut wide = u64::from(*value);
        self.u64(&mut wide);
        *value = wide as u8;
    }

    /// Up to 64 of them in one number.
    pub fn bools<const N: usize>(&mut self, values: [&mut bool; N]) {
        let mut bits =
            values.iter().enumerate().fold(0u64, |bits, (i, value)| bits | u64::from(**value) << i);
        self.u64(&mut bits);
        for (i, value) in values.into_iter().enumerate() {
            *value = bits >> i & 1 != 0;
        }
    }

    /// Never, at the very end, or near now.
    pub fn time(&mut self, value: &mut Us) {
        let mut kind = u8::from(*value != 0) + u8::from(*value != 0 && *value != Us::MAX);
        self.u8(&mut kind);
        *value = match kind {
            0 => 0,
            1 => Us::MAX,
            _ => {
                let mut ago = self.base.wrapping_sub(*value) as i64;
                self.near(&mut ago);
                self.base.wrapping_sub(ago as u64)
            }
        };
    }

    fn far_seq(&mut self, value: &mut Seq) -> Seq {
        self.u32(&mut value.0);
        *value
    }

    /// A number of our own stream.
    pub fn sent(&mut self, value: &mut Seq) {
        self.seq(self.una, value);
    }

    /// A number of the peer's stream.
    fn received(&mut self, value: &mut Seq) {
        self.seq(self.next, value);
    }

    fn seq(&mut self, base: Seq, value: &mut Seq) {
        let mut behind = base.0.wrapping_sub(value.0);
        self.u32(&mut behind);
        *value = Seq(base.0.wrapping_sub(behind));
    }

    fn some_sent(&mut self, value: &mut Option<Seq>) {
        let mut is_some = value.is_some();
        self.bools([&mut is_some]);
        let mut seq = value.unwrap_or(self.una);
        if is_some {
            self.sent(&mut seq);
        }
        *value = is_some.then_some(seq);
    }
}

fn visit(conn: &mut Connection, p: &mut Pass<'_>) {
    p.una = p.far_seq(&mut conn.tx.snd_una);
    p.next = p.far_seq(&mut conn.rx.rcv_nxt);
    sender(&mut conn.tx, p);
    receiver(&mut conn.rx, p);
    output(&mut conn.out, p);
    flags(&mut conn.flags, p);
    match &mut conn.cc {
        Controller::Reno(_) => {}
        Controller::Cubic(cubic) => cubic.pass(p),
        Controller::Boxed(_) => unreachable!("a boxed congestion control is not folded"),
    }
    p.time(&mut conn.timers.keep);
    p.u8(&mut conn.snd_wscale);
    p.u16(&mut conn.peer_mss);
    p.u32(&mut conn.segs_in);
    p.u32(&mut conn.segs_out);
    busy(&mut conn.busy, p);
    let Discards { flags, timestamp, sequence, ack, reset, syn } = &mut conn.discards;
    [flags, timestamp, sequence, ack, reset, syn].into_iter().for_each(|count| p.u16(count));
}

fn sender(tx: &mut Sender, p: &mut Pass<'_>) {
    // Counters of what is in flight and of an episode of recovery are at rest as a new connection has them.
    let Sender {
        now_us: _,
        snd_una: _,
        snd_nxt,
        snd_wl1,
        snd_wnd,
        max_window,
        mss,
        snd_sml,
        cwnd,
        cwnd_cnt,
        ssthresh,
        cwnd_used,
        cwnd_stamp_us,
        prior_cwnd,
        prior_ssthresh,
        prr_delivered,
        prr_out,
        max_packets_out,
        cwnd_usage_seq,
        init_cwnd,
        is_cwnd_limited,
        ca_state: _,
        high_seq,
        undo_marker,
        undo_retrans,
        retrans_stamp,
        frto,
        sack_reneg,
        sack_enabled,
        packets_out,
        sacked_out,
        lost_out,
        retrans_out,
        reordering,
        reord_seen,
        dsack_dups,
        highest_sack,
        retransmit_hint,
        sack_cache: _,
        rack,
        tlp_high_seq: _,
        tlp_retrans,
        rtt,
        min_rtt,
        backoff,
        retransmits,
        probes_out,
        delivered,
        delivered_ce,
        lost,
        app_limited,
        serial,
        first_tx_us,
        delivered_us,
        rate_delivered,
        rate_interval_us,
        rate_app_limited,
        pacing_rate,
        pacing_needed,
        pace_next_ns,
        lsnd_us,
        last_ack_us,
        total_retrans,
        total_rto,
        data_segs_out,
        bytes_acked,
        bytes_sent,
        bytes_retrans,
    } = tx;
    [snd_nxt, snd_sml, cwnd_usage_seq, high_seq, highest_sack].into_iter().for_each(|seq| p.sent(seq));
    p.received(snd_wl1);
    p.some_sent(undo_marker);
    let words = [
        snd_wnd,
        max_window,
        mss,
        cwnd,
        cwnd_cnt,
        ssthresh,
        cwnd_used,
        prior_cwnd,
        prior_ssthresh,
        prr_delivered,
        prr_out,
        max_packets_out,
        retrans_stamp,
        packets_out,
        sacked_out,
        lost_out,
        retrans_out,
        reordering,
        reord_seen,
        dsack_dups,
        retransmit_hint,
        delivered,
        delivered_ce,
        lost,
        app_limited,
        serial,
        rate_delivered,
        rate_interval_us,
        total_retrans,
        total_rto,
        data_segs_out,
    ];
    words.into_iter().for_each(|word| p.u32(word));
    [cwnd_stamp_us, first_tx_us, delivered_us, lsnd_us, last_ack_us]
        .into_iter()
        .for_each(|time| p.time(time));
    [bytes_acked, bytes_sent, bytes_retrans, pace_next_ns].into_iter().for_each(|long| p.u64(long));
    let mut rate = pacing_rate.wrapping_add(1);
    p.u64(&mut rate);
    *pacing_rate = rate.wrapping_sub(1);
    p.u16(init_cwnd);
    p.i32(undo_retrans);
    [backoff, retransmits, probes_out].into_iter().for_each(|byte| p.u8(byte));
    let Rack { mstamp, serial, rtt_us, last_delivered, reo_wnd_steps, reo_wnd_persist, dsack_seen, advanced } =
        rack;
    p.time(mstamp);
    [serial, rtt_us, last_delivered].into_iter().for_each(|word| p.u32(word));
    [reo_wnd_steps, reo_wnd_persist].into_iter().for_each(|byte| p.u8(byte));
    p.bools([
        dsack_seen,
        advanced,
        is_cwnd_limited,
        frto,
        sack_reneg,
        sack_enabled,
        tlp_retrans,
        rate_app_limited,
        pacing_needed,
    ]);
    let crate::rtt::RttEstimator { srtt_us8, mdev_us4, mdev_max_us4, rttvar_us4, rtt_seq, rto_us } = rtt;
    [srtt_us8, mdev_us4, mdev_max_us4, rttvar_us4, rto_us].into_iter().for_each(|word| p.u32(word));
    p.sent(rtt_seq);
    min_rtt.pass(p);
}

fn receiver(rx: &mut Receiver, p: &mut Pass<'_>) {
    let Receiver {
        rcv_nxt: _,
        rcv_wup,
        rcv_wnd,
        rcv_ssthresh,
        window_clamp,
        copied_seq,
        irs,
        rcvbuf,
        rmem,
        rmem_ooo,
        ratio,
        wscale,
        advmss,
        rcv_mss,
        last_seg_size,
        pending,
        quick,
        pingpong,
        ato_us,
        last_recv_us,
        last_oow_us,
        ts_recent,
        ts_recent_us,
        ts_offset,
        last_ack_sent,
        queue: _,
        readable: _,
        ooo: _,
        dsack: _,
        dup_acks,
        compressed_acks,
        rtt_us8,
        rtt_seq,
        rtt_time,
        rtt_last_tsecr,
        space_seq,
        space_time,
        space,
        bytes_received,
        data_segs_in,
        ooo_segs,
    } = rx;
    [rcv_wup, copied_seq, irs, last_ack_sent, rtt_seq, space_seq].into_iter().for_each(|seq| p.received(seq));
    let words = [
        rcv_wnd,
        rcv_ssthresh,
        window_clamp,
        rcvbuf,
        rmem,
        rmem_ooo,
        ato_us,
        ts_recent,
        ts_offset,
        rtt_us8,
        rtt_last_tsecr,
        space,
        data_segs_in,
        ooo_segs,
    ];
    words.into_iter().for_each(|word| p.u32(word));
    [advmss, rcv_mss, last_seg_size].into_iter().for_each(|half| p.u16(half));
    [ratio, wscale, pending, quick, dup_acks, compressed_acks].into_iter().for_each(|byte| p.u8(byte));
    [last_recv_us, last_oow_us, ts_recent_us, rtt_time, space_time].into_iter().for_each(|time| p.time(time));
    p.u64(bytes_received);
    p.bools([pingpong]);
}

fn output(out: &mut Output, p: &mut Pass<'_>) {
    let Output {
        todo: _,
        ready: _,
        more,
        peer_scales,
        keep_probes,
        burst,
        chunk,
        chunk_pushes,
        tail,
        deferred,
        path_mss,
        tsecr,
        source,
        since_us,
        last_us,
        now: _,
        now_ns: _,
    } = out;
    let mut supplied = source.is_some();
    p.bools([more, peer_scales, chunk_pushes, deferred, &mut supplied]);
    if supplied {
        let Source { sent, pushed, max_window } = &mut **source.get_or_insert_default();
        [sent, pushed].into_iter().for_each(|long| p.u64(long));
        p.u32(max_window);
    }
    p.u8(keep_probes);
    [burst, path_mss].into_iter().for_each(|half| p.u16(half));
    [chunk, tail, tsecr].into_iter().for_each(|word| p.u32(word));
    [since_us, last_us].into_iter().for_each(|time| p.time(time));
}

fn flags(flags: &mut Flags, p: &mut Pass<'_>) {
    let Flags {
        timestamps,
        ecn,
        ecn_echo,
        ecn_cwr,
        ecn_seen,
        ce_state,
        active,
        fin_queued,
        fin_sent,
        fin_acked,
        fin_received,
        // What is folded is open.
        never_open: _,
        orphan,
        discard,
        read_shut,
        cork,
        local_drop,
        unpushed,
    } = flags;
    p.bools([
        timestamps,
        ecn,
        ecn_echo,
        ecn_cwr,
        ecn_seen,
        ce_state,
        active,
        fin_queued,
        fin_sent,
        fin_acked,
        fin_received,
        orphan,
        discard,
        read_shut,
        cork,
        local_drop,
        unpushed,
    ]);
}

fn busy(busy: &mut Busy, p: &mut Pass<'_>) {
    let Busy { busy_us, rwnd_us, sndbuf_us, since_us, kind } = busy;
    [busy_us, rwnd_us, sndbuf_us].into_iter().for_each(|word| p.u32(word));
    p.time(since_us);
    p.u8(kind);
}
