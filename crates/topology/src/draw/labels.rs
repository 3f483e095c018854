//! Puts texts where they cover neither symbols nor each other, and cross few links.

use super::layout::Point;

/// A rectangle: its lower and higher corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub low: Point,
    pub high: Point,
}

impl Rect {
    pub fn around(centre: Point, size: Point) -> Rect {
        let half = size.map(|x| x / 2.0);
        Rect {
            low: [centre[0] - half[0], centre[1] - half[1]],
            high: [centre[0] + half[0], centre[1] + half[1]],
        }
    }

    pub fn centre(self) -> Point {
        [(self.low[0] + self.high[0]) / 2.0, (self.low[1] + self.high[1]) / 2.0]
    }

    /// The area shared with another.
    pub fn overlap(self, other: Rect) -> f64 {
        let shared = |i: usize| (self.high[i].min(other.high[i]) - self.low[i].max(other.low[i])).max(0.0);
        shared(0) * shared(1)
    }

    /// How much of a line from `a` to `b` lies inside, in pixels.
    pub fn covers(self, a: Point, b: Point) -> f64 {
        let (mut from, mut to) = (0.0f64, 1.0f64);
        for i in 0..2 {
            let d = b[i] - a[i];
            if d.abs() < 1e-9 {
                if a[i] < self.low[i] || a[i] > self.high[i] {
                    return 0.0;
                }
                continue;
            }
            let (x, y) = ((self.low[i] - a[i]) / d, (self.high[i] - a[i]) / d);
            (from, to) = (from.max(x.min(y)), to.min(x.max(y)));
        }
        let length = super::layout::distance(a, b);
        (to - from).max(0.0) * length
    }
}

/// Things already on the page, found by place.
pub(super) struct Page {
    /// Symbols and labels.
    boxes: Vec<Rect>,
    lines: Vec<(Point, Point)>,
    /// What lies in each cell of a grid, as positions in `boxes` and `lines`.
    cells: Vec<(Vec<u32>, Vec<u32>)>,
    columns: usize,
    rows: usize,
}

const CELL: f64 = 120.0;

impl Page {
    /// An empty page from the origin to `size`.
    pub fn new(size: Point) -> Page {
        let cells = |x: f64| (libm::ceil(x.max(1.0) / CELL) as usize).max(1);
        let (columns, rows) = (cells(size[0]), cells(size[1]));
        Page {
            boxes: Vec::new(),
            lines: Vec::new(),
            cells: vec![Default::default(); columns * rows],
            columns,
            rows,
        }
    }

    /// Adds a symbol or a label.
    pub fn add_box(&mut self, rect: Rect) {
        let id = self.boxes.len() as u32;
        self.boxes.push(rect);
        for cell in self.cells_of(rect) {
            self.cells[cell].0.push(id);
        }
    }

    /// Adds a link.
    pub fn add_line(&mut self, a: Point, b: Point) {
        let id = self.lines.len() as u32;
        self.lines.push((a, b));
        let low = [a[0].min(b[0]), a[1].min(b[1])];
        let high = [a[0].max(b[0]), a[1].max(b[1])];
        for cell in self.cells_of(Rect { low, high }) {
            let at = [(cell % self.columns) as f64 * CELL, (cell / self.columns) as f64 * CELL];
            let area = Rect { low: at, high: [at[0] + CELL, at[1] + CELL] };
            if area.covers(a, b) > 0.0 {
                self.cells[cell].1.push(id);
            }
        }
    }

