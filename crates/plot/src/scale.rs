//! From data to positions: what range an axis covers and where a value stands on it.

use crate::model::{Axis, Scale};

/// Values beyond have no place: their distance would overflow.
const LARGEST: f64 = 1e300;

/// Positive values below are taken for this on logarithmic axes.
const SMALLEST: f64 = 1e-290;

/// Positions are kept within this distance of the page, in points.
const FARTHEST: f64 = 1e6;

/// The values that have to be shown on an axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub low: f64,
    pub high: f64,
    /// The smallest value above zero.
    pub positive: f64,
    /// True when a value is exactly zero.
    pub zero: bool,
}

impl Extent {
    pub(crate) fn nothing() -> Self {
        Extent { low: f64::INFINITY, high: f64::NEG_INFINITY, positive: f64::INFINITY, zero: false }
    }

    /// Makes room for a value. What is not finite needs none.
    pub(crate) fn add(&mut self, v: f64) {
        self.add_end(v);
        self.zero |= v == 0.0;
    }

    /// Makes room for the end of an interval, which needs no place for zero on a logarithmic axis.
    pub(crate) fn add_end(&mut self, v: f64) {
        if usable(v) {
            self.low = self.low.min(v);
            self.high = self.high.max(v);
            if v >= SMALLEST {
                self.positive = self.positive.min(v);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.low > self.high
    }
}

/// True for values that can have a place.
pub(crate) fn usable(v: f64) -> bool {
    v.abs() <= LARGEST
}

/// How much room an axis leaves around the data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slack {
    /// Shares of the range added below and above.
    pub below: f64,
    /// See `below`.
    pub above: f64,
    /// A linear axis begins at zero when its lowest value is below this share of the highest.
    pub from_zero: f64,
}

/// The range an axis covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Domain {
    pub log: bool,
    pub low: f64,
    pub high: f64,
    /// True when a logarithmic axis has a place for zero.
    pub zero: bool,
}

impl Domain {
    /// The range of an axis that shows this extent.
    pub(crate) fn of(axis: &Axis, extent: &Extent, slack: Slack) -> Domain {
        let (low, high) = (axis.range.low.filter(|v| usable(*v)), axis.range.high.filter(|v| usable(*v)));
        match &axis.scale {
            Scale::Ordinal(labels) => Domain::linear(-0.5, labels.len().max(1) as f64 - 0.5),
            Scale::Linear => {
                let (auto_low, auto_high) = auto_linear(extent, slack);
                let (low, high) = ordered(low, high, auto_low, auto_high, |v| v - 1.0, |v| v + 1.0);
                Domain::linear(low, high)
            }
            Scale::Log10 => {
                let above_zero = |v: &f64| *v >= SMALLEST;
                let (auto_low, auto_high) = auto_log(extent, slack);
                let (low, high) = (low.filter(above_zero), high.filter(above_zero));
                let (low, high) = ordered(low, high, auto_low, auto_high, |v| v / 10.0, |v| v * 10.0);
                Domain { log: true, low, high, zero: extent.zero }
            }
        }
    }

    fn linear(low: f64, high: f64) -> Domain {
        // A range narrower than the resolution of numbers cannot be divided.
        let least = low.abs().max(high.abs()).max(1e-290) * 1e-9;
        if high - low >= least {
            Domain { log: false, low, high, zero: false }
        } else {
            Domain { log: false, low: low - least, high: high + least, zero: false }
        }
    }
}

/// Fixed ends where given and sensible, automatic ends elsewhere.
fn ordered(
    low: Option<f64>,
    high: Option<f64>,
    auto_low: f64,
    auto_high: f64,
    under: fn(f64) -> f64,
    over: fn(f64) -> f64,
) -> (f64, f64) {
    match (low, high) {
        (Some(low), Some(high)) if low < high => (low, high),
        (Some(low), Some(high)) if low > high => (high, low),
        (Some(same), Some(_)) => (under(same), over(same)),
        (Some(low), None) => (low, if auto_high > low { auto_high } else { over(low) }),
        (None, Some(high)) => (if auto_low < high { auto_low } else { under(high) }, high),
        (None, None) => (auto_low, auto_high),
    }
}

fn auto_linear(extent: &Extent, slack: Slack) -> (f64, f64) {
    if extent.is_empty() {
        return (0.0, 1.0);
    }
    let (mut low, mut high) = (extent.low, extent.high);
    if low == high {
        let around = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
        (low, high) = (if low >= 0.0 { 0.0 } else { low - around }, high + around);
    }
    let (bottom_is_zero, top_is_zero) =
        (low >= 0.0 && low <= slack.from_zero * high, high <= 0.0 && high >= slack.from_zero * low);
    if bottom_is_zero {
        low = 0.0;
    }
    if top_is_zero {
        high = 0.0;
    }
    let span = high - low;
    let below = if bottom_is_zero && slack.from_zero > 0.2 { 0.0 } else { slack.below };
    let above = if top_is_zero { 0.0 } else { slack.above };
    (low - span * below, high + span * above)
}

/// How many powers of ten lie between two positive values, whose quotient may overflow.
fn decades(from: f64, to: f64) -> f64 {
    libm::log10(to) - libm::log10(from)
}

