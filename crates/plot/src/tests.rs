//! Whole figures: what is written is XML, complete, the same every time, and readable.

use proptest::prelude::*;
use roxmltree::{Document, Node};

use crate::geom::Rect;
use crate::text::width;
use crate::*;

fn line(name: &str, style: usize, points: &[(f64, f64)]) -> Curve {
    let points = points.iter().map(|&(x, y)| Point::with_interval(x, y, y * 0.9, y * 1.1)).collect();
    Curve::new(name, style, Marks::Line(points))
}

fn number(node: &Node, name: &str) -> f64 {
    let text = node.attribute(name).expect("the attribute is there");
    text.parse().expect("the attribute is a number")
}

/// The boxes of all texts that are level or upright.
fn text_boxes(document: &Document) -> Vec<(String, Rect)> {
    let texts = document.descendants().filter(|n| n.has_tag_name("text"));
    let boxed = texts.filter_map(|n| {
        let (x, y, size) = (number(&n, "x"), number(&n, "y"), number(&n, "font-size"));
        let text = n.text().unwrap_or("").to_owned();
        let wide = width(&text, size);
        let before = match n.attribute("text-anchor") {
            Some("middle") => wide / 2.0,
            Some("end") => wide,
            _ => 0.0,
        };
        let (up, down) = (size * 0.75, size * 0.2);
        let rect = match n.attribute("transform") {
            None => Rect::new(x - before, y - up, x - before + wide, y + down),
            Some(turn) if turn.starts_with("rotate(-90 ") => {
                Rect::new(x - up, y - wide + before, x + down, y + before)
            }
            Some(_) => return None,
        };
        Some((text, rect))
    });
    boxed.collect()
}

fn assert_readable(figure: &Figure, about: &str) {
    let svg = render(figure);
    let document = Document::parse(&svg).expect("the figure is XML");
    let view = document.root_element().attribute("viewBox").expect("a view box");
    let size: Vec<f64> = view.split(' ').map(|v| v.parse().expect("a number")).collect();
    let page = Rect::new(0.0, 0.0, size[2], size[3]);
    let boxes = text_boxes(&document);
    assert!(boxes.len() > 3, "{about}: hardly any text");
    for (i, (text, a)) in boxes.iter().enumerate() {
        let inside = page.contains((a.left, a.top)) && page.contains((a.right, a.bottom));
        assert!(inside, "{about}: {text:?} leaves the page: {a:?}");
        for (other, b) in &boxes[..i] {
            assert!(!a.touches(b), "{about}: {text:?} {a:?} runs into {other:?} {b:?}");
        }
    }
}

#[test]
fn a_small_figure_looks_as_it_did() {
    let curve = line("tcp", 0, &[(0.0, 9.0), (0.01, 8.0), (0.1, 2.0)]);
    let x = Axis { format: Format::Percent, ..Axis::log10("Loss") };
    let mut figure = Figure::single("Small", x, Axis::linear("Goodput (Mbit/s)"), vec![curve]);
    figure.panels[0].rules.push(Rule { on: On::Y, at: 10.0, name: "capacity".into() });
    insta::assert_snapshot!(render(&Figure { size: Size::Column, ..figure }));
}

#[test]
fn no_texts_overlap_or_leave_the_page_for_many_ranges_scales_and_sizes() {
    let sizes = [Size::Report, Size::Column, Size::Page, Size::Slide];
    let ranges =
        [(0.0, 1.0), (0.001, 0.1), (1.0, 1e6), (-5.0, 5.0), (99.9, 100.1), (1e-9, 3e-9), (0.0, 7e11)];
    for size in sizes {
        for (low, high) in ranges {
            for (x, y) in [("linear", "linear"), ("log", "linear"), ("linear", "log"), ("log", "log")] {
                for format in [Format::Auto, Format::Percent, Format::Si] {
                    for panels in [1, 3] {
                        let axis = |kind: &str, label: &str| {
                            let scale = if kind == "log" { Scale::Log10 } else { Scale::Linear };
                            Axis { scale, format, ..Axis::linear(label) }
                        };
                        let middle = (low + high) / 2.0;
                        let curves = vec![
                            line("tcp", 0, &[(low, low), (middle, high), (high, middle)]),
                            line("udp", 1, &[(low, high), (middle, middle), (high, middle)]),
                        ];
                        let panel = Panel { title: "rtt = 10 ms".into(), curves, rules: Vec::new() };
                        let figure = Figure {
                            title: "A title that is long enough to need more than one line in a column"
                                .into(),
                            subtitle: "and a subtitle".into(),
                            caption: "Mean of 10 runs; bands are 95 % confidence intervals.".into(),
                            panels: vec![panel; panels],
                            x: axis(x, "Packet loss"),
                            y: axis(y, "Goodput (Mbit/s)"),
                            legend_title: "proto".into(),
                            size,
                            ..Figure::default()
                        };
                        let about = format!("{size:?} {low}..{high} {x} {y} {format:?} {panels}");
                        assert_readable(&figure, &about);
                    }
                }
            }
        }
    }
}

