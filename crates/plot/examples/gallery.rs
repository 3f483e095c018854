//! Writes one figure of every kind into a folder: `cargo run --example gallery -- out`.

use std::path::PathBuf;

use tidewire_plot::*;

/// A small generator, so that the gallery is the same everywhere.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }

    fn latency(&mut self, base: f64, spread: f64) -> f64 {
        base + spread * libm::exp(self.bell() * 0.7)
    }
}

const LOSS: [f64; 7] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1];

fn loss_axis(scale: Scale) -> Axis {
    Axis { label: "Packet loss".into(), scale, format: Format::Percent, ..Axis::default() }
}

fn goodput_curves() -> Vec<Curve> {
    let tcp = [9.49, 9.21, 6.94, 4.66, 2.95, 1.32, 0.52];
    let tcp = LOSS
        .iter()
        .zip(tcp)
        .map(|(&x, y)| Point::with_interval(x, y, y - 0.06 * y - 0.1, y + 0.06 * y + 0.1));
    let udp = LOSS.iter().map(|&x| {
        let y = 9.6 * (1.0 - x);
        Point::with_interval(x, y, y - 0.1, y + 0.1)
    });
    vec![Curve::new("tcp", 0, Marks::Line(tcp.collect())), Curve::new("udp", 1, Marks::Line(udp.collect()))]
}

fn delay_curves() -> Vec<Curve> {
    let tcp = [48.0, 52.0, 61.0, 74.0, 96.0, 190.0, 420.0];
    let udp = [31.0, 31.1, 31.0, 30.9, 30.8, 30.7, 30.4];
    let curve = |name: &str, style, values: [f64; 7], share: f64| {
        let points = LOSS.iter().zip(values);
        let points = points.map(|(&x, y)| Point::with_interval(x, y, y * (1.0 - share), y * (1.0 + share)));
        Curve::new(name, style, Marks::Line(points.collect()))
    };
    vec![curve("tcp", 0, tcp, 0.15), curve("udp", 1, udp, 0.02)]
}

fn goodput(scale: Scale, size: Size) -> Figure {
    Figure {
        subtitle: "10 Mbit/s bottleneck, 20 ms round trip, one flow".into(),
        caption: "Mean of 10 runs; bands are 95 % confidence intervals.".into(),
        legend_title: "proto".into(),
        size,
        ..Figure::single(
            "Goodput falls with loss for TCP, not for UDP",
            loss_axis(scale),
            Axis::linear("Goodput (Mbit/s)"),
            goodput_curves(),
        )
    }
}

fn goodput_many() -> Figure {
    let names = ["newreno", "cubic", "cubic, no SACK", "reno", "westwood", "vegas", "udp"];
    let curve = |(i, name): (usize, &&str)| {
        let fall = 1.0 + 40.0 / (1.0 + i as f64 * i as f64);
        let points = LOSS.iter().map(|&x| {
            let y = 9.6 / (1.0 + fall * 3.0 * x.sqrt());
            Point::with_interval(x, y, y * 0.94, y * 1.06)
        });
        Curve::new(*name, i, Marks::Line(points.collect()))
    };
    let curves = names.iter().enumerate().map(curve).collect();
    let x = Axis { ticks: LOSS.to_vec(), ..loss_axis(Scale::Log10) };
    let mut figure = Figure::single("Goodput against loss", x, Axis::linear("Goodput (Mbit/s)"), curves);
    figure.panels[0].rules.push(Rule { on: On::Y, at: 10.0, name: "capacity".into() });
    Figure { legend_title: "algorithm".into(), ..figure }
}

fn delay() -> Figure {
    Figure {
        legend_title: "proto".into(),
        size: Size::Column,
        ..Figure::single(
            "",
            loss_axis(Scale::Log10),
            Axis { scale: Scale::Log10, ..Axis::linear("Delay, 95th percentile (ms)") },
            delay_curves(),
        )
    }
}

