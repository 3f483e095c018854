//! What a figure is made of. Plain data: build it with literals and `..Default::default()`.

/// One picture: a grid of panels that share both axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figure {
    /// Bold line on top; also the accessible name. May be empty.
    pub title: String,
    /// Smaller line under the title.
    pub subtitle: String,
    /// Small text under the figure: samples, seeds, what the band means.
    pub caption: String,
    /// Facets, in reading order. One panel is the usual case.
    pub panels: Vec<Panel>,
    /// Horizontal axis of all panels.
    pub x: Axis,
    /// Vertical axis of all panels.
    pub y: Axis,
    /// Heading of the legend, usually the parameter that tells the curves apart.
    pub legend_title: String,
    /// Where the legend goes.
    pub legend: Legend,
    /// Outer size and letter size.
    pub size: Size,
    /// Panels side by side; `None` lets the shape of the figure decide.
    pub columns: Option<usize>,
}

/// One facet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Panel {
    /// Written above the panel; empty for a single panel.
    pub title: String,
    /// What is drawn, first at the bottom.
    pub curves: Vec<Curve>,
    /// Reference lines under the curves: a capacity, an onset time, a prediction.
    pub rules: Vec<Rule>,
}

/// An axis with its label, scale, range and tick labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// Name with unit, as in `Goodput (Mbit/s)`.
    pub label: String,
    /// How values become positions.
    pub scale: Scale,
    /// Fixed ends; what is not fixed follows the data.
    pub range: Range,
    /// How tick labels are written.
    pub format: Format,
    /// Ticks at these values (the values of a sweep); empty chooses 1-2-5 steps.
    pub ticks: Vec<f64>,
}

/// How values become positions.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Scale {
    /// Proportional.
    #[default]
    Linear,
    /// Decades. A zero in the data gets a place of its own before an axis break; negative values have none.
    Log10,
    /// Categories: the value `i` stands in the middle of the label `i`.
    Ordinal(Vec<String>),
}

/// The ends of an axis, in data units. `None` follows the data.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Range {
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// How tick labels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Plain decimals; prefixes (`200 k`, `1 M`) from a hundred thousand, powers of ten when tiny.
    #[default]
    Auto,
    /// Plain decimals whatever the size: years, ports, packet numbers.
    Plain,
    /// The data are fractions: 0.001 is written `0.1 %`.
    Percent,
    /// Metric prefixes from nano to tera: `2 m`, `5 k`, `1 M`.
    Si,
}

/// A named set of marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name in the legend. Curves of equal name and style in several panels share one entry; empty has none.
    pub name: String,
    /// Index into colours, dashes and markers: the same number looks the same in all figures.
    pub style: usize,
    /// What is drawn.
    pub marks: Marks,
}

/// What a curve draws. Positions are put in ascending x; values that are not finite leave a gap.
#[derive(Debug, Clone, PartialEq)]
pub enum Marks {
    /// Markers joined by a line, with a shaded band from `low` to `high`.
    Line(Vec<Point>),
    /// Markers alone, with error bars.
    Dots(Vec<Point>),
    /// A long series joined by straight lines, as `(x, y)`.
    Series(Vec<(f64, f64)>),
    /// A value that holds until the next one, as `(x, y)`.
    Step(Vec<(f64, f64)>),
    /// The empirical distribution of these samples, as a share from 0 to 1.
    Cdf(Vec<f64>),
    /// Boxes with whiskers, side by side with those of other curves.
    Boxes(Vec<BoxStats>),
    /// Bars from zero with error bars, side by side with those of other curves.
    Bars(Vec<Point>),
}

/// A value with its interval. An interval that is not finite is not drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Position, in units of the x axis.
    pub x: f64,
    /// Value, in units of the y axis.
    pub y: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The five numbers of a box and what lies beyond the whiskers, in units of the y axis.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxStats {
    /// Position, in units of the x axis.
    pub x: f64,
    /// End of the lower whisker.
    pub low: f64,
    /// First quartile.
    pub q1: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub q3: f64,
    /// End of the upper whisker.
    pub high: f64,
    /// Samples beyond the whiskers.
    pub outliers: Vec<f64>,
}

/// A straight reference line across a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The axis on which `at` is read: `Y` draws a horizontal line.
    pub on: On,
    /// Where, in units of that axis.
    pub at: f64,
    /// Small text at the line; may be empty.
    pub name: String,
}