#[test]
fn a_million_points_make_a_small_file_that_still_shows_the_one_spike() {
    let value = |i: usize| if i == 333_333 { 1000.0 } else { (i % 100) as f64 };
    let points: Vec<(f64, f64)> = (0..1_000_000).map(|i| (i as f64, value(i))).collect();
    let samples = points.iter().map(|p| p.1).collect();
    let dots = points.iter().map(|p| Point::new(p.0, p.1)).collect();
    let banded = points.iter().map(|p| Point::with_interval(p.0, p.1, p.1 - 1.0, p.1 + 1.0)).collect();
    for marks in [Marks::Series(points.clone()), Marks::Step(points), Marks::Dots(dots), Marks::Line(banded)]
    {
        for size in [Size::Column, Size::Slide] {
            let curves = vec![Curve::new("a", 0, marks.clone())];
            let y = Axis { range: Range { low: Some(0.0), high: Some(1000.0) }, ..Axis::linear("y") };
            let figure = Figure { size, ..Figure::single("", Axis::linear("x"), y, curves) };
            let svg = render(&figure);
            assert!(svg.len() < 400_000, "{} bytes", svg.len());
            let top = layout::Layout::new(&figure, layout::Reserve::default()).frames[0].top;
            assert!(svg.contains(&format!(" {}", crate::svg::number(top))), "the spike is lost");
        }
    }
    let cdf = vec![Curve::new("a", 0, Marks::Cdf(samples))];
    let svg = render(&Figure::single("", Axis::linear("x"), Axis::linear("y"), cdf));
    assert!(svg.len() < 100_000, "{} bytes", svg.len());
}

#[test]
fn a_figure_without_data_says_so() {
    let nothing = Figure::default();
    let empty = Figure::single("t", Axis::linear("x"), Axis::log10("y"), Vec::new());
    let gaps = vec![line("a", 0, &[(1.0, f64::NAN), (f64::INFINITY, 2.0)])];
    let gaps = Figure::single("t", Axis::log10("x"), Axis::ordinal("y", ["a"]), gaps);
    for figure in [nothing, empty, gaps] {
        assert!(render(&figure).contains(">no data</text>"));
    }
    let some = Figure::single("t", Axis::linear("x"), Axis::linear("y"), vec![line("a", 0, &[(1.0, 1.0)])]);
    assert!(!render(&some).contains("no data"));
}

#[test]
fn a_reader_who_cannot_see_gets_a_name_and_a_description() {
    let curve = line("tcp", 0, &[(1.0, 2.0), (2.0, 4.0)]);
    let svg = render(&Figure::single("A & B", Axis::linear("Hops"), Axis::linear("Delay"), vec![curve]));
    let document = Document::parse(&svg).expect("the figure is XML");
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    assert_eq!(root.attribute("aria-label"), Some("A & B"));
    let first = root.first_element_child().expect("a child");
    assert_eq!((first.tag_name().name(), first.text()), ("title", Some("A & B")));
    let second = first.next_sibling_element().expect("another");
    assert_eq!(second.text(), Some("Delay against Hops. tcp: 2 values from 1.8 to 4.4."));
}

#[test]
fn nothing_outside_of_the_file_is_referred_to() {
    let curve = line("tcp", 0, &[(1.0, 2.0), (2.0, 4.0)]);
    let svg = render(&Figure::single("t", Axis::linear("x"), Axis::linear("y"), vec![curve]));
    for word in ["href", "url(", "<style", "<script", "id=\"", "@import"] {
        assert!(!svg.contains(word), "{word} in the figure");
    }
}

fn odd_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1000.0..1000.0,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN, 5e-324, 1e300]),
    ]
}

fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z <>&\"']{0,20}", 1 => any::<String>(), 1 => "[a-z]{60,90}"]
}

fn odd_marks() -> impl Strategy<Value = Marks> {
    let number = odd_number;
    let point = (number(), number(), number(), number())
        .prop_map(|(x, y, low, high)| Point::with_interval(x, y, low, high));
    let points = prop::collection::vec(point, 0..60).boxed();
    let pairs = prop::collection::vec((number(), number()), 0..60).boxed();
    let samples = prop::collection::vec(number(), 0..30);
    let stats = (number(), prop::collection::vec(number(), 0..9))
        .prop_filter_map("no box", |(x, v)| BoxStats::of(x, &v));
    let boxes = prop::collection::vec(stats, 0..5);
    prop_oneof![
        points.clone().prop_map(Marks::Line),
        points.clone().prop_map(Marks::Dots),
        points.prop_map(Marks::Bars),
        pairs.clone().prop_map(Marks::Series),
        pairs.prop_map(Marks::Step),
        samples.prop_map(Marks::Cdf),
        boxes.prop_map(Marks::Boxes),
    ]
}

