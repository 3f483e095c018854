//! SVG to PDF, for LaTeX: the elements and attributes that Tidewire's drawings are made of, and Helvetica, which every reader of PDF has.

use pdf_writer::types::{LineCapStyle, LineJoinStyle, TextRenderingMode};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use roxmltree::{Document, Node};

use crate::text;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const PLAIN: Ref = Ref::new(5);
const BOLD: Ref = Ref::new(6);
const INFO: Ref = Ref::new(7);

/// A drawing of this crate or of a network as a page of PDF of its size in points. Equal drawings give equal bytes.
///
/// Letters that Helvetica in PDF's Windows encoding does not have (Korean, say) become `?`.
///
/// # Errors
/// Text that is no SVG, or has elements that Tidewire does not write.
pub fn pdf(svg: &str) -> Result<Vec<u8>, String> {
    let document = Document::parse(svg).map_err(|error| format!("no SVG: {error}"))?;
    let root = document.root_element();
    let numbers = numbers(root.attribute("viewBox").unwrap_or_default());
    let [left, top, width, height] = numbers[..] else { return Err("an SVG without viewBox".to_owned()) };
    let mut page = Page { content: Content::new(), alphas: Vec::new() };
    page.content.transform([1.0, 0.0, 0.0, -1.0, -left, height + top]);
    for child in root.children().filter(Node::is_element) {
        page.element(child)?;
    }
    Ok(page.finish(width, height, title_of(root).unwrap_or_default()))
}

fn title_of<'a>(node: Node<'a, 'a>) -> Option<&'a str> {
    node.children().find(|child| child.has_tag_name("title"))?.text()
}

struct Page {
    content: Content,
    /// Opacities in use, in thousandths.
    alphas: Vec<u16>,
}

/// The value of a presentation attribute, of the element itself or of what it stands in.
fn inherited<'a>(node: Node<'a, 'a>, name: &str) -> Option<&'a str> {
    node.ancestors().find_map(|node| node.attribute(name))
}

fn number_of(node: Node<'_, '_>, name: &str) -> Option<f32> {
    node.attribute(name)?.parse().ok()
}

/// The numbers of an attribute: `0 0 12.5,3`.
fn numbers(text: &str) -> Vec<f32> {
    text.split([' ', ',']).filter_map(|word| word.parse().ok()).collect()
}

/// `none` is `None`.
fn color(text: &str) -> Result<Option<[f32; 3]>, String> {
    let hex = match text {
        "none" => return Ok(None),
        "white" => "ffffff".to_owned(),
        "black" => "000000".to_owned(),
        _ => match text.strip_prefix('#') {
            Some(short) if short.len() == 3 => short.chars().flat_map(|c| [c, c]).collect(),
            Some(long) if long.len() == 6 => long.to_owned(),
            _ => return Err(format!("unknown colour '{text}'")),
        },
    };
    let value = u32::from_str_radix(&hex, 16).map_err(|_| format!("unknown colour '{text}'"))?;
    let part = |shift: u32| ((value >> shift) & 255) as f32 / 255.0;
    Ok(Some([part(16), part(8), part(0)]))
}

impl Page {
    fn element(&mut self, node: Node<'_, '_>) -> Result<(), String> {
        match node.tag_name().name() {
            "title" | "desc" => return Ok(()),
            "g" | "path" | "rect" | "circle" | "line" | "text" => {}
            other => return Err(format!("element <{other}> is not known")),
        }
        self.content.save_state();
        if let Some(transform) = node.attribute("transform") {
            self.transform(transform)?;
        }
        match node.tag_name().name() {
            "g" => node.children().filter(Node::is_element).try_for_each(|child| self.element(child))?,
            "text" => self.text(node)?,
            _ => self.shape(node)?,
        }
        self.content.restore_state();
        Ok(())
    }

    /// A list of `translate(x y)`, `scale(s)` and `rotate(a x y)`.
    fn transform(&mut self, text: &str) -> Result<(), String> {
        let unknown = || format!("unknown transform '{text}'");
        for part in text.split_inclusive(')').map(str::trim) {
            let (name, rest) =
                part.strip_suffix(')').and_then(|part| part.split_once('(')).ok_or_else(unknown)?;
            let matrix = match (name, &numbers(rest)[..]) {
                ("translate", [x, y]) => [1.0, 0.0, 0.0, 1.0, *x, *y],
                ("scale", [s]) => [*s, 0.0, 0.0, *s, 0.0, 0.0],
                ("rotate", [degrees, x, y]) => {
                    let angle = f64::from(*degrees).to_radians();
                    let (sin, cos) = (libm::sin(angle) as f32, libm::cos(angle) as f32);
                    [cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y]
                }
                _ => return Err(unknown()),
            };
            self.content.transform(matrix);
        }
        Ok(())
    }

