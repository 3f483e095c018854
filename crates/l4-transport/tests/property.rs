//! Two endpoints under random loss, corruption, duplication, reordering and pauses: what arrives is what was sent, and everything ends.
mod common;
use common::{A, B, Link};
use proptest::prelude::*;
use tidewire_l4_transport::{CcKind, State, TcpConfig};
use tidewire_units::{Instant, Span};
use tidewire_wire::Payload;

/// splitmix64: the fate of each segment follows from a seed.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    loss: u64,
    twice: u64,
    corrupt: u64,
    disorder_ms: u64,
    bytes: usize,
    chunk: usize,
    isn: [u32; 2],
    sack: bool,
    timestamps: bool,
    rack: bool,
    tlp: bool,
    scaling: bool,
    rfc: bool,
    cc: usize,
    rcvbuf: Option<u64>,
    reader_ms: u64,
    heals_ms: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let booleans = prop::array::uniform6(any::<bool>());
    let isn = prop::array::uniform2(prop_oneof![any::<u32>(), (u32::MAX - 40_000)..=u32::MAX]);
    let sizes = (1usize..120_000, 1usize..9_000, prop::option::of(2_000u64..40_000), 0u64..40);
    let harm = (0u64..30, 0u64..20, 0u64..10);
    (any::<u64>(), harm, 0u64..40, sizes, isn, booleans, 0usize..CcKind::ALL.len(), 0u64..6_000).prop_map(
        |(
            seed,
            (loss, twice, corrupt),
            disorder_ms,
            (bytes, chunk, rcvbuf, reader_ms),
            isn,
            flags,
            cc,
            heals_ms,
        )| Case {
            seed,
            loss,
            twice,
            corrupt,
            disorder_ms,
            bytes,
            chunk,
            isn,
            sack: flags[0],
            timestamps: flags[1],
            rack: flags[2],
            tlp: flags[3],
            scaling: flags[4],
            rfc: flags[5],
            cc,
            rcvbuf,
            reader_ms,
            heals_ms,
        },
    )
}

fn run(case: &Case) {
    let base = if case.rfc { TcpConfig::rfc() } else { TcpConfig::linux() };
    let mut link = Link::new(TcpConfig {
        cc: CcKind::ALL[case.cc].clone(),
        sack: case.sack,
        timestamps: case.timestamps,
        rack: case.rack,
        tlp: case.tlp,
        window_scale: case.scaling,
        rcvbuf: case.rcvbuf,
        ..base
    });
    link.isn = case.isn;
    link.queue = 30;
    // A corrupted segment fails its checksum and is gone.
    let (mut state, loss, disorder) = (case.seed, case.loss + case.corrupt, case.disorder_ms);
    let heals = Instant::ZERO + Span::from_ms(case.heals_ms);
    link.fate = Box::new(move |record| {
        let z = draw(&mut state);
        if record.at >= heals {
            return Some(Span::ZERO);
        }
        let late = if (z >> 20).is_multiple_of(10) { disorder } else { 0 };
        (z % 100 >= loss).then_some(Span::from_ms(late))
    });
    let (mut other, twice) = (!case.seed, case.twice);
    link.copies =
        Box::new(move |record| if record.at < heals && draw(&mut other) % 100 < twice { 2 } else { 1 });
    link.connect();
    let (mut sent, mut got, mut closed) = (0, Vec::new(), false);
    let step = Span::from_ms(case.reader_ms.max(1));
    for _ in 0..400_000u32 {
        let now = link.now;
        if link.a().state() == State::Established && sent < case.bytes {
            let len = case.chunk.min(case.bytes - sent);
            sent += link.send(A, Payload::from(pattern(sent, len)));
        }
        if sent == case.bytes && !closed {
            closed = true;
            link.a().close(now);
            link.flush(A);
        }
        if let Some(b) = link.ends[B].as_mut() {
            while let Some(payload) = b.recv(now, case.chunk) {
                got.extend_from_slice(&payload.to_bytes());
            }
            if b.eof() && b.state() == State::CloseWait {
                b.close(now);
            }
            link.flush(B);
        }
        if link.a().is_closed() && link.ends[B].as_ref().is_none_or(|b| b.is_closed()) {
            break;
        }
        link.run_for(if closed && got.len() == case.bytes { Span::from_ms(500) } else { step });
    }
    assert!(link.a().is_closed(), "A is {}, sent {sent}, got {}", link.a().state(), got.len());
    assert_eq!(got.len(), case.bytes, "error {:?}", link.a().error());
    assert!(got == pattern(0, case.bytes), "the bytes differ");
    assert!(link.b().is_closed(), "B is {}", link.b().state());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_bytes_received_are_the_bytes_sent_once_and_in_order(case in case()) {
        run(&case);
    }
}
