//! A picture for a slide.

use super::Look;
use super::labels::{LINE_HEIGHT, Line, Page, Rect, text_size, text_width};
use super::layout::{self, Layout, Point, arrange};
use super::links::{Legend, OTHER, describe};
use super::scene::{DETAIL, Edge, Scene, size};
use crate::{NodeSpec, Plan};
use std::fmt::Write;

const MARGIN: f64 = 64.0;

/// A text on the page, centred in its box.
struct Label {
    rect: Rect,
    lines: Vec<Line>,
    /// The link that it is about, by position; none for those of nodes.
    edge: Option<usize>,
}

/// A drawing ready to be written.
pub(super) struct Picture<'a> {
    plan: &'a Plan,
    scene: Scene,
    legend: Legend,
    points: Vec<Point>,
    labels: Vec<Label>,
    size: Point,
}

/// The most symbols and links of a picture: more would take minutes and show nothing.
const MOST_SYMBOLS: usize = 4000;
const MOST_LINKS: usize = 40_000;

/// Why a plan is too large for a picture, if it is, with what to do instead.
pub fn too_large(plan: &Plan) -> Option<String> {
    let (symbols, links) = size(plan);
    let is_too_large = symbols > MOST_SYMBOLS || links > MOST_LINKS;
    is_too_large.then(|| {
        format!(
            "a picture of {symbols} symbols and {links} links would show nothing: {MOST_SYMBOLS} symbols and {MOST_LINKS} links are drawn at most (leaves of one node count once); draw a part of it, or give the output of --dot to a program for large graphs"
        )
    })
}

/// A page that says why there is no picture.
fn apology(why: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"60\" viewBox=\"0 0 900 60\"><title>too large to be drawn</title><desc>{why}</desc><text x=\"20\" y=\"35\" font-family=\"sans-serif\" font-size=\"14\">This network is too large to be drawn.</text></svg>\n"
    )
}

/// The plan as SVG: hosts as screens, switches as flat boxes, routers as discs, thicker lines for faster links. Many hosts of one node
/// are drawn as one stack. What many links share is said in the legend, the others are labelled.
pub fn svg(plan: &Plan) -> String {
    too_large(plan).map_or_else(|| picture(plan).write(), |why| apology(&why))
}

/// How much larger a drawing may become for its labels.
const STRETCHES: [f64; 6] = [1.0, 1.2, 1.45, 1.75, 2.1, 2.5];

pub(super) fn picture(plan: &Plan) -> Picture<'_> {
    let legend = Legend::new(plan);
    let scene = Scene::new(plan, &legend);
    let (points, layout) = arrange(plan, &scene);
    let mut picture = Picture { plan, scene, legend, points: Vec::new(), labels: Vec::new(), size: [0.0; 2] };
    let few = picture.scene.edges.len() <= 100;
    let mut best: Option<(f64, Vec<Point>)> = None;
    for stretch in STRETCHES {
        let points: Vec<Point> = points.iter().map(|p| p.map(|x| x * stretch)).collect();
        picture.fill(points.clone(), layout);
        let muddle = if few { picture.muddle() } else { 0.0 };
        if best.as_ref().is_none_or(|(least, _)| muddle < *least) {
            best = Some((muddle, points));
        }
        if muddle == 0.0 {
            return picture;
        }
    }
    best.into_iter().for_each(|(_, points)| picture.fill(points, layout));
    picture
}

/// Start, middle and end of a link; parallel ones bend.
fn curve(edge: &Edge, points: &[Point]) -> [Point; 3] {
    let [a, b] = edge.ends.map(|v| points[v]);
    let (n, count) = edge.parallel;
    // Bends count from the lower vertex, so that links declared in opposite directions bend apart.
    let sign = if edge.ends[0] < edge.ends[1] { 1.0 } else { -1.0 };
    let bend = (f64::from(n) - (f64::from(count) - 1.0) / 2.0) * 26.0 * sign;
    let length = layout::distance(a, b).max(1e-9);
    let normal = [-(b[1] - a[1]) / length, (b[0] - a[0]) / length];
    let middle = [(a[0] + b[0]) / 2.0 + normal[0] * bend, (a[1] + b[1]) / 2.0 + normal[1] * bend];
    [a, middle, b]
}

