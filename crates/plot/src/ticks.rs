//! Where ticks stand: steps of 1, 2 and 5 on linear axes, decades and their parts on logarithmic ones.

use crate::labels::{each_label, log_labels, pow10, step_labels};
use crate::model::{Format, Scale};
use crate::scale::Domain;

/// A labelled tick.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub at: f64,
    pub label: String,
}

/// The ticks of an axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ticks {
    pub major: Vec<Tick>,
    /// Small ticks without label.
    pub minor: Vec<f64>,
}

/// True when two neighbouring labels stand too close.
pub(crate) type Clash<'a> = &'a dyn Fn(&Tick, &Tick) -> bool;

/// Chooses the densest ticks whose labels keep their distance.
pub(crate) fn choose(
    domain: &Domain,
    scale: &Scale,
    format: Format,
    explicit: &[f64],
    clash: Clash,
) -> Ticks {
    let mut ticks = match scale {
        Scale::Ordinal(labels) => ordinal(labels, clash),
        _ if !explicit.is_empty() => given(domain, format, explicit, clash),
        Scale::Linear => linear(domain, format, clash),
        Scale::Log10 => logarithmic(domain, format, clash),
    };
    if domain.zero && !ticks.major.iter().any(|t| t.at == 0.0) {
        let label = each_label(0.0, format);
        ticks.major.insert(0, Tick { at: 0.0, label });
        ticks.major = keep_apart(ticks.major, clash);
    }
    ticks
}

fn ordinal(labels: &[String], clash: Clash) -> Ticks {
    let all = labels.iter().enumerate().map(|(i, label)| Tick { at: i as f64, label: label.clone() });
    Ticks { major: keep_apart(all.collect(), clash), minor: Vec::new() }
}

fn given(domain: &Domain, format: Format, explicit: &[f64], clash: Clash) -> Ticks {
    let shown = |v: &f64| (*v >= domain.low && *v <= domain.high) || (*v == 0.0 && domain.zero);
    let mut values: Vec<f64> = explicit.iter().copied().filter(shown).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let all = values.iter().map(|&at| Tick { at, label: each_label(at, format) }).collect();
    let major = keep_apart(all, clash);
    let minor = values.into_iter().filter(|v| !major.iter().any(|t| t.at == *v)).collect();
    Ticks { major, minor }
}

fn linear(domain: &Domain, format: Format, clash: Clash) -> Ticks {
    let span = domain.high - domain.low;
    let finest = libm::floor(libm::log10(span / 60.0)) as i32;
    let mut last = Vec::new();
    for exponent in finest..=finest + 4 {
        for part in [1, 2, 5] {
            let Some(counts) = multiples(domain, part, exponent) else { continue };
            let ticks = step_labels(&counts, part, exponent, format);
            if ticks.len() < 2 && !last.is_empty() {
                return Ticks { major: keep_apart(last, clash), minor: Vec::new() };
            }
            if ticks.windows(2).all(|w| !clash(&w[0], &w[1])) {
                return Ticks { major: ticks, minor: Vec::new() };
            }
            last = ticks;
        }
    }
    Ticks { major: keep_apart(last, clash), minor: Vec::new() }
}

/// The multiples of a step inside a range, unless they are too many to be ticks.
fn multiples(domain: &Domain, part: i64, exponent: i32) -> Option<Vec<i64>> {
    let step = part as f64 * pow10(exponent);
    let slack = (domain.high - domain.low) * 1e-9;
    let first = libm::ceil((domain.low - slack) / step);
    let last = libm::floor((domain.high + slack) / step);
    (step > 0.0 && last - first < 200.0 && first.abs().max(last.abs()) < 1e15)
        .then(|| (first as i64..=last as i64).collect())
}

