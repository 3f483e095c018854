use super::*;
use tidewire_units::{Purpose, Streams};

/// As Bianchi 2000, table II: 1 Mbit/s, headers of 272 + 128 bits, acknowledgments of 112 + 128 bits.
fn bianchi(cw_min: u32, cw_max: u32) -> CellConfig {
    CellConfig {
        rate: Rate::from_mbps(1),
        basic_rate: Rate::from_mbps(1),
        preamble: Span::from_us(128),
        slot: Span::from_us(50),
        sifs: Span::from_us(28),
        cw_min,
        cw_max,
        attempts: u32::MAX,
        header: 34,
        ack: 14,
    }
}

fn packet(len: u16) -> Hot {
    let mut packet = Hot::NOTHING;
    packet.len = len;
    packet
}

fn cell(config: CellConfig, stations: u32) -> Cell {
    let mut cell = Cell::new(config);
    for i in 0..stations {
        let rng = Streams::new(11).stream(Purpose::Backoff, &i.to_string());
        cell.add_station(Limit::Packets(10), rng);
    }
    cell
}

/// Share of the time that carries payload when everybody always has something to send.
fn saturated(config: CellConfig, stations: u32, seconds: u64, error: f64) -> (f64, Cell) {
    let mut cell = cell(config, stations);
    let mut out = Vec::new();
    let frame = |tag| CellFrame { packet: packet(1023), tag, error };
    (0..stations).for_each(|station| cell.offer(Instant::ZERO, station, frame(station), &mut out));
    let end = Instant::ZERO + Span::from_secs(seconds);
    let mut carried = 0u64;
    while cell.next_timeout() < end {
        let now = cell.next_timeout();
        cell.handle_timeout(now, &mut out);
        for event in std::mem::take(&mut out) {
            let tag = match event {
                CellEvent::Arrives { tag, packet, .. } => {
                    carried += u64::from(packet.len);
                    tag
                }
                CellEvent::Ended { tag, .. } => tag,
            };
            cell.offer(now, tag, frame(tag), &mut Vec::new());
        }
    }
    (carried as f64 * 8.0 / 1e6 / seconds as f64, cell)
}

/// The throughput of Bianchi's model (IEEE JSAC 18(3), 2000, equations 7, 9 and 13).
fn model(config: &CellConfig, stations: u32) -> f64 {
    let w = f64::from(config.cw_min) + 1.0;
    let m = ((f64::from(config.cw_max) + 1.0) / w).log2();
    let n = f64::from(stations);
    let tau_of =
        |p: f64| 2.0 * (1.0 - 2.0 * p) / ((1.0 - 2.0 * p) * (w + 1.0) + p * w * (1.0 - (2.0 * p).powf(m)));
    let (mut low, mut high) = (0.0, 0.999_999);
    for _ in 0..200 {
        let p = (low + high) / 2.0;
        let hit = 1.0 - (1.0 - tau_of(p)).powf(n - 1.0);
        if hit > p { low = p } else { high = p }
    }
    let tau = tau_of(low);
    let some = 1.0 - (1.0 - tau).powf(n);
    let success = n * tau * (1.0 - tau).powf(n - 1.0) / some;
    let s = |span: Span| span.as_secs_f64();
    let data = s(config.data_time(1023));
    let good = data + s(config.sifs) + s(config.ack_time()) + s(config.difs());
    let bad = data + s(config.difs());
    let payload = s(config.rate.time_for(1023));
    some * success * payload
        / ((1.0 - some) * s(config.slot) + some * success * good + some * (1.0 - success) * bad)
}

#[test]
fn saturation_throughput_is_that_of_bianchis_model() {
    // W = 32 and m = 3, as in the paper; and the windows of OFDM, 16 to 1024.
    for config in [bianchi(31, 255), bianchi(15, 1023)] {
        for stations in [1, 5, 10, 20] {
            let (measured, _) = saturated(config, stations, 300, 0.0);
            let expected = model(&config, stations);
            assert!((measured / expected - 1.0).abs() < 0.03, "{stations}: {measured} {expected}");
        }
    }
}

#[test]
fn everybody_gets_the_same() {
    let (_, cell) = saturated(bianchi(31, 255), 10, 300, 0.0);
    let frames: Vec<u64> = (0..10).map(|i| cell.stats(i).frames).collect();
    let (most, least) = (*frames.iter().max().unwrap(), *frames.iter().min().unwrap());
    assert!(least as f64 > 0.9 * most as f64, "{frames:?}");
}

#[test]
fn a_lone_frame_leaves_after_difs_and_is_acknowledged_after_sifs() {
    let config = bianchi(31, 255);
    let mut cell = cell(config, 2);
    let mut out = Vec::new();
    let at = Instant::ZERO + Span::from_ms(5);
    cell.offer(at, 1, CellFrame { packet: packet(1023), tag: 9, error: 0.0 }, &mut out);
    // The channel has been free for longer than DIFS: at once.
    assert_eq!(cell.next_timeout(), at);
    cell.handle_timeout(at, &mut out);
    let arrives = at + config.data_time(1023);
    assert_eq!(cell.next_timeout(), arrives);
    cell.handle_timeout(arrives, &mut out);
    assert!(matches!(out[..], [CellEvent::Arrives { tag: 9, .. }]));
    assert_eq!(cell.free_from, arrives + config.sifs + config.ack_time());
}

#[test]
fn a_frame_that_noise_spoils_is_sent_again_and_given_up_in_the_end() {
    let config = CellConfig { attempts: 7, ..bianchi(31, 255) };
    let (half, cell) = saturated(config, 1, 60, 0.5);
    let (whole, _) = saturated(config, 1, 60, 0.0);
    assert!(half < 0.55 * whole);
    let stats = cell.stats(0);
    // One of 2^7 frames fails seven times.
    let given_up = stats.excessive as f64 / (stats.excessive + stats.frames) as f64;
    assert!((given_up - 1.0 / 128.0).abs() < 0.005, "{given_up}");
}
