//! Plane geometry in points of the page: clipping, thinning, and what touches what.

/// A position on the page: right and down, in points.
pub(crate) type Point2 = (f64, f64);

/// An upright rectangle; `top` is the smaller y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    pub(crate) fn new(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Rect { left, top, right, bottom }
    }

    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(crate) fn center(&self) -> Point2 {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// Larger by `by` on every side.
    pub(crate) fn grown(&self, by: f64) -> Rect {
        Rect::new(self.left - by, self.top - by, self.right + by, self.bottom + by)
    }

    pub(crate) fn contains(&self, p: Point2) -> bool {
        p.0 >= self.left && p.0 <= self.right && p.1 >= self.top && p.1 <= self.bottom
    }

    pub(crate) fn touches(&self, other: &Rect) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    /// The part of a straight line inside (Liang and Barsky).
    pub(crate) fn clip_line(&self, a: Point2, b: Point2) -> Option<(Point2, Point2)> {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        let sides =
            [(-dx, a.0 - self.left), (dx, self.right - a.0), (-dy, a.1 - self.top), (dy, self.bottom - a.1)];
        for (toward, distance) in sides {
            if toward == 0.0 {
                if distance < 0.0 {
                    return None;
                }
            } else if toward < 0.0 {
                enter = enter.max(distance / toward);
            } else {
                leave = leave.min(distance / toward);
            }
        }
        let at = |t: f64| {
            if t <= 0.0 {
                a
            } else if t >= 1.0 {
                b
            } else {
                (a.0 + t * dx, a.1 + t * dy)
            }
        };
        (enter <= leave).then(|| (at(enter), at(leave)))
    }

    /// The parts of a line inside; `None` among the points is a gap.
    pub(crate) fn clip_run(&self, points: &[Option<Point2>]) -> Vec<Vec<Point2>> {
        let mut runs: Vec<Vec<Point2>> = Vec::new();
        let mut connected = false;
        for pair in points.windows(2) {
            let piece = match (pair[0], pair[1]) {
                (Some(a), Some(b)) => self.clip_line(a, b).map(|(from, to)| (from, to, to == b)),
                _ => None,
            };
            match piece {
                Some((_, to, whole)) if connected => {
                    if let Some(run) = runs.last_mut() {
                        run.push(to);
                    }
                    connected = whole;
                }
                Some((from, to, whole)) => {
                    runs.push(vec![from, to]);
                    connected = whole;
                }
                None => connected = false,
            }
        }
        runs
    }

    /// The part of a polygon inside (Sutherland and Hodgman).
    pub(crate) fn clip_polygon(&self, outline: &[Point2]) -> Vec<Point2> {
        let mut points = outline.to_vec();
        for side in 0..4 {
            let depth = |p: Point2| match side {
                0 => p.0 - self.left,
                1 => self.right - p.0,
                2 => p.1 - self.top,
                _ => self.bottom - p.1,
            };
            let mut kept = Vec::with_capacity(points.len() + 4);
            for i in 0..points.len() {
                let (a, b) = (points[i], points[(i + 1) % points.len()]);
                let (from, to) = (depth(a), depth(b));
                if from >= 0.0 {
                    kept.push(a);
                }
                if (from >= 0.0) != (to >= 0.0) {
                    let t = from / (from - to);
                    kept.push((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
                }
            }
            points = kept;
        }
        points
    }
}

/// Thins a line: of the points that share a column of this width, the first, lowest, highest and last stay.
pub(crate) fn thin(points: &[Point2], column: f64) -> Vec<Point2> {
    let column_of = |p: Point2| (p.0 / column).floor();
    let mut kept = Vec::new();
    let mut start = 0;
    while start < points.len() {
        let here = column_of(points[start]);
        let len = points[start..].iter().take_while(|p| column_of(**p) == here).count();
        let last = start + len.max(1) - 1;
        let (mut low, mut high) = (start, start);
        for i in start..=last {
            if points[i].1 < points[low].1 {
                low = i;
            }
            if points[i].1 > points[high].1 {
                high = i;
            }
        }
        let mut picks = [start, low.min(high), low.max(high), last];
        picks.sort_unstable();
        for (n, &i) in picks.iter().enumerate() {
            if n == 0 || picks[n - 1] != i {
                kept.push(points[i]);
            }
        }
        start = last + 1;
    }
    kept
}

/// Thins loose points: of those that round to the same cell of this size, the first stays.
pub(crate) fn thin_cloud(points: &[Point2], cell: f64) -> Vec<Point2> {
    let cell_of = |p: &Point2| ((p.0 / cell).floor() as i64, (p.1 / cell).floor() as i64);
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|&i| (cell_of(&points[i]), i));
    order.dedup_by_key(|i| cell_of(&points[*i]));
    order.sort_unstable();
    order.into_iter().map(|i| points[i]).collect()
}

/// What text must not cover.
#[derive(Debug, Clone, Default)]
pub(crate) struct Obstacles {
    pub lines: Vec<Vec<Point2>>,
    pub areas: Vec<Vec<Point2>>,
    pub boxes: Vec<Rect>,
}

impl Obstacles {
    /// True where nothing drawn touches the rectangle.
    pub(crate) fn leave_free(&self, r: &Rect) -> bool {
        let free_of_line = |run: &Vec<Point2>| {
            !run.first().is_some_and(|&p| r.contains(p))
                && run.windows(2).all(|w| r.clip_line(w[0], w[1]).is_none())
        };
        self.boxes.iter().all(|b| !b.touches(r))
            && self.lines.iter().all(free_of_line)
            && self.areas.iter().all(|area| r.clip_polygon(area).len() < 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Rect = Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };

    #[test]
    fn a_line_is_clipped_at_the_frame_and_resumes_where_it_returns() {
        let line =
            [Some((-5.0, 5.0)), Some((5.0, 5.0)), Some((5.0, 20.0)), Some((8.0, 20.0)), Some((8.0, 5.0))];
        let runs = UNIT.clip_run(&line);
        assert_eq!(runs, vec![vec![(0.0, 5.0), (5.0, 5.0), (5.0, 10.0)], vec![(8.0, 10.0), (8.0, 5.0)]]);
    }

    #[test]
    fn a_gap_splits_a_line() {
        let line = [Some((1.0, 1.0)), Some((2.0, 2.0)), None, Some((3.0, 3.0)), Some((4.0, 4.0))];
        assert_eq!(UNIT.clip_run(&line).len(), 2);
    }

    #[test]
    fn a_polygon_around_the_frame_becomes_the_frame() {
        let around = [(-5.0, -5.0), (15.0, -5.0), (15.0, 15.0), (-5.0, 15.0)];
        let clipped = UNIT.clip_polygon(&around);
        assert_eq!(clipped.len(), 4);
        assert!(clipped.iter().all(|&p| UNIT.contains(p)));
        assert!(UNIT.clip_polygon(&[(20.0, 20.0), (30.0, 20.0), (30.0, 30.0)]).is_empty());
    }

    #[test]
    fn thinning_keeps_every_extreme_and_both_ends() {
        let spiky = |i: usize| if i == 70_123 { 90.0 } else { (i % 17) as f64 };
        let points: Vec<Point2> = (0..100_000).map(|i| (i as f64 * 0.002, spiky(i))).collect();
        let kept = thin(&points, 0.5);
        assert!(kept.len() <= 4 * 401, "{} points left", kept.len());
        let top = kept.iter().map(|p| p.1).fold(0.0, f64::max);
        assert_eq!(top, 90.0);
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
        assert!(kept.windows(2).all(|w| w[0].0 <= w[1].0));
        for column in 0..400 {
            let inside = |p: &&Point2| (p.0 / 0.5).floor() == f64::from(column);
            let low = |points: &[Point2]| points.iter().filter(inside).map(|p| p.1).fold(f64::MAX, f64::min);
            assert_eq!(low(&kept), low(&points));
        }
    }

    #[test]
    fn a_cloud_keeps_one_point_a_cell() {
        let points: Vec<Point2> = (0..1000).map(|i| (f64::from(i % 10), f64::from(i / 500))).collect();
        assert_eq!(thin_cloud(&points, 1.0).len(), 20);
    }

    #[test]
    fn lines_and_areas_stand_in_the_way_of_text() {
        let mut on = Obstacles::default();
        assert!(on.leave_free(&UNIT));
        on.lines.push(vec![(-5.0, 5.0), (15.0, 5.0)]);
        assert!(!on.leave_free(&UNIT));
        let wide =
            Obstacles { areas: vec![vec![(-9.0, -9.0), (30.0, -9.0), (30.0, 30.0), (-9.0, 30.0)]], ..on };
        assert!(!wide.leave_free(&Rect::new(1.0, 6.0, 2.0, 7.0)));
    }
}