fn odd_axis() -> impl Strategy<Value = Axis> {
    let scale = prop_oneof![
        Just(Scale::Linear),
        Just(Scale::Log10),
        prop::collection::vec(odd_text(), 0..12).prop_map(Scale::Ordinal),
    ];
    let format = prop::sample::select(vec![Format::Auto, Format::Plain, Format::Percent, Format::Si]);
    let end = || prop::option::weighted(0.2, odd_number());
    let range = (end(), end()).prop_map(|(low, high)| Range { low, high });
    let ticks = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(odd_number(), 0..9)];
    (odd_text(), scale, format, range, ticks).prop_map(|(label, scale, format, range, ticks)| Axis {
        label,
        scale,
        range,
        format,
        ticks,
    })
}

fn odd_figure() -> impl Strategy<Value = Figure> {
    let curve = (odd_text(), 0..12_usize, odd_marks()).prop_map(|(n, s, m)| Curve::new(n, s, m));
    let on = prop::sample::select(vec![On::X, On::Y]);
    let rule = (on, odd_number(), odd_text()).prop_map(|(on, at, name)| Rule { on, at, name });
    let panel = (odd_text(), prop::collection::vec(curve, 0..4), prop::collection::vec(rule, 0..3))
        .prop_map(|(title, curves, rules)| Panel { title, curves, rules });
    let size =
        prop_oneof![
            Just(Size::Report),
            Just(Size::Column),
            Just(Size::Slide),
            (odd_number(), odd_number(), odd_number())
                .prop_map(|(width_mm, height_mm, font_pt)| Size::Custom { width_mm, height_mm, font_pt }),
        ];
    let legend = prop::sample::select(vec![Legend::Auto, Legend::Right, Legend::Above, Legend::Hidden]);
    let texts = (odd_text(), odd_text(), odd_text(), odd_text());
    let columns = prop::option::of(0..9_usize);
    (texts, prop::collection::vec(panel, 0..4), odd_axis(), odd_axis(), legend, size, columns).prop_map(
        |((title, subtitle, caption, legend_title), panels, x, y, legend, size, columns)| Figure {
            title,
            subtitle,
            caption,
            panels,
            x,
            y,
            legend_title,
            legend,
            size,
            columns,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_figure_is_well_formed_finite_and_the_same_twice(figure in odd_figure()) {
        let svg = render(&figure);
        prop_assert_eq!(&svg, &render(&figure));
        let document = Document::parse(&svg).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for node in document.descendants().filter(Node::is_element) {
            for name in ["d", "x", "y", "width", "height", "viewBox", "font-size", "stroke-width"] {
                let value = node.attribute(name).unwrap_or("");
                prop_assert!(!value.contains("NaN") && !value.contains("inf"), "{name}=\"{value}\"");
            }
        }
    }
}

#[test]
fn a_figure_as_pdf_has_the_size_the_letters_and_the_lines_of_the_svg() {
    let curves = vec![line("tcp", 0, &[(1.0, 9.5), (2.0, 7.0)]), line("udp", 3, &[(1.0, 2.0), (2.0, 4.0)])];
    let figure = Figure::single("Goodput", Axis::linear("Hops"), Axis::linear("Goodput (Mbit/s)"), curves);
    let svg = render(&figure);
    let bytes = pdf(&svg).unwrap();
    assert_eq!(bytes, pdf(&svg).unwrap(), "equal drawings give equal bytes");
    let document = Document::parse(&svg).unwrap();
    let size = document.root_element().attribute("viewBox").unwrap().replacen("0 0 ", "", 1);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"));
    assert!(text.contains(&format!("/MediaBox [0 0 {size}]")), "the page is as large as the drawing");
    for node in document.descendants().filter(|node| node.has_tag_name("text")) {
        let words = node.text().unwrap();
        assert!(text.contains(words) || !words.is_ascii(), "the PDF lacks '{words}'");
    }
    let strokes = text.lines().filter(|line| matches!(*line, "S" | "B")).count();
    let lines = document.descendants().filter(|n| n.has_tag_name("path") && n.attribute("stroke").is_some());
    assert!(strokes >= lines.count(), "every line is drawn");
}

proptest! {
    #[test]
    fn every_figure_can_be_pdf(ys in prop::collection::vec(0.1f64..1e9, 1..20), style in 0usize..40, kind in 0..4) {
        let points: Vec<Point> = ys.iter().enumerate()
            .map(|(x, y)| Point::with_interval(x as f64 + 1.0, *y, y * 0.5, y * 1.5)).collect();
        let marks = match kind {
            0 => Marks::Line(points),
            1 => Marks::Bars(points),
            2 => Marks::Boxes(BoxStats::of(1.0, &ys).into_iter().collect()),
            _ => Marks::Dots(points),
        };
        let figure = Figure::single("한 < 10⁻⁶ & \u{1}", Axis::log10("x"), Axis::log10("y"), vec![Curve::new("c", style, marks)]);
        prop_assert!(pdf(&render(&figure)).is_ok());
    }
}