    /// Takes the candidate that covers least; of equals the earlier. Lines of `own`, the link that a label is about, count little and all
    /// others much.
    pub fn place(&mut self, candidates: &[Rect], own: &[(Point, Point)]) -> Rect {
        let cost = |(rank, rect): (usize, &Rect)| rank as f64 * 1.5 + self.cost(*rect, own);
        let costs = candidates.iter().enumerate().map(|candidate| (cost(candidate), candidate.1));
        let best =
            costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, rect)| *rect).expect("there are candidates");
        self.add_box(best);
        best
    }

    fn cost(&self, rect: Rect, own: &[(Point, Point)]) -> f64 {
        let (mut boxes, mut lines): (Vec<u32>, Vec<u32>) = Default::default();
        for cell in self.cells_of(rect) {
            boxes.extend(&self.cells[cell].0);
            lines.extend(&self.cells[cell].1);
        }
        for list in [&mut boxes, &mut lines] {
            list.sort_unstable();
            list.dedup();
        }
        let covered: f64 = boxes.iter().map(|&id| self.boxes[id as usize].overlap(rect)).sum();
        let crossed = |line: (Point, Point)| {
            let weight = match own {
                // The label of a node: everybody sees which.
                [] => 0.35,
                own if own.contains(&line) => 0.1,
                // On another link it would be taken for that one's.
                _ => 2.5,
            };
            rect.covers(line.0, line.1) * weight
        };
        let crossed: f64 = lines.iter().map(|&id| crossed(self.lines[id as usize])).sum();
        covered * 1.5 + crossed
    }

    fn cells_of(&self, rect: Rect) -> Vec<usize> {
        let cell = |x: f64, n: usize| ((x / CELL).max(0.0) as usize).min(n - 1);
        let (left, right) = (cell(rect.low[0], self.columns), cell(rect.high[0], self.columns));
        let (top, bottom) = (cell(rect.low[1], self.rows), cell(rect.high[1], self.rows));
        (top..=bottom).flat_map(|row| (left..=right).map(move |column| row * self.columns + column)).collect()
    }
}

/// One line of a label.
pub(super) struct Line {
    pub text: String,
    /// Font size in pixels.
    pub size: f64,
    pub color: &'static str,
}

/// How far apart the lines of a label are, in font sizes.
pub(super) const LINE_HEIGHT: f64 = 1.22;

/// The size of a label; zero without lines.
pub(super) fn text_size(lines: &[Line]) -> Point {
    if lines.is_empty() {
        return [0.0; 2];
    }
    let width = lines.iter().map(|line| text_width(&line.text, line.size)).fold(0.0, f64::max);
    [width + 6.0, lines.iter().map(|line| line.size * LINE_HEIGHT).sum::<f64>() + 2.0]
}

/// The width of a text in a sans-serif font of this size, roughly.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | '\'' | '|' | '!' | ' ' => 0.3,
        'f' | 't' | 'r' | '-' | '/' | '(' | ')' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' | '…' | '→' | '←' | '↑' | '↓' => 0.9,
        'A'..='Z' | '#' => 0.68,
        _ if c.is_ascii() => 0.57,
        _ => 0.75,
    };
    text.chars().map(em).sum::<f64>() * size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_knows_how_much_of_a_line_it_covers() {
        let rect = Rect::around([0.0, 0.0], [10.0, 4.0]);
        let covers = |a, b| (rect.covers(a, b) * 1e6).round() / 1e6;
        assert_eq!(covers([-20.0, 0.0], [20.0, 0.0]), 10.0);
        assert_eq!(covers([0.0, -20.0], [0.0, 20.0]), 4.0);
        assert_eq!(covers([-20.0, 3.0], [20.0, 3.0]), 0.0);
        assert_eq!(covers([1.0, 0.0], [3.0, 0.0]), 2.0);
    }

    #[test]
    fn a_label_goes_where_nothing_is() {
        let mut page = Page::new([400.0, 400.0]);
        page.add_box(Rect::around([100.0, 100.0], [40.0, 40.0]));
        page.add_line([100.0, 100.0], [100.0, 400.0]);
        let below = Rect::around([100.0, 130.0], [60.0, 14.0]);
        let above = Rect::around([100.0, 70.0], [60.0, 14.0]);
        assert_eq!(page.place(&[below, above], &[]), above);
        assert_eq!(page.place(&[above, below], &[]), below);
    }
}