fn auto_log(extent: &Extent, slack: Slack) -> (f64, f64) {
    if !extent.positive.is_finite() {
        return (1.0, 10.0);
    }
    let (mut low, mut high) = (extent.positive, extent.high);
    while high / low < 3.0 {
        (low, high) = (low / 1.3, high * 1.3);
    }
    let span = decades(low, high);
    let stretch = |share: f64| libm::exp10((span * share).min(8.0));
    ((low / stretch(slack.below)).max(1e-299), (high * stretch(slack.above)).min(LARGEST))
}

/// Where the values of a range stand between two positions on the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruler {
    domain: Domain,
    from: f64,
    to: f64,
    slot: f64,
}

impl Ruler {
    /// Spreads a range from one position to another; `slot` is the length kept for zero where there is one.
    pub(crate) fn new(domain: Domain, from: f64, to: f64, slot: f64) -> Self {
        let slot = if domain.zero { slot.min((to - from).abs() * 0.4) } else { 0.0 };
        Ruler { domain, from, to, slot }
    }

    /// The position of a value, which may be outside of the frame.
    pub(crate) fn at(&self, v: f64) -> Option<f64> {
        if !usable(v) {
            return None;
        }
        let Domain { log, low, high, zero } = self.domain;
        let start = self.start();
        let share = match log {
            false => (v - low) / (high - low),
            true if v > 0.0 => decades(low, v.max(SMALLEST)) / decades(low, high),
            true if v == 0.0 && zero => return Some(self.along(self.slot * 0.36)),
            true => return None,
        };
        Some((start + share * (self.to - start)).clamp(-FARTHEST, FARTHEST))
    }

    /// The position of a value, or the lower end where a logarithmic axis has none.
    pub(crate) fn at_or_floor(&self, v: f64) -> f64 {
        match self.at(v) {
            Some(position) if v > 0.0 || !self.domain.log => position,
            _ => self.start(),
        }
    }

    /// Where the range begins, after the place for zero.
    pub(crate) fn start(&self) -> f64 {
        self.along(self.slot)
    }

    /// Where the axis is broken between zero and the range.
    pub(crate) fn break_at(&self) -> Option<f64> {
        self.has_slot().then(|| self.along(self.slot * 0.72))
    }

    pub(crate) fn has_slot(&self) -> bool {
        self.slot > 0.0
    }

    fn along(&self, length: f64) -> f64 {
        if self.to > self.from { self.from + length } else { self.from - length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Range;

    const SLACK: Slack = Slack { below: 0.05, above: 0.05, from_zero: 0.5 };

    fn extent(values: &[f64]) -> Extent {
        let mut extent = Extent::nothing();
        values.iter().for_each(|v| extent.add(*v));
        extent
    }

    #[test]
    fn an_axis_begins_at_zero_unless_the_data_are_far_from_it() {
        let axis = Axis::linear("y");
        let near = Domain::of(&axis, &extent(&[2.0, 9.0]), SLACK);
        assert_eq!(near.low, 0.0);
        assert!(near.high > 9.0 && near.high < 10.0);
        let far = Domain::of(&axis, &extent(&[100.0, 110.0]), SLACK);
        assert!(far.low > 90.0 && far.low < 100.0);
        let negative = Domain::of(&axis, &extent(&[-9.0, -1.0]), SLACK);
        assert_eq!(negative.high, 0.0);
    }

    #[test]
    fn odd_data_still_give_a_range() {
        for values in
            [&[][..], &[f64::NAN], &[0.0], &[-3.0], &[1e300, -1e300], &[1e-310], &[5.0, 5.0 + 1e-15]]
        {
            for axis in [Axis::linear(""), Axis::log10(""), Axis::ordinal("", [""; 0])] {
                let d = Domain::of(&axis, &extent(values), SLACK);
                assert!(d.low < d.high && (d.high - d.low).is_finite(), "{values:?} {d:?}");
                assert!(!d.log || d.low > 0.0);
            }
        }
    }

    #[test]
    fn fixed_ends_win_and_may_be_given_in_any_order() {
        let mut axis = Axis { range: Range { low: Some(8.0), high: Some(2.0) }, ..Axis::linear("") };
        let d = Domain::of(&axis, &extent(&[100.0]), SLACK);
        assert_eq!((d.low, d.high), (2.0, 8.0));
        axis.range = Range { low: Some(500.0), high: None };
        assert!(Domain::of(&axis, &extent(&[100.0]), SLACK).high > 500.0);
        let log = Axis { range: Range { low: Some(-1.0), high: Some(10.0) }, ..Axis::log10("") };
        let d = Domain::of(&log, &extent(&[2.0]), SLACK);
        assert!(d.low > 0.0 && d.high == 10.0);
    }

    #[test]
    fn zero_on_a_logarithmic_axis_stands_before_the_break() {
        let d = Domain::of(&Axis::log10(""), &extent(&[0.0, 0.001, 0.1]), SLACK);
        let ruler = Ruler::new(d, 0.0, 100.0, 12.0);
        let zero = ruler.at(0.0).expect("zero has a place");
        let broken = ruler.break_at().expect("the axis is broken");
        assert!(zero > 0.0 && zero < broken && broken < ruler.start());
        assert!(ruler.at(0.001).expect("a place") >= ruler.start());
        assert_eq!(ruler.at(-1.0), None);
        assert_eq!(ruler.at_or_floor(-1.0), ruler.start());
    }
}
