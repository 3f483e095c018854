//! What the fuzz target for segments does with its bytes.

use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l4_transport::{CcKind, Connection, EcnMode, MtuProbing, TcpConfig, Unreachable};
use tidewire_units::{Instant, Span};
use tidewire_wire::{Checksum, Ecn, Endpoint, Payload, Protocol, Seq, TcpFlags, TcpOptions, TcpSegment};

const ISN: Seq = Seq(0xFFFF_FF00);
const PEER_ISN: Seq = Seq(0x7FFF_FFF0);

/// Bytes that are read one after the other; zeros follow.
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn half(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number near zero, mostly; small ones are the likely ones.
    fn near(&mut self) -> u32 {
        match self.byte() {
            kind @ 0..=127 => u32::from(kind & 3),
            128..=191 => (i32::from(self.byte()) * 100).cast_unsigned(),
            192..=223 => (-i32::from(self.byte()) * 10).cast_unsigned(),
            224..=250 => u32::from(self.half()),
            _ => u32::from(self.half()) << 16,
        }
    }
}

fn config(bits: u16, cc: u8) -> TcpConfig {
    let on = |bit: u16| bits & (1 << bit) != 0;
    let base = if on(0) { TcpConfig::rfc() } else { TcpConfig::linux() };
    TcpConfig {
        cc: CcKind::ALL[usize::from(cc) % CcKind::ALL.len()].clone(),
        sack: on(1),
        timestamps: on(2),
        offload: on(3),
        rack: !on(4),
        pacing: on(5),
        ack_compression: on(6),
        sndbuf_overhead: on(7),
        window_scale: on(8),
        nodelay: on(9),
        ecn: if on(10) { EcnMode::On } else { EcnMode::Off },
        mtu_probing: if on(11) { MtuProbing::Always } else { MtuProbing::BlackHole },
        rcvbuf: on(12).then_some(10_000),
        ..base
    }
}

struct Victim {
    now: Instant,
    end: Connection,
    una: Seq,
    highest: Seq,
    expects: Seq,
}

impl Victim {
    fn flush(&mut self) {
        for _ in 0..20_000 {
            let Some(transmit) = self.end.poll_transmit(self.now) else { return };
            let segment = transmit.segment;
            if segment.flags.ack() && !segment.flags.rst() {
                self.expects = segment.ack;
            }
            if segment.seq_len() > 0 {
                self.highest = self.highest.max(segment.seq_end());
            }
        }
        panic!("it never stops sending");
    }

    fn sleep(&mut self, ms: u64) {
        let until = self.now + Span::from_ms(ms);
        for _ in 0..20_000 {
            let next = self.end.next_timeout();
            if next > until {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            self.end.handle_timeout(self.now);
            self.flush();
        }
        panic!("timers never end");
    }

    fn segment(&mut self, source: &mut Source) -> TcpSegment {
        let flags = match source.byte() {
            letters @ 0..=127 => 0x10 | (letters & 0x08),
            letters => letters & 0x7F,
        };
        let options = source.byte();
        let bytes = source.take(usize::from(options & 0x1F));
        let mut segment = TcpSegment {
            src_port: 2,
            dst_port: 1,
            seq: self.expects + source.near(),
            ack: self.una + source.near(),
            flags: TcpFlags(flags),
            window: source.half(),
            options: TcpOptions::parse(bytes, flags & 2 != 0).unwrap_or_default(),
            payload: Payload::Zeros(u32::from(source.half() & 0x7FF)),
        };
        for _ in 0..options >> 6 {
            let (left, right) = (source.near(), source.near());
            segment.options.sack.push((self.una + left, self.una + left + right));
            if segment.options.sack.is_full() {
                break;
            }
        }
        segment
    }

    fn step(&mut self, source: &mut Source) {
        let now = self.now;
        match source.byte() % 16 {
            0..=5 => {
                let segment = self.segment(source);
                let ecn = if source.byte() > 200 { Ecn::Congestion } else { Ecn::NotCapable };
                self.end.handle_segment(now, &segment, ecn);
            }
            6 | 7 => {
                let outstanding = self.highest - self.una;
                self.una += outstanding.min(u32::from(source.half()));
                let segment = TcpSegment {
                    seq: self.expects,
                    ack: self.una,
                    flags: TcpFlags::ACK,
                    window: 2_000,
                    ..TcpSegment::default()
                };
                self.end.handle_segment(now, &segment, Ecn::NotCapable);
            }
            8 => drop(self.end.send(now, Payload::Zeros(u32::from(source.half())))),
            9 => drop(self.end.send_more(now, Payload::Zeros(u32::from(source.half())))),
            10 => while self.end.recv(now, 1_000).is_some() {},
            11 => self.sleep(u64::from(source.half())),
            12 => self.end.handle_unreachable(now, Unreachable::FragmentationNeeded(source.half())),
            13 => self.end.set_local_drop(source.byte() > 128),
            14 => self.end.set_cork(now, source.byte() > 128),
            _ => match source.byte() {
                0..=60 => self.end.shutdown_send(now),
                61..=120 => self.end.shutdown_receive(now),
                121..=150 => self.end.close(now),
                151..=160 => self.end.abort(now),
                kind => {
                    self.end.set_congestion(now, CcKind::ALL[usize::from(kind) % CcKind::ALL.len()].clone())
                }
            },
        }
        self.flush();
        let info = self.end.info(self.now);
        assert!(info.snd_cwnd > 0, "{info:?}");
        assert!(info.sacked + info.lost <= info.unacked && info.retrans <= info.unacked, "{info:?}");
    }
}

/// Whatever arrives and whatever is called: nothing panics, everything stops sending, and the counters agree.
pub fn segments(data: &[u8]) {
    raw(data);
    let mut source = Source(&data[..data.len().min(4_000)]);
    let config = Arc::new(config(source.half(), source.byte()));
    let (a, b) = (Endpoint::new(Ipv4Addr::LOCALHOST, 1), Endpoint::new(Ipv4Addr::LOCALHOST, 2));
    let now = Instant::ZERO + Span::from_secs(1);
    let options = TcpOptions {
        mss: Some(source.half()),
        sack_permitted: true,
        window_scale: Some(source.byte()),
        ..TcpOptions::default()
    };
    let syn =
        TcpSegment { seq: PEER_ISN, flags: TcpFlags::SYN, window: 20_000, options, ..TcpSegment::default() };
    let end = if source.byte() > 64 {
        Connection::accept(now, config, a, b, &syn, Ecn::NotCapable, ISN, 0)
    } else {
        Connection::connect(now, config, a, b, ISN, 0)
    };
    let mut victim = Victim { now, end, una: ISN + 1, highest: ISN + 1, expects: PEER_ISN + 1 };
    victim.flush();
    while !source.0.is_empty() {
        victim.step(&mut source);
    }
    victim.end.set_local_drop(false);
    victim.end.close(victim.now);
    victim.flush();
    victim.sleep(4_000_000);
}

/// The same bytes as a segment on the wire: read or refused, and what is read is written again as it was.
fn raw(data: &[u8]) {
    let pseudo =
        |len: usize| Checksum::pseudo_ipv4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, Protocol::TCP, len);
    let Ok(segment) = TcpSegment::parse(data, pseudo) else { return };
    let mut bytes = Vec::new();
    segment.emit(pseudo, &mut bytes);
    let again = TcpSegment::parse(&bytes, pseudo);
    assert_eq!(again.as_ref(), Ok(&segment));
}