fn logarithmic(domain: &Domain, format: Format, clash: Clash) -> Ticks {
    let (low, high) = (domain.low * (1.0 - 1e-9), domain.high * (1.0 + 1e-9));
    let first = libm::floor(libm::log10(low)) as i32 - 1;
    let last = libm::ceil(libm::log10(high)) as i32;
    let parts = |parts: &[i64], stride: i32| -> Vec<(i64, i32)> {
        let decades = (first..=last).filter(|k| k.rem_euclid(stride) == 0);
        let all = decades.flat_map(|k| parts.iter().map(move |&part| (part, k)));
        all.filter(|&(part, k)| (low..=high).contains(&value(part, k))).collect()
    };
    let fine = [parts(&[1, 2, 5], 1), parts(&[1, 3], 1)].into_iter().filter(|c| c.len() <= 10);
    let coarse = [1, 2, 3, 5, 10, 20, 50, 100, 200].map(|stride| parts(&[1], stride));
    let chosen = fine
        .chain(coarse)
        .map(|candidate| log_labels(&candidate, format))
        .find(|ticks| ticks.len() > 1 && ticks.windows(2).all(|w| !clash(&w[0], &w[1])));
    let Some(major) = chosen else {
        return linear(domain, format, clash);
    };
    let within = if last - first <= 9 { &[1, 2, 3, 4, 5, 6, 7, 8, 9][..] } else { &[1] };
    let minor = parts(within, 1).into_iter().map(|(part, k)| value(part, k));
    let minor = minor.filter(|v| !major.iter().any(|t| t.at == *v)).collect();
    Ticks { major, minor }
}

/// `part` times ten to the `exponent`, as exact as a number can be.
pub(crate) fn value(part: i64, exponent: i32) -> f64 {
    if exponent >= 0 { part as f64 * pow10(exponent) } else { part as f64 / pow10(-exponent) }
}