fn vertex_label(scene: &Scene, v: usize, points: &[Point], layout: Layout, page: &mut Page) -> Label {
    let vertex = &scene.vertices[v];
    let size = scene.label_size(v);
    let [w, h] = vertex.symbol;
    let stack = if vertex.count > 1 { 6.0 } else { 0.0 };
    let (dx, dy) = ((w + size[0]) / 2.0 + 4.0 + stack, (h + size[1]) / 2.0 + 2.0 + stack);
    let [x, y] = points[v];
    let (below, above) = ([x, y + dy - stack], [x, y - dy]);
    let (right, left) = ([x + dx, y], [x - dx, y]);
    let near = |x: f64, side: f64| x + side * (w / 2.0 + size[0] * 0.35);
    let corners =
        [[near(x, 1.0), y + dy], [near(x, -1.0), y + dy], [near(x, 1.0), y - dy], [near(x, -1.0), y - dy]];
    let neighbors = scene.neighbors(v);
    let top = neighbors.iter().all(|&o| points[o][1] > y + 20.0);
    let bottom = neighbors.iter().all(|&o| points[o][1] < y - 20.0);
    let mut centres = match layout {
        Layout::Layered | Layout::Tree if top => vec![above, right, left, below],
        Layout::Layered | Layout::Tree if !bottom => vec![right, left, above, below],
        _ => vec![below, above, right, left],
    };
    if let (Layout::Line, [only]) = (layout, neighbors.as_slice()) {
        // Outside of its only link, when that is level.
        if (points[*only][1] - y).abs() < (points[*only][0] - x).abs() * 1.2 && points.len() > 3 {
            centres.insert(0, if points[*only][0] > x { left } else { right });
        }
    }
    centres.extend(corners);
    let candidates: Vec<Rect> = centres.into_iter().map(|centre| Rect::around(centre, size)).collect();
    let lines = vertex.label.iter().map(|line| Line { text: line.text.clone(), ..*line }).collect();
    Label { rect: page.place(&candidates, &[]), lines, edge: None }
}

fn link_label(plan: &Plan, scene: &Scene, edge: usize, points: &[Point], page: &mut Page) -> Option<Label> {
    let curve = curve(&scene.edges[edge], points);
    let lines = scene.edges[edge].label(plan, [curve[2][0] - curve[0][0], curve[2][1] - curve[0][1]]);
    if lines.is_empty() {
        return None;
    }
    let size = text_size(&lines);
    let at = |t: f64| [0, 1].map(|i| bent(curve.map(|p| p[i]), t));
    let places = [0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2, 0.8];
    let candidates: Vec<Rect> = places.iter().flat_map(|&t| beside(at(t), &curve, size)).collect();
    let own = [(curve[0], curve[1]), (curve[1], curve[2])];
    Some(Label { rect: page.place(&candidates, &own), lines, edge: Some(edge) })
}

/// A coordinate of the curve from `a` to `b` through `m` in its middle.
fn bent([a, m, b]: [f64; 3], t: f64) -> f64 {
    (1.0 - t) * (1.0 - t) * a + 2.0 * t * (1.0 - t) * (2.0 * m - (a + b) / 2.0) + t * t * b
}

/// Along both sides of a link, touching it; on a steep one that is long enough in the middle of it.
fn beside(at: Point, curve: &[Point; 3], size: Point) -> Vec<Rect> {
    let (dx, dy) = (curve[2][0] - curve[0][0], curve[2][1] - curve[0][1]);
    let length = layout::distance(curve[0], curve[2]).max(1e-9);
    // Upwards, so that a level link has its label above.
    let normal = if dx >= 0.0 { [dy / length, -dx / length] } else { [-dy / length, dx / length] };
    let reach = (normal[0] * size[0]).abs() / 2.0 + (normal[1] * size[1]).abs() / 2.0 + 3.0;
    let aside = |sign: f64| [at[0] + sign * normal[0] * reach, at[1] + sign * normal[1] * reach];
    let (above, below) = (aside(1.0), aside(-1.0));
    let steep = dy.abs() > dx.abs() && length > 4.0 * size[1];
    let centres = if steep { [at, above, below] } else { [above, below, at] };
    centres.into_iter().map(|centre| Rect::around(centre, size)).collect()
}