    fn shape(&mut self, node: Node<'_, '_>) -> Result<(), String> {
        let fill = color(inherited(node, "fill").unwrap_or("black"))?;
        let stroke = color(inherited(node, "stroke").unwrap_or("none"))?;
        let opacity = |name| inherited(node, name).and_then(|text| text.parse::<f32>().ok()).unwrap_or(1.0);
        let (fill_opacity, stroke_opacity) =
            (opacity("fill-opacity") * opacity("opacity"), opacity("stroke-opacity") * opacity("opacity"));
        let fill = fill.filter(|_| fill_opacity > 0.0);
        if fill.is_none() && stroke.is_none() {
            return Ok(());
        }
        let alpha = if fill.is_some() { fill_opacity } else { stroke_opacity };
        if alpha < 1.0 {
            self.alpha(alpha);
        }
        if let Some([r, g, b]) = fill {
            self.content.set_fill_rgb(r, g, b);
        }
        if let Some([r, g, b]) = stroke {
            self.content.set_stroke_rgb(r, g, b);
            self.pen(node);
        }
        self.outline(node)?;
        match (fill, stroke) {
            (Some(_), Some(_)) => self.content.fill_nonzero_and_stroke(),
            (Some(_), None) => self.content.fill_nonzero(),
            _ => self.content.stroke(),
        };
        Ok(())
    }

    fn pen(&mut self, node: Node<'_, '_>) {
        let width = inherited(node, "stroke-width").and_then(|text| text.parse().ok()).unwrap_or(1.0);
        self.content.set_line_width(width);
        if inherited(node, "stroke-linecap") == Some("round") {
            self.content.set_line_cap(LineCapStyle::RoundCap);
        }
        if inherited(node, "stroke-linejoin") == Some("round") {
            self.content.set_line_join(LineJoinStyle::RoundJoin);
        }
        if let Some(dash) = inherited(node, "stroke-dasharray") {
            self.content.set_dash_pattern(numbers(dash), 0.0);
        }
    }

    fn alpha(&mut self, alpha: f32) {
        let thousandths = (alpha.max(0.0) * 1000.0).round() as u16;
        if !self.alphas.contains(&thousandths) {
            self.alphas.push(thousandths);
        }
        self.content.set_parameters(Name(format!("A{thousandths}").as_bytes()));
    }

    fn outline(&mut self, node: Node<'_, '_>) -> Result<(), String> {
        let of = |name| number_of(node, name).unwrap_or(0.0);
        match node.tag_name().name() {
            "rect" => self.rect(of("x"), of("y"), of("width"), of("height"), of("rx")),
            "circle" => self.circle(of("cx"), of("cy"), of("r")),
            "line" => {
                self.content.move_to(of("x1"), of("y1")).line_to(of("x2"), of("y2"));
            }
            _ => self.path(node.attribute("d").unwrap_or_default())?,
        }
        Ok(())
    }

    fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, round: f32) {
        let r = round.min(width / 2.0).min(height / 2.0);
        if r <= 0.0 {
            self.content.rect(x, y, width, height);
            return;
        }
        // The control points of a quarter of a circle leave this share of the radius.
        let k = r * (1.0 - 0.552_285);
        let (right, bottom) = (x + width, y + height);
        self.content.move_to(x + r, y).line_to(right - r, y);
        self.content.cubic_to(right - k, y, right, y + k, right, y + r).line_to(right, bottom - r);
        self.content.cubic_to(right, bottom - k, right - k, bottom, right - r, bottom).line_to(x + r, bottom);
        self.content.cubic_to(x + k, bottom, x, bottom - k, x, bottom - r).line_to(x, y + r);
        self.content.cubic_to(x, y + k, x + k, y, x + r, y).close_path();
    }

    fn circle(&mut self, x: f32, y: f32, r: f32) {
        self.content.move_to(x - r, y);
        self.half_circle(x - r, y, 2.0 * r);
        self.half_circle(x + r, y, -2.0 * r);
        self.content.close_path();
    }

    /// Half a circle from (x, y) to (x + d, y), turning as SVG's sweep flag 0 does.
    fn half_circle(&mut self, x: f32, y: f32, d: f32) {
        let r = d / 2.0;
        let k = 0.552_285 * r;
        self.content.cubic_to(x, y + k, x + r - k, y + r, x + r, y + r);
        self.content.cubic_to(x + r + k, y + r, x + d, y + k, x + d, y);
    }

    /// Path data of the letters M, L, h, a (half circles), Q, C and Z.
    fn path(&mut self, data: &str) -> Result<(), String> {
        let mut at = (0.0, 0.0);
        let mut rest = data;
        while let Some(letter) = rest.chars().next() {
            let end = rest[letter.len_utf8()..].find(|c: char| c.is_ascii_alphabetic());
            let end = end.map_or(rest.len(), |end| end + letter.len_utf8());
            let v = numbers(&rest[letter.len_utf8()..end]);
            match (letter, &v[..]) {
                ('M', [x, y]) => {
                    self.content.move_to(*x, *y);
                    at = (*x, *y);
                }
                ('L', pairs) if pairs.len() % 2 == 0 => {
                    for pair in pairs.chunks_exact(2) {
                        self.content.line_to(pair[0], pair[1]);
                        at = (pair[0], pair[1]);
                    }
                }
                ('h', [dx]) => {
                    at.0 += dx;
                    self.content.line_to(at.0, at.1);
                }
                ('a', [_, _, _, _, _, d, dy]) if *dy == 0.0 => {
                    self.half_circle(at.0, at.1, *d);
                    at.0 += d;
                }
                ('Q', [x1, y1, x, y]) => {
                    // A quadratic curve as the cubic one that it is.
                    let toward = |from: f32, to: f32| from + (to - from) * 2.0 / 3.0;
                    self.content.cubic_to(
                        toward(at.0, *x1),
                        toward(at.1, *y1),
                        toward(*x, *x1),
                        toward(*y, *y1),
                        *x,
                        *y,
                    );
                    at = (*x, *y);
                }
                ('C', [x1, y1, x2, y2, x, y]) => {
                    self.content.cubic_to(*x1, *y1, *x2, *y2, *x, *y);
                    at = (*x, *y);
                }
                ('Z', []) => {
                    self.content.close_path();
                }
                _ => return Err(format!("path data '{}' are not known", &rest[..end])),
            }
            rest = &rest[end..];
        }
        Ok(())
    }

    fn text(&mut self, node: Node<'_, '_>) -> Result<(), String> {
        let words: String = node.descendants().filter(Node::is_text).filter_map(|n| n.text()).collect();
        let size: f32 = inherited(node, "font-size").and_then(|text| text.parse().ok()).unwrap_or(10.0);
        let bold = matches!(inherited(node, "font-weight"), Some("bold" | "600" | "700"));
        let runs = runs(&words);
        let wide = runs.iter().map(|run| run.width(f64::from(size), bold)).sum::<f64>() as f32;
        let left = match inherited(node, "text-anchor") {
            Some("middle") => wide / 2.0,
            Some("end") => wide,
            _ => 0.0,
        };
        let x = number_of(node, "x").unwrap_or(0.0) - left;
        let y = number_of(node, "y").unwrap_or(0.0);
        let fill = color(inherited(node, "fill").unwrap_or("black"))?.unwrap_or([0.0; 3]);
        // A white outline under the letters, where they may stand on lines.
        if let Some([r, g, b]) = color(node.attribute("stroke").unwrap_or("none"))? {
            self.content.set_stroke_rgb(r, g, b);
            self.pen(node);
            self.content.set_line_join(LineJoinStyle::RoundJoin);
            self.letters(&runs, [x, y], size, bold, TextRenderingMode::Stroke);
        }
        self.content.set_fill_rgb(fill[0], fill[1], fill[2]);
        self.letters(&runs, [x, y], size, bold, TextRenderingMode::Fill);
        Ok(())
    }

    fn letters(&mut self, runs: &[Run], [x, y]: [f32; 2], size: f32, bold: bool, mode: TextRenderingMode) {
        let name = if bold { Name(b"B") } else { Name(b"R") };
        self.content.begin_text().set_text_rendering_mode(mode);
        self.content.set_text_matrix([1.0, 0.0, 0.0, -1.0, x, y]);
        for run in runs {
            let (scale, rise) = if run.raised { (RAISED, 0.36 * size) } else { (1.0, 0.0) };
            self.content.set_font(name, size * scale as f32).set_rise(rise).show(Str(&run.bytes));
        }
        self.content.end_text();
    }

    fn finish(self, width: f32, height: f32, title: &str) -> Vec<u8> {
        let mut pdf = Pdf::new();
        pdf.catalog(CATALOG).pages(PAGES);
        pdf.pages(PAGES).kids([PAGE]).count(1);
        let mut page = pdf.page(PAGE);
        page.media_box(Rect::new(0.0, 0.0, width, height)).parent(PAGES).contents(CONTENT);
        let mut resources = page.resources();
        resources.fonts().pair(Name(b"R"), PLAIN).pair(Name(b"B"), BOLD);
        let mut states = resources.ext_g_states();
        for alpha in &self.alphas {
            let value = f32::from(*alpha) / 1000.0;
            let name = format!("A{alpha}");
            let mut state =
                states.insert(Name(name.as_bytes())).start::<pdf_writer::writers::ExtGraphicsState>();
            state.non_stroking_alpha(value).stroking_alpha(value);
        }
        states.finish();
        resources.finish();
        page.finish();
        for (font, name) in [(PLAIN, "Helvetica"), (BOLD, "Helvetica-Bold")] {
            pdf.type1_font(font)
                .base_font(Name(name.as_bytes()))
                .encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        pdf.stream(CONTENT, &self.content.finish());
        pdf.document_info(INFO).title(TextStr(title)).creator(TextStr("Tidewire"));
        pdf.finish()
    }
}