fn sawtooth(flow: usize, points: usize) -> Vec<(f64, f64)> {
    let mut noise = Noise(flow as u64 + 7);
    let mut window = 10.0;
    let step = 60.0 / points as f64;
    let mut at = |i: usize| {
        window += step * 6.0;
        if noise.next() < step * 0.22 * (window / 30.0) {
            window = (window / 2.0_f64).max(2.0);
        }
        (i as f64 * step, window)
    };
    (0..points).map(&mut at).collect()
}

fn cwnd(points: usize, size: Size) -> Figure {
    let curve = |i: usize| Curve::new(format!("flow {}", i + 1), i, Marks::Step(sawtooth(i, points)));
    let mut figure = Figure::single(
        "Three flows share one bottleneck",
        Axis::linear("Time (s)"),
        Axis::linear("Congestion window (segments)"),
        (0..3).map(curve).collect(),
    );
    figure.panels[0].rules.push(Rule { on: On::X, at: 20.0, name: "flow 3 starts".into() });
    Figure { size, ..figure }
}

fn latency(base: f64, spread: f64, seed: u64, n: usize) -> Vec<f64> {
    let mut noise = Noise(seed);
    (0..n).map(|_| noise.latency(base, spread)).collect()
}

fn cdf(scale: Scale) -> Figure {
    let queues = [("drop tail", 20.0, 30.0), ("red", 20.0, 12.0), ("codel", 20.0, 4.0)];
    let curve = |(i, (name, base, spread)): (usize, &(&str, f64, f64))| {
        Curve::new(*name, i, Marks::Cdf(latency(*base, *spread, i as u64, 4000)))
    };
    Figure {
        legend_title: "queue".into(),
        size: Size::Column,
        ..Figure::single(
            "Latency by queue",
            Axis { scale, ..Axis::linear("One-way delay (ms)") },
            Axis { format: Format::Percent, ..Axis::linear("Share of packets") },
            queues.iter().enumerate().map(curve).collect(),
        )
    }
}

fn boxes() -> Figure {
    let rates = ["1 Mbit/s", "10 Mbit/s", "100 Mbit/s"];
    let curve = |(i, name): (usize, &&str)| {
        let stats = (0..3).filter_map(|k| {
            let spread = 40.0 / (1.0 + k as f64 + i as f64);
            BoxStats::of(k as f64, &latency(20.0, spread, (i * 3 + k) as u64, 200))
        });
        Curve::new(*name, i, Marks::Boxes(stats.collect()))
    };
    Figure {
        caption: "Boxes: quartiles. Whiskers: last packet within 1.5 interquartile ranges.".into(),
        ..Figure::single(
            "Delay by rate and queue",
            Axis::ordinal("Bottleneck rate", rates),
            Axis::linear("One-way delay (ms)"),
            ["drop tail", "red", "codel"].iter().enumerate().map(curve).collect(),
        )
    }
}

fn fairness(size: Size) -> Figure {
    let pairs = ["newreno / newreno", "cubic / cubic", "newreno / cubic", "newreno / udp", "cubic / udp"];
    let curve = |(i, (name, values)): (usize, &(&str, [f64; 5]))| {
        let points = values.iter().enumerate().map(|(k, &y)| {
            Point::with_interval(k as f64, y, y - 0.03 - 0.01 * k as f64, (y + 0.03).min(1.0))
        });
        Curve::new(*name, i, Marks::Bars(points.collect()))
    };
    let data = [
        ("10 ms", [0.99, 0.98, 0.94, 0.61, 0.66]),
        ("50 ms", [0.98, 0.97, 0.87, 0.57, 0.6]),
        ("200 ms", [0.96, 0.95, 0.78, 0.53, 0.56]),
    ];
    Figure {
        legend_title: "round trip".into(),
        size,
        ..Figure::single(
            "Fairness of two flows",
            Axis::ordinal("Pair of flows", pairs),
            Axis { range: Range { low: Some(0.0), high: Some(1.0) }, ..Axis::linear("Jain's index") },
            data.iter().enumerate().map(curve).collect(),
        )
    }
}