impl Picture<'_> {
    /// Puts the symbols at these points and labels beside them.
    fn fill(&mut self, mut points: Vec<Point>, layout: Layout) {
        let (low, high) = layout::bounds(points.iter().copied());
        let size = [high[0] - low[0] + 2.0 * MARGIN, high[1] - low[1] + 2.0 * MARGIN];
        points.iter_mut().for_each(|p| *p = [p[0] - low[0] + MARGIN, p[1] - low[1] + MARGIN]);
        let scene = &self.scene;
        let mut page = Page::new(size);
        for (vertex, &point) in scene.vertices.iter().zip(&points) {
            page.add_box(Rect::around(point, vertex.symbol));
        }
        for edge in &scene.edges {
            let curve = curve(edge, &points);
            page.add_line(curve[0], curve[1]);
            page.add_line(curve[1], curve[2]);
        }
        let mut labels: Vec<Label> =
            (0..scene.vertices.len()).map(|v| vertex_label(scene, v, &points, layout, &mut page)).collect();
        let links =
            (0..scene.edges.len()).filter_map(|e| link_label(self.plan, scene, e, &points, &mut page));
        labels.extend(links);
        (self.points, self.labels, self.size) = (points, labels, size);
    }

    /// How much of other links, symbols and texts the labels of links cover, in pixels: what makes them look like another link's.
    pub(super) fn muddle(&self) -> f64 {
        let mut sum = 0.0;
        for (n, label) in self.labels.iter().enumerate() {
            let Some(own) = label.edge else { continue };
            for (_, edge) in self.scene.edges.iter().enumerate().filter(|(e, _)| *e != own) {
                let [a, m, b] = curve(edge, &self.points);
                sum += label.rect.covers(a, m) + label.rect.covers(m, b);
            }
            let symbols = self.scene.vertices.iter().zip(&self.points);
            sum += symbols.map(|(v, p)| label.rect.overlap(Rect::around(*p, v.symbol))).sum::<f64>();
            let others = self.labels.iter().enumerate().filter(|(other, _)| *other != n);
            sum += others.map(|(_, other)| label.rect.overlap(other.rect)).sum::<f64>();
        }
        sum
    }

    fn write(&self) -> String {
        let boxes = self.labels.iter().map(|label| label.rect);
        let low =
            boxes.clone().fold([0.0; 2], |l: Point, r| [l[0].min(r.low[0] - 8.0), l[1].min(r.low[1] - 8.0)]);
        let high =
            boxes.fold(self.size, |h: Point, r| [h[0].max(r.high[0] + 8.0), h[1].max(r.high[1] + 8.0)]);
        let mut footer = String::new();
        let footer_size = self.write_footer([low[0] + 12.0, high[1] + 4.0], &mut footer);
        let width = (high[0] - low[0]).max(footer_size[0] + 24.0);
        let height = high[1] - low[1] + footer_size[1] + 10.0;
        let [x, y, width, height] = [low[0], low[1], width, height].map(num);
        let mut out = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x} {y} {width} {height}" width="{width}" height="{height}" font-family="Helvetica, Arial, sans-serif" text-anchor="middle">"#
        );
        let _ = write!(
            out,
            "\n<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
        );
        let faint = if self.crowd() < 1.0 { r#" opacity="0.7""# } else { "" };
        let _ = writeln!(out, r#"<g fill="none" stroke-linecap="round"{faint}>"#);
        self.scene.edges.iter().for_each(|edge| self.write_edge(edge, &mut out));
        out.push_str("</g>\n");
        // Under everything but the links: what lies close may lose a bit of a link, never of a symbol or a text.
        self.labels.iter().filter(|label| label.edge.is_some()).for_each(|label| write_box(label, &mut out));
        for (vertex, point) in self.scene.vertices.iter().zip(&self.points) {
            let copies = if vertex.count > 1 { 3 } else { 1 };
            for copy in (0..copies).rev() {
                let shift = f64::from(copy) * 4.0;
                let at = [point[0] + shift, point[1] - shift];
                let node = self.plan.node(vertex.node);
                write_symbol(&node.spec, at, self.scene.scale, &node.name, &mut out);
            }
        }
        self.labels.iter().for_each(|label| write_label(label, &mut out));
        out.push_str(&footer);
        out.push_str("</svg>\n");
        out
    }

    /// Counts, then the kinds of links; returns the size.
    fn write_footer(&self, [x, y]: Point, out: &mut String) -> Point {
        let text = |x: f64, y: f64, content: &str, out: &mut String| {
            let _ = writeln!(
                out,
                r##"<text x="{}" y="{}" font-size="{DETAIL}" fill="#666" text-anchor="start">{}</text>"##,
                num(x),
                num(y),
                escape(content)
            );
            text_width(content, DETAIL)
        };
        let mut width = text(x, y + 12.0, &super::caption(self.plan), out);
        let mut height = 16.0;
        for kind in &self.legend.kinds {
            let base = y + height + 12.0;
            let _ = writeln!(
                out,
                r#"<path d="M{} {}h26" stroke="{}" stroke-width="2"{}/>"#,
                num(x),
                num(base - 3.5),
                kind.color,
                dashes(kind.dash)
            );
            width = width.max(34.0 + text(x + 34.0, base, &kind.text, out));
            height += 16.0;
        }
        [width, height]
    }

    fn write_edge(&self, edge: &Edge, out: &mut String) {
        let [a, m, b] = curve(edge, &self.points);
        let link = self.plan.link(edge.link);
        let slower = link.spec.forward.rate.bits_per_s().min(link.spec.backward.rate.bits_per_s());
        // 1 pixel at 1 Mbit/s, 2 at 1 Gbit/s, a little more for each factor of ten.
        let width = (1.0 + (libm::log10(slower as f64) - 6.0) / 3.0).clamp(0.8, 3.4)
            * self.scene.scale
            * self.crowd();
        // The curve passes through the middle, so its control point lies twice as far.
        let control = [0, 1].map(|i| num(2.0 * m[i] - (a[i] + b[i]) / 2.0));
        let (start, end) = (a.map(num), b.map(num));
        let path = match edge.parallel.1 {
            1 => format!("M{} {}L{} {}", start[0], start[1], end[0], end[1]),
            _ => format!("M{} {}Q{} {} {} {}", start[0], start[1], control[0], control[1], end[0], end[1]),
        };
        let kind = self.legend.kind_of[edge.link.index()].map(|kind| &self.legend.kinds[kind]);
        let (color, dash) = kind.map_or((OTHER, ""), |kind| (kind.color, kind.dash));
        let _ = writeln!(
            out,
            r#"<path d="{path}" stroke="{color}" stroke-width="{}"{}><title>{}</title></path>"#,
            num(width),
            dashes(dash),
            escape(&format!("{}: {}", link.name, describe(&link.spec, ["→", "←"]).join(", ")))
        );
    }

    /// How much thinner links are where there are many for each node.
    fn crowd(&self) -> f64 {
        let each = self.scene.edges.len() as f64 / self.scene.vertices.len().max(1) as f64;
        if self.scene.edges.len() < 150 { 1.0 } else { (2.0 / each).clamp(0.25, 1.0) }
    }
}