/// One of the two axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The horizontal axis.
    X,
    /// The vertical axis.
    Y,
}

/// Where the legend goes. It never covers data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Legend {
    /// Labels at the ends of few curves, else an empty corner, else outside.
    #[default]
    Auto,
    /// Right of the panels, unless the legend is too tall.
    Right,
    /// In rows between title and panels.
    Above,
    /// No legend.
    Hidden,
}

/// Outer size and letter size.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Size {
    /// For a page of a report: 160 mm wide, 9 pt.
    #[default]
    Report,
    /// One column of a two-column paper: 85 mm wide, 7.5 pt.
    Column,
    /// Both columns of a paper: 178 mm wide, 8 pt.
    Page,
    /// A slide of 254 by 143 mm, 17 pt.
    Slide,
    /// Anything else.
    Custom {
        /// Width in millimetres.
        width_mm: f64,
        /// Height in millimetres.
        height_mm: f64,
        /// Size of tick labels in points.
        font_pt: f64,
    },
}

impl Figure {
    /// A figure of one panel.
    pub fn single(title: impl Into<String>, x: Axis, y: Axis, curves: Vec<Curve>) -> Self {
        let panel = Panel { curves, ..Panel::default() };
        Figure { title: title.into(), panels: vec![panel], x, y, ..Figure::default() }
    }

    /// Whether no curve has any mark.
    pub fn is_empty(&self) -> bool {
        self.panels.iter().flat_map(|panel| &panel.curves).all(|curve| curve.marks.is_empty())
    }
}

impl Marks {
    /// Whether nothing is drawn.
    pub fn is_empty(&self) -> bool {
        match self {
            Marks::Line(points) | Marks::Dots(points) | Marks::Bars(points) => points.is_empty(),
            Marks::Series(points) | Marks::Step(points) => points.is_empty(),
            Marks::Cdf(samples) => samples.is_empty(),
            Marks::Boxes(boxes) => boxes.is_empty(),
        }
    }
}

impl Axis {
    /// A linear axis that follows the data.
    pub fn linear(label: impl Into<String>) -> Self {
        Axis { label: label.into(), ..Axis::default() }
    }

    /// A logarithmic axis that follows the data.
    pub fn log10(label: impl Into<String>) -> Self {
        Axis { label: label.into(), scale: Scale::Log10, ..Axis::default() }
    }

    /// Categories.
    pub fn ordinal<S: Into<String>>(
        label: impl Into<String>,
        categories: impl IntoIterator<Item = S>,
    ) -> Self {
        let categories = categories.into_iter().map(Into::into).collect();
        Axis { label: label.into(), scale: Scale::Ordinal(categories), ..Axis::default() }
    }
}

impl Curve {
    /// A curve from its parts.
    pub fn new(name: impl Into<String>, style: usize, marks: Marks) -> Self {
        Curve { name: name.into(), style, marks }
    }
}

impl Point {
    /// A value without interval.
    pub fn new(x: f64, y: f64) -> Self {
        Point { x, y, low: f64::NAN, high: f64::NAN }
    }

    /// A value with the interval from `low` to `high`.
    pub fn with_interval(x: f64, y: f64, low: f64, high: f64) -> Self {
        Point { x, y, low, high }
    }

    /// True where the interval can be drawn.
    pub fn has_interval(&self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }
}

impl BoxStats {
    /// The box of some samples: quartiles by linear interpolation, whiskers at the last samples within 1.5
    /// interquartile ranges (Tukey). `None` without a finite sample.
    pub fn of(x: f64, samples: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let quantile = |q: f64| {
            let at = q * (sorted.len() - 1) as f64;
            let below = at as usize;
            let above = (below + 1).min(sorted.len() - 1);
            sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
        };
        let (q1, median, q3) = (quantile(0.25), quantile(0.5), quantile(0.75));
        let reach = 1.5 * (q3 - q1);
        let inside = |v: f64| v >= q1 - reach && v <= q3 + reach;
        let low = sorted.iter().copied().find(|&v| inside(v)).unwrap_or(first);
        let high = sorted.iter().copied().rev().find(|&v| inside(v)).unwrap_or(last);
        let outliers = sorted.iter().copied().filter(|&v| !inside(v)).collect();
        Some(BoxStats { x, low, q1, median, q3, high, outliers })
    }
}