/// Leaves out labels until none is too close to its neighbour; the first and the last are kept longest.
fn keep_apart(ticks: Vec<Tick>, clash: Clash) -> Vec<Tick> {
    let Some(last) = ticks.last().cloned() else { return ticks };
    let mut kept: Vec<Tick> = Vec::new();
    for tick in ticks {
        if kept.last().is_none_or(|before| !clash(before, &tick)) {
            kept.push(tick);
        }
    }
    if kept.last() != Some(&last) {
        while kept.len() > 1 && clash(&kept[kept.len() - 1], &last) {
            kept.pop();
        }
        if !clash(&kept[kept.len() - 1], &last) {
            kept.push(last);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::Ruler;
    use crate::text::width;

    fn ticks_at(low: f64, high: f64, log: bool, format: Format, length: f64) -> Ticks {
        let domain = Domain { log, low, high, zero: false };
        let ruler = Ruler::new(domain, 0.0, length, 0.0);
        let scale = if log { Scale::Log10 } else { Scale::Linear };
        let clash = |a: &Tick, b: &Tick| {
            let (Some(x), Some(y)) = (ruler.at(a.at), ruler.at(b.at)) else { return true };
            (y - x).abs() < (width(&a.label, 8.0) + width(&b.label, 8.0)) / 2.0 + 8.0
        };
        let ticks = choose(&domain, &scale, format, &[], &clash);
        for pair in ticks.major.windows(2) {
            assert!(!clash(&pair[0], &pair[1]), "{pair:?} overlap");
        }
        ticks
    }

    fn labels(low: f64, high: f64, log: bool, format: Format) -> String {
        let ticks = ticks_at(low, high, log, format, 200.0);
        ticks.major.iter().map(|t| t.label.replace('\u{a0}', "_")).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn linear_ticks_stand_at_steps_of_one_two_and_five() {
        let cases = [
            (0.0, 10.0, Format::Auto, "0|1|2|3|4|5|6|7|8|9|10"),
            (0.0, 0.104, Format::Percent, "0_%|2_%|4_%|6_%|8_%|10_%"),
            (0.0, 0.0104, Format::Percent, "0_%|0.2_%|0.4_%|0.6_%|0.8_%|1.0_%"),
            (-3.0, 3.0, Format::Auto, "−3|−2|−1|0|1|2|3"),
            (0.0, 1.02, Format::Auto, "0|0.2|0.4|0.6|0.8|1.0"),
            (0.0, 1.2e6, Format::Auto, "0|0.2_M|0.4_M|0.6_M|0.8_M|1.0_M|1.2_M"),
            (0.0, 45_000.0, Format::Auto, "0|10_000|20_000|30_000|40_000"),
            (0.0, 3e-5, Format::Auto, "0|1×10⁻⁵|2×10⁻⁵|3×10⁻⁵"),
            (0.0, 0.004, Format::Si, "0|1_m|2_m|3_m|4_m"),
            (2024.0, 2026.5, Format::Plain, "2024.0|2024.5|2025.0|2025.5|2026.0|2026.5"),
        ];
        for (low, high, format, expected) in cases {
            assert_eq!(labels(low, high, false, format), expected, "from {low} to {high}");
        }
    }

    #[test]
    fn logarithmic_ticks_are_decades_or_parts_of_them() {
        let cases = [
            (0.001, 0.1, Format::Percent, "0.1_%|0.2_%|0.5_%|1_%|2_%|5_%|10_%"),
            (1.0, 100.0, Format::Auto, "1|2|5|10|20|50|100"),
            (1.0, 1e6, Format::Auto, "1|10|100|1_k|10_k|100_k|1_M"),
            (1e-6, 1.0, Format::Auto, "10⁻⁶|10⁻⁵|10⁻⁴|10⁻³|10⁻²|10⁻¹|10⁰"),
            (1e-30, 1e30, Format::Auto, "10⁻³⁰|10⁻²⁰|10⁻¹⁰|10⁰|10¹⁰|10²⁰|10³⁰"),
            (11.0, 13.0, Format::Auto, "11.0|11.5|12.0|12.5|13.0"),
        ];
        for (low, high, format, expected) in cases {
            assert_eq!(labels(low, high, true, format), expected, "from {low} to {high}");
        }
    }

    #[test]
    fn labels_never_overlap_and_there_are_at_least_two() {
        for length in [60.0, 120.0, 200.0, 700.0] {
            for exponent in [-200, -12, -4, -1, 0, 1, 3, 5, 8, 14, 200] {
                for (low, high) in [(0.0, 1.0), (0.3, 0.7), (-1.0, 9.99), (99.0, 100.0), (1.0, 7.77)] {
                    let scale = pow10(exponent);
                    for format in [Format::Auto, Format::Si, Format::Percent] {
                        let ticks = ticks_at(low * scale, high * scale, false, format, length);
                        assert!(!ticks.major.is_empty(), "none from {low}e{exponent} to {high}e{exponent}");
                        let unusual = exponent.abs() > 12 || (format == Format::Percent && exponent > 4);
                        let (n, apart) =
                            (ticks.major.len(), format!("{low}e{exponent} to {high}e{exponent}"));
                        assert!(length < 100.0 || n > 1 || unusual, "{apart} {format:?} {ticks:?}");
                    }
                    if low > 0.0 {
                        ticks_at(low * scale, high * scale * 1e4, true, Format::Auto, length);
                    }
                }
            }
        }
    }

    #[test]
    fn ticks_of_a_sweep_stand_at_its_values_and_crowded_ones_lose_their_label() {
        let domain = Domain { log: false, low: 0.0, high: 0.1, zero: false };
        let clash = |a: &Tick, b: &Tick| b.at - a.at < 0.008;
        let sweep = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 7.0];
        let ticks = choose(&domain, &Scale::Linear, Format::Percent, &sweep, &clash);
        let at: Vec<f64> = ticks.major.iter().map(|t| t.at).collect();
        assert_eq!(at, [0.0, 0.01, 0.02, 0.05, 0.1]);
        assert_eq!(ticks.minor, [0.001, 0.005]);
    }
}