fn dashes(dash: &str) -> String {
    if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") }
}

fn write_symbol(spec: &NodeSpec, [x, y]: Point, scale: f64, name: &str, out: &mut String) {
    let scale = if scale == 1.0 { String::new() } else { format!(" scale({scale})") };
    let _ = write!(
        out,
        r#"<g transform="translate({} {}){scale}"><title>{}</title>"#,
        num(x),
        num(y),
        escape(name)
    );
    out.push_str(match Look::of(spec) {
        // A screen on a foot.
        Look::Host => {
            r##"<rect x="-15" y="-13" width="30" height="20" rx="2.5" fill="#dbe9fb" stroke="#2f6fb5" stroke-width="1.5"/><path d="M-4 7L4 7L6 12L-6 12Z" fill="#2f6fb5"/>"##
        }
        // Frames to and fro.
        Look::Switch => {
            r##"<rect x="-21" y="-12" width="42" height="24" rx="3" fill="#dff2e3" stroke="#2e7d43" stroke-width="1.5"/><path d="M-13 -4L11 -4M7 -8L11 -4L7 0M13 5L-11 5M-7 1L-11 5L-7 9" fill="none" stroke="#2e7d43" stroke-width="1.6"/>"##
        }
        // One signal to everybody.
        Look::Hub => {
            r##"<rect x="-21" y="-12" width="42" height="24" rx="3" fill="#ececec" stroke="#666" stroke-width="1.5"/><path d="M-13 0L13 0M9 -4L13 0L9 4M-9 -4L-13 0L-9 4M0 0L0 -8M-3 -5L0 -8L3 -5M0 0L0 8M-3 5L0 8L3 5" fill="none" stroke="#666" stroke-width="1.6"/>"##
        }
        // Waves.
        Look::AccessPoint => {
            r##"<rect x="-21" y="-12" width="42" height="24" rx="3" fill="#dff2e3" stroke="#2e7d43" stroke-width="1.5"/><rect x="-2" y="5" width="4" height="4" rx="2" fill="#2e7d43"/><path d="M-5 2.5Q0 -1.8 5 2.5M-9 -1.2Q0 -8.2 9 -1.2M-13 -4.8Q0 -14.2 13 -4.8" fill="none" stroke="#2e7d43" stroke-width="1.6"/>"##
        }
        // Packets in from two sides and out to two others.
        Look::Router => {
            r##"<circle r="17" fill="#fdeBd3" stroke="#c0701a" stroke-width="1.5"/><path d="M-12 0L-4 0M-7 -3.5L-3.5 0L-7 3.5M12 0L4 0M7 -3.5L3.5 0L7 3.5M0 -4L0 -12M-3.5 -8.5L0 -12L3.5 -8.5M0 4L0 12M-3.5 8.5L0 12L3.5 8.5" fill="none" stroke="#c0701a" stroke-width="1.6"/>"##
        }
    });
    out.push_str("</g>\n");
}

