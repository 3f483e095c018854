//! Segments that no honest peer would send: nothing panics, and the stream is never corrupted.
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l4_transport::{CcKind, Connection, EcnMode, MtuProbing, State, TcpConfig, Unreachable};
use tidewire_units::{Instant, Span};
use tidewire_wire::{Ecn, Endpoint, Payload, Seq, TcpFlags, TcpOptions, TcpSegment, Timestamps};

#[derive(Clone, Debug)]
enum Step {
    Segment {
        flags: u8,
        seq: i64,
        ack: i64,
        window: u16,
        len: u32,
        blocks: Vec<(i64, i64)>,
        stamps: Option<(i32, i32)>,
        ce: bool,
    },
    Acknowledge(u32),
    Write(u32),
    Read,
    Sleep(u64),
    Close,
    Shutdown,
    Unreachable(u16),
    Cork(bool),
    Refuse(bool),
    More(u32),
}

fn near() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => Just(0i64),
        4 => -3_000i64..20_000,
        1 => Just(1i64),
        1 => any::<i32>().prop_map(i64::from),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![6 => Just(0x10u8), 2 => Just(0x18u8), 1 => any::<u8>()];
    let window = prop_oneof![3 => Just(500u16), 1 => Just(0u16), 2 => any::<u16>()];
    let blocks = prop::collection::vec((near(), near()), 0..4);
    let stamps = prop::option::of((-50i32..500, -500i32..10));
    prop_oneof![
        12 => (flags, near(), near(), window, 0u32..3_000, blocks, stamps, any::<bool>()).prop_map(
            |(flags, seq, ack, window, len, blocks, stamps, ce)| Step::Segment { flags, seq, ack, window, len, blocks, stamps, ce }
        ),
        8 => (0u32..12_000).prop_map(Step::Acknowledge),
        4 => (1u32..20_000).prop_map(Step::Write),
        2 => Just(Step::Read),
        6 => (0u64..3_000).prop_map(Step::Sleep),
        1 => (40u16..1500).prop_map(Step::Unreachable),
        1 => any::<bool>().prop_map(Step::Cork),
        1 => any::<bool>().prop_map(Step::Refuse),
        2 => (1u32..20_000).prop_map(Step::More),
        1 => prop_oneof![Just(Step::Shutdown), Just(Step::Close)],
    ]
}

struct Victim {
    now: Instant,
    end: Connection,
    /// Next byte of each side, as the victim sees it.
    highest: Seq,
    una: Seq,
    expects: Seq,
}

impl Victim {
    fn new(config: TcpConfig, isn: u32) -> Victim {
        let (a, b) = (Endpoint::new(Ipv4Addr::LOCALHOST, 1), Endpoint::new(Ipv4Addr::LOCALHOST, 2));
        let options = TcpOptions {
            mss: Some(1000),
            sack_permitted: true,
            window_scale: Some(6),
            timestamps: Some(Timestamps { value: 100, echo: 0 }),
            ..TcpOptions::default()
        };
        let flags = TcpFlags::SYN | TcpFlags::ECE | TcpFlags::CWR;
        let syn = TcpSegment { seq: Seq(isn), flags, window: 60_000, options, ..TcpSegment::default() };
        let end = Connection::accept(
            Instant::ZERO,
            Arc::new(config),
            a,
            b,
            &syn,
            Ecn::NotCapable,
            Seq(isn ^ 0xFFFF_0000),
            0,
        );
        let una = Seq(isn ^ 0xFFFF_0000);
        let mut victim =
            Victim { now: Instant::ZERO, end, highest: una + 1, una: una + 1, expects: Seq(isn) + 1 };
        victim.flush();
        victim.sleep(50);
        victim.put(0x10, 0, 0, 900, 0, &[], Some((0, 0)), false);
        assert_eq!(victim.end.state(), State::Established);
        victim
    }

    fn flush(&mut self) {
        let mut count = 0;
        while let Some(transmit) = self.end.poll_transmit(self.now) {
            let segment = transmit.segment;
            if segment.flags.ack() && !segment.flags.rst() {
                self.expects = segment.ack;
            }
            if !segment.payload.is_empty() || segment.flags.fin() {
                self.highest = self.highest.max(segment.seq_end());
            }
            count += 1;
            assert!(count < 100_000, "it never stops sending");
        }
    }

