//! What the parts cost: the agenda, a port, parsing and emitting, packing.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::Ipv4Addr;
use tidewire_engine::{Agenda, Class, Key};
use tidewire_l1_physical::{Framing, Loss, PacketClass, Port, QueueLimit};
use tidewire_units::{Instant, Rate, Span};
use tidewire_wire::{
    Ecn, Ipv4Header, LinkLayer, MacAddr, Net, Packet, Packets, Payload, Seq, TcpFlags, TcpOptions,
    TcpSegment, Timestamps, Transport,
};

fn agenda(c: &mut Criterion) {
    let mut group = c.benchmark_group("agenda");
    for links in [10u64, 1_000, 100_000] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("pop and push among {links} links"), |b| {
            let mut agenda = Agenda::new();
            (0..links)
                .for_each(|link| agenda.push(Key::new(Instant::from_ps(link * 977), Class::Arrival, link)));
            b.iter(|| {
                let key = agenda.pop().unwrap();
                let later = key.time() + Span::from_ps(links * 977 + key.source() % 64);
                agenda.push(Key::new(later, Class::Arrival, key.source()));
            });
        });
    }
    group.finish();
}

fn port(c: &mut Criterion) {
    let class = PacketClass::IP | PacketClass::DATA;
    let new = || {
        let limit = QueueLimit::Packets(100);
        Port::new(Rate::from_mbps(1000), Span::from_us(10), Framing::Ethernet, limit, Loss::default())
    };
    c.bench_function("port: idle link", |b| {
        let (mut port, mut now) = (new(), Instant::ZERO);
        b.iter(|| {
            now += Span::from_us(20);
            black_box(port.offer(now, 1500, class))
        });
    });
    c.bench_function("port: standing queue", |b| {
        let (mut port, mut now) = (new(), Instant::ZERO);
        (0..50).for_each(|_| {
            port.offer(now, 1500, class);
        });
        b.iter(|| {
            now += Span::from_ps(1538 * 8_000);
            black_box(port.offer(now, 1500, class))
        });
    });
}

fn segment() -> (Ipv4Header, TcpSegment) {
    let header = Ipv4Header {
        src: Ipv4Addr::new(10, 0, 0, 1),
        dst: Ipv4Addr::new(10, 0, 1, 1),
        ttl: 64,
        ident: 1,
        dscp: 0,
        ecn: Ecn::NotCapable,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
    };
    let options = TcpOptions { timestamps: Some(Timestamps { value: 7, echo: 8 }), ..TcpOptions::default() };
    let segment = TcpSegment {
        src_port: 49152,
        dst_port: 80,
        seq: Seq(1),
        ack: Seq(2),
        flags: TcpFlags::ACK,
        window: 1000,
        options,
        payload: Payload::Zeros(1448),
    };
    (header, segment)
}

fn wire(c: &mut Criterion) {
    let (header, segment) = segment();
    let net = Net::Ipv4(header, Transport::Tcp(segment.clone()));
    let packet = Packet {
        vlan: None,
        src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
        net,
    };
    let mut group = c.benchmark_group("wire");
    group.throughput(Throughput::Bytes(1514));
    let bytes = packet.emit(LinkLayer::Ethernet);
    group.bench_function("emit a full TCP frame", |b| {
        let mut out = Vec::with_capacity(2000);
        b.iter(|| {
            out.clear();
            packet.emit_into(LinkLayer::Ethernet, &mut out);
            black_box(out.len())
        });
    });
    group.bench_function("parse a full TCP frame", |b| {
        b.iter(|| Packet::parse(black_box(&bytes), LinkLayer::Ethernet).unwrap());
    });
    group.finish();
    c.bench_function("pack, unpack and release a segment", |b| {
        let mut packets = Packets::new();
        b.iter_batched(
            || segment.clone(),
            |mut segment| {
                let hot = packets.insert_tcp(&header, &mut segment, 1, Instant::ZERO);
                let back = packets.tcp(&hot);
                packets.release(hot);
                black_box(back)
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, agenda, port, wire);
criterion_main!(benches);