/// Paper under the lines of a label, each as wide as its text.
fn write_box(label: &Label, out: &mut String) {
    let Rect { low, high } = label.rect;
    let mut y = low[1];
    for line in &label.lines {
        let (width, height) = (text_width(&line.text, line.size) + 6.0, line.size * LINE_HEIGHT);
        let x = (low[0] + high[0] - width) / 2.0;
        let _ = writeln!(
            out,
            r#"<rect x="{}" y="{}" width="{}" height="{}" rx="2" fill="white" fill-opacity="0.86"/>"#,
            num(x),
            num(y),
            num(width),
            num(height)
        );
        y += height;
    }
}

fn write_label(label: &Label, out: &mut String) {
    let low = label.rect.low;
    let x = label.rect.centre()[0];
    let mut y = low[1];
    for line in &label.lines {
        y += line.size * LINE_HEIGHT;
        let _ = writeln!(
            out,
            r#"<text x="{}" y="{}" font-size="{}" fill="{}">{}</text>"#,
            num(x),
            num(y - line.size * 0.24),
            num(line.size),
            line.color,
            escape(&line.text)
        );
    }
}

/// A tenth of a pixel is enough, and hides the last bits of floating point.
fn num(x: f64) -> String {
    let tenths = (x * 10.0).round() as i64;
    let sign = if tenths < 0 { "-" } else { "" };
    match (tenths.abs() / 10, tenths.abs() % 10) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, tenth) => format!("{sign}{whole}.{tenth}"),
    }
}

fn escape(text: &str) -> String {
    // Two characters that XML does not have.
    let text = text.replace(['\u{fffe}', '\u{ffff}'], "?");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