/// How large raised figures are, compared with others.
const RAISED: f64 = 0.65;

/// Letters of one size, in the Windows encoding of PDF (ISO 32000-1, annex D.2).
struct Run {
    bytes: Vec<u8>,
    raised: bool,
    text: String,
}

impl Run {
    fn width(&self, size: f64, bold: bool) -> f64 {
        let scale = if self.raised { RAISED } else { 1.0 };
        // Bold letters are some 6 % wider.
        text::metric_width(&self.text, size * scale) * if bold { 1.06 } else { 1.0 }
    }
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for c in text.chars() {
        let lowered = match c {
            '⁻' => Some('-'),
            '⁰' => Some('0'),
            '¹' => Some('1'),
            '²' => Some('2'),
            '³' => Some('3'),
            '⁴'..='⁹' => char::from_digit(c as u32 - '⁰' as u32, 10),
            _ => None,
        };
        let raised = lowered.is_some();
        let written = lowered.map_or_else(|| replaced(c), |c| c.to_string());
        if runs.last().is_none_or(|run| run.raised != raised) {
            runs.push(Run { bytes: Vec::new(), raised, text: String::new() });
        }
        let Some(run) = runs.last_mut() else { continue };
        run.bytes.extend(written.chars().map(|c| windows(c).unwrap_or(b'?')));
        run.text.push_str(&written);
    }
    runs
}

/// What is written for letters that the encoding lacks but has likenesses of.
fn replaced(c: char) -> String {
    match c {
        '−' => "–",
        'μ' => "µ",
        '≤' => "<=",
        '≥' => ">=",
        '→' => "->",
        '←' => "<-",
        '↔' => "<->",
        '↑' => "^",
        '↓' => "v",
        other => return other.to_string(),
    }
    .to_owned()
}

fn windows(c: char) -> Option<u8> {
    let code = match c {
        ' '..='~' | '\u{a0}'..='\u{ff}' => c as u32 as u8,
        '€' => 0x80,
        '…' => 0x85,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' => 0x96,
        '—' => 0x97,
        _ => return None,
    };
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_the_codes_of_the_windows_encoding() {
        let runs = runs("10⁻⁶ µs – 한");
        let bytes: Vec<(&[u8], bool)> = runs.iter().map(|run| (&run.bytes[..], run.raised)).collect();
        assert_eq!(bytes, [(&b"10"[..], false), (&b"-6"[..], true), (&b" \xb5s \x96 ?"[..], false)]);
    }

    #[test]
    fn what_no_drawing_has_is_refused() {
        for svg in [
            "<svg viewBox=\"0 0 9 9\"><image/></svg>",
            "<svg viewBox=\"0 0 9 9\"><path d=\"M0 0S1 1 2 2\"/></svg>",
            "<svg viewBox=\"0 0 9 9\"><rect fill=\"url(#x)\"/></svg>",
            "<svg/>",
            "text",
        ] {
            assert!(pdf(svg).is_err(), "{svg}");
        }
    }
}