fn facets(count: usize, size: Size) -> Figure {
    let panel = |i: usize| {
        let scaled = |c: Curve| match c.marks {
            Marks::Line(points) => {
                let shrink = 1.0 / (1.0 + i as f64 * 0.4);
                let scale =
                    |p: Point| Point::with_interval(p.x, p.y * shrink, p.low * shrink, p.high * shrink);
                Curve { marks: Marks::Line(points.into_iter().map(scale).collect()), ..c }
            }
            marks => Curve { marks, ..c },
        };
        let curves = goodput_curves().into_iter().map(scaled).collect();
        Panel { title: format!("rtt = {} ms", 10 << i), curves, ..Panel::default() }
    };
    Figure {
        title: "Goodput against loss, by round trip".into(),
        panels: (0..count).map(panel).collect(),
        x: loss_axis(Scale::Log10),
        y: Axis::linear("Goodput (Mbit/s)"),
        legend_title: "proto".into(),
        size,
        ..Figure::default()
    }
}

fn dots(n: usize) -> Figure {
    let mut noise = Noise(3);
    let points = |noise: &mut Noise, base: f64| {
        let point = |i: usize| Point::new(i as f64 / n as f64 * 30.0, noise.latency(base, 8.0));
        (0..n).map(point).collect()
    };
    let curves = vec![
        Curve::new("data", 0, Marks::Dots(points(&mut noise, 40.0))),
        Curve::new("acks", 1, Marks::Dots(points(&mut noise, 10.0))),
    ];
    Figure::single("Delay of every packet", Axis::linear("Time (s)"), Axis::linear("Delay (ms)"), curves)
}

fn tail() -> Figure {
    let curve = |i: usize| {
        let points = (0..60).map(|k| {
            let x = 10.0 + f64::from(k) * 5.0;
            (x, libm::exp10(-f64::from(k) / (8.0 + 4.0 * i as f64)))
        });
        Curve::new(["one hop", "two hops", "three hops"][i], i, Marks::Series(points.collect()))
    };
    Figure::single(
        "Tail of the delay",
        Axis::linear("Delay (ms)"),
        Axis::log10("Share of packets above"),
        (0..3).map(curve).collect(),
    )
}

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "gallery".into()));
    std::fs::create_dir_all(&folder)?;
    let gap = Marks::Line(vec![Point::new(1.0, f64::NAN)]);
    let figures = [
        ("goodput-log", goodput(Scale::Log10, Size::Report)),
        ("goodput-linear", goodput(Scale::Linear, Size::Report)),
        ("goodput-column", goodput(Scale::Log10, Size::Column)),
        ("goodput-slide", goodput(Scale::Log10, Size::Slide)),
        ("goodput-many", goodput_many()),
        ("delay-column", delay()),
        ("cwnd", cwnd(1200, Size::Report)),
        ("cwnd-column", cwnd(1200, Size::Column)),
        ("cwnd-million", cwnd(1_000_000, Size::Report)),
        ("cdf", cdf(Scale::Linear)),
        ("cdf-log", cdf(Scale::Log10)),
        ("boxes", boxes()),
        ("fairness", fairness(Size::Report)),
        ("fairness-column", fairness(Size::Column)),
        ("facets", facets(3, Size::Page)),
        ("facets-column", facets(4, Size::Column)),
        ("facets-many", facets(7, Size::Report)),
        ("dots", dots(20_000)),
        ("dots-few", dots(60)),
        ("tail", tail()),
        (
            "empty",
            Figure::single("Nothing", Axis::linear("x"), Axis::linear("y"), vec![Curve::new("a", 0, gap)]),
        ),
    ];
    for (name, figure) in figures {
        let text = render(&figure);
        println!("{name}: {} bytes", text.len());
        std::fs::write(folder.join(name).with_extension("svg"), text)?;
    }
    Ok(())
}
