//! A picture for a terminal: the drawing's places on a grid of letters.

use super::layout::{self, Point, arrange};
use super::links::Legend;
use super::scene::{Scene, Vertex};
use crate::{NodeKind, Plan};

/// The most letters in a line, and lines.
const COLUMNS: usize = 100;
const ROWS: usize = 48;

/// More symbols than this are no picture in letters.
const MOST_SYMBOLS: usize = 60;

/// A letter is about twice as high as it is wide.
const LETTER: Point = [7.5, 17.0];

/// Letters by line and column.
struct Sheet {
    width: usize,
    rows: Vec<Vec<char>>,
}

/// The plan in plain letters: `[host]`, `=switch=`, `(router)`, lines of `-`, `|`, `/` and `\` for links, `+` where they cross.
///
/// # Errors
/// A plan of more than 60 symbols (many hosts of one node count once), or one whose names leave no room: a sentence that says so.
pub fn ascii(plan: &Plan) -> Result<String, String> {
    let (symbols, _) = super::scene::size(plan);
    if symbols > MOST_SYMBOLS {
        return Err(format!(
            "a picture of {symbols} symbols does not fit into a terminal ({MOST_SYMBOLS} at most): use --svg, or topo without options for a table"
        ));
    }
    if symbols == 0 {
        return Ok("no nodes\n".to_owned());
    }
    let scene = Scene::new(plan, &Legend::new(plan));
    let (points, _) = arrange(plan, &scene);
    let names: Vec<String> = scene.vertices.iter().map(name).collect();
    let places = spread(&cells(&points, &names), &names).ok_or_else(|| {
        "the names leave no room for a picture in letters: use --svg, or topo without options for a table"
            .to_owned()
    })?;
    let width = places.iter().zip(&names).map(|(p, name)| p[0] + name.chars().count()).max().unwrap_or(0);
    let height = places.iter().map(|p| p[1] + 1).max().unwrap_or(0);
    let mut sheet = Sheet { width, rows: vec![vec![' '; width]; height] };
    for edge in &scene.edges {
        let [a, b] = edge.ends.map(|v| middle(places[v], &names[v]));
        sheet.line(a, b);
    }
    for (place, name) in places.iter().zip(&names) {
        sheet.write(*place, name);
    }
    Ok(sheet.text())
}

fn name(vertex: &Vertex) -> String {
    let text = vertex.label.first().map_or("", |line| line.text.as_str());
    let text = if vertex.count > 1 { format!("{text} ({})", vertex.count) } else { text.to_owned() };
    match vertex.kind {
        NodeKind::Host => format!("[{text}]"),
        NodeKind::Switch => format!("={text}="),
        NodeKind::Router => format!("({text})"),
    }
}

/// The column and row of each name's first letter, as the drawing has them, in a sheet of at most [`COLUMNS`] by [`ROWS`].
fn cells(points: &[Point], names: &[String]) -> Vec<[usize; 2]> {
    let (low, high) = layout::bounds(points.iter().copied());
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let room = [COLUMNS.saturating_sub(widest).max(1), ROWS - 1];
    let scale = [0, 1].map(|axis| {
        let extent = (high[axis] - low[axis]) / LETTER[axis];
        if extent > room[axis] as f64 { room[axis] as f64 / extent } else { 1.0 }
    });
    let cell = |p: &Point, axis: usize| ((p[axis] - low[axis]) / LETTER[axis] * scale[axis]).round() as usize;
    let start = |p: &Point, name: &String| {
        let centre = cell(p, 0) + widest / 2;
        [centre - name.chars().count() / 2, cell(p, 1)]
    };
    points.iter().zip(names).map(|(p, name)| start(p, name)).collect()
}

/// Names that would lie on each other move to the nearest free place. `None` if there is none.
fn spread(wanted: &[[usize; 2]], names: &[String]) -> Option<Vec<[usize; 2]>> {
    let mut taken: Vec<([usize; 2], usize)> = Vec::new();
    for (&[x, y], name) in wanted.iter().zip(names) {
        let length = name.chars().count();
        let free = |place: &[usize; 2]| {
            place[0] + length <= COLUMNS + 20
                && taken.iter().all(|(other, theirs)| {
                    // One letter between names in a line, so that both can be read.
                    other[1] != place[1] || other[0] > place[0] + length || place[0] > other[0] + theirs
                })
        };
        let mut tries: Vec<[usize; 2]> =
            (0..ROWS + 8).flat_map(|row| (0..COLUMNS + 20).map(move |column| [column, row])).collect();
        tries.retain(free);
        let away = |place: &[usize; 2]| place[0].abs_diff(x) + 3 * place[1].abs_diff(y);
        let place = tries.into_iter().min_by_key(|place| (away(place), place[1], place[0]))?;
        taken.push((place, length));
    }
    let left = taken.iter().map(|(place, _)| place[0]).min().unwrap_or(0);
    Some(taken.into_iter().map(|([x, y], _)| [x - left, y]).collect())
}

fn middle(place: [usize; 2], name: &str) -> [i64; 2] {
    [(place[0] + name.chars().count() / 2) as i64, place[1] as i64]
}

impl Sheet {
    /// A line of letters that follow its slope.
    fn line(&mut self, a: [i64; 2], b: [i64; 2]) {
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let steps = dx.abs().max(dy.abs());
        let letter = match (dx.abs(), dy.abs()) {
            (_, 0) => '-',
            (0, _) => '|',
            // A line flatter than the letters' diagonal reads best as dashes, a steeper one as bars.
            (x, y) if x > 4 * y => '-',
            (x, y) if y > 2 * x => '|',
            _ if (dx > 0) == (dy > 0) => '\\',
            _ => '/',
        };
        for step in 1..steps {
            let at = |from: i64, by: i64| (2 * (from * steps + by * step) + steps).div_euclid(2 * steps);
            self.mark(at(a[0], dx), at(a[1], dy), letter);
        }
    }

    fn mark(&mut self, x: i64, y: i64, letter: char) {
        let cell = usize::try_from(y).ok().and_then(|y| self.rows.get_mut(y));
        let Some(cell) = cell.and_then(|row| row.get_mut(usize::try_from(x).ok()?)) else { return };
        *cell = if *cell == ' ' || *cell == letter { letter } else { '+' };
    }

    fn write(&mut self, place: [usize; 2], name: &str) {
        for (letter, x) in name.chars().zip(place[0]..self.width) {
            self.rows[place[1]][x] = letter;
        }
    }

    fn text(&self) -> String {
        let line = |row: &Vec<char>| {
            let text: String = row.iter().collect();
            format!("{}\n", text.trim_end())
        };
        self.rows.iter().map(line).collect()
    }
}