    fn sleep(&mut self, ms: u64) {
        let until = self.now + Span::from_ms(ms);
        let mut count = 0;
        while self.end.next_timeout() <= until {
            self.now = self.now.max(self.end.next_timeout());
            self.end.handle_timeout(self.now);
            self.flush();
            count += 1;
            assert!(count < 100_000, "timers never end");
        }
        self.now = until;
    }

    #[allow(clippy::too_many_arguments)]
    fn put(
        &mut self,
        flags: u8,
        seq: i64,
        ack: i64,
        window: u16,
        len: u32,
        blocks: &[(i64, i64)],
        stamps: Option<(i32, i32)>,
        ce: bool,
    ) {
        let mut options = TcpOptions::default();
        let now_ms = self.now.as_ms() as i64;
        options.timestamps = stamps.map(|(value, echo)| Timestamps {
            value: (100 + now_ms + i64::from(value)) as u32,
            echo: (now_ms + i64::from(echo)).max(0) as u32,
        });
        for (left, right) in blocks.iter().take(3) {
            options.sack.push((self.una + *left as u32, self.una + (*left + *right) as u32));
        }
        let segment = TcpSegment {
            src_port: 2,
            dst_port: 1,
            seq: self.expects + seq as u32,
            ack: self.una + ack as u32,
            flags: TcpFlags(flags),
            window,
            options,
            payload: Payload::Zeros(len),
        };
        let ecn = if ce { Ecn::Congestion } else { Ecn::Ect0 };
        self.end.handle_segment(self.now, &segment, ecn);
        self.flush();
        let acceptable = segment.ack.after(self.una) && segment.ack.at_or_before(self.highest);
        if acceptable && segment.flags.ack() && self.end.unacked() == 0 {
            self.una = self.highest;
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Segment { flags, seq, ack, window, len, blocks, stamps, ce } => {
                self.put(*flags, *seq, *ack, *window, *len, blocks, *stamps, *ce);
            }
            Step::Acknowledge(bytes) => {
                let outstanding = self.highest - self.una;
                let ack = (*bytes).min(outstanding);
                self.put(0x10, 0, i64::from(ack), 900, 0, &[], Some((5, -20)), false);
                self.una += ack;
            }
            Step::Write(len) => {
                self.end.send(self.now, Payload::Zeros(*len));
            }
            Step::Read => while self.end.recv(self.now, 1_000).is_some() {},
            Step::Sleep(ms) => self.sleep(*ms),
            Step::Close => self.end.close(self.now),
            Step::Shutdown => self.end.shutdown_send(self.now),
            Step::Unreachable(mtu) => {
                self.end.handle_unreachable(self.now, Unreachable::FragmentationNeeded(*mtu))
            }
            Step::Cork(on) => self.end.set_cork(self.now, *on),
            Step::Refuse(on) => self.end.set_local_drop(*on),
            Step::More(len) => {
                self.end.send_more(self.now, Payload::Zeros(*len));
            }
        }
        self.flush();
        let info = self.end.info(self.now);
        assert!(info.snd_cwnd > 0, "{info:?}");
        assert!(info.sacked + info.lost <= info.unacked && info.retrans <= info.unacked, "{info:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_segments_makes_it_panic(
        steps in prop::collection::vec(step(), 1..120), isn in any::<u32>(), cc in 0usize..CcKind::ALL.len(),
        switches in prop::array::uniform4(any::<bool>()),
    ) {
        let config = TcpConfig {
            cc: CcKind::ALL[cc].clone(),
            sack: switches[0],
            timestamps: switches[1],
            rack: switches[2],
            offload: switches[3] || switches[2],
            sndbuf_overhead: switches[0],
            mtu_probing: [MtuProbing::Off, MtuProbing::Always][usize::from(switches[1])],
            ecn: EcnMode::On,
            ..if switches[3] { TcpConfig::rfc() } else { TcpConfig::linux() }
        };
        let mut victim = Victim::new(config, isn);
        for step in &steps {
            victim.apply(step);
        }
        // Whatever happened: left alone, the connection comes to rest.
        victim.end.set_local_drop(false);
        victim.end.close(victim.now);
        victim.flush();
        for _ in 0..400 {
            victim.sleep(20_000);
        }
        prop_assert!(victim.end.is_closed() || victim.end.state() == State::FinWait2, "{}", victim.end.state());
    }
}
