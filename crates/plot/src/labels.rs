//! How the values of ticks are written: decimals, metric prefixes, percent, powers of ten.

use crate::model::Format;
use crate::ticks::{Tick, value};

/// Prefixes with their powers of ten.
const PREFIXES: [(i32, &str); 8] =
    [(-9, "n"), (-6, "µ"), (-3, "m"), (0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T")];

/// Does not break, and does not run together with the digits.
const SPACE: char = '\u{a0}';

/// Ten to the `k`: exact where a number can be, infinite or zero far out.
pub(crate) fn pow10(k: i32) -> f64 {
    format!("1e{k}").parse().unwrap_or(f64::NAN)
}

/// Ticks at `counts` times `part` times ten to the `exponent`, all written in the same way.
pub(crate) fn step_labels(counts: &[i64], part: i64, exponent: i32, format: Format) -> Vec<Tick> {
    let largest = counts.iter().map(|n| value(n.saturating_mul(part), exponent).abs()).fold(0.0, f64::max);
    let style = Style::of(format, largest, exponent);
    let tick = |n: &i64| {
        let at = value(n.saturating_mul(part), exponent);
        Tick { at, label: style.write(at, exponent) }
    };
    counts.iter().map(tick).collect()
}

/// One way to write the labels of an axis.
enum Style {
    Plain,
    Percent,
    Prefix(i32, &'static str),
    Power(i32),
}

impl Style {
    fn of(format: Format, largest: f64, exponent: i32) -> Style {
        let power = || Style::Power(magnitude(largest));
        let scaled = || match prefix_of(largest) {
            // A prefix with a long tail of decimals says less than the plain number.
            (shift, prefix) if shift - exponent <= 4 => Style::Prefix(shift, prefix),
            _ => Style::Plain,
        };
        match format {
            _ if largest == 0.0 => Style::Plain,
            Format::Percent if (1e-9..1e12).contains(&largest) => Style::Percent,
            Format::Plain if (1e-12..1e18).contains(&largest) => Style::Plain,
            Format::Si if (1e-10..1e15).contains(&largest) => scaled(),
            Format::Auto if (1e-3..1e5).contains(&largest) => Style::Plain,
            Format::Auto if (1e5..1e15).contains(&largest) => scaled(),
            _ => power(),
        }
    }

    fn write(&self, v: f64, exponent: i32) -> String {
        let fixed = |v: f64, exponent: i32| fixed(v, (-exponent).clamp(0, 15) as usize);
        match *self {
            Style::Percent if v == 0.0 => format!("0{SPACE}%"),
            _ if v == 0.0 => "0".to_owned(),
            Style::Plain => fixed(v, exponent),
            Style::Percent => format!("{}{SPACE}%", fixed(v * 100.0, exponent + 2)),
            Style::Prefix(shift, prefix) => with_unit(&fixed(value_over(v, shift), exponent - shift), prefix),
            Style::Power(k) => format!("{}×10{}", fixed(value_over(v, k), exponent - k), superscript(k)),
        }
    }
}

/// Ticks at parts of decades, given as `(part, exponent)`.
pub(crate) fn log_labels(places: &[(i64, i32)], format: Format) -> Vec<Tick> {
    let ends = places.first().zip(places.last());
    let powers = format == Format::Auto && ends.is_some_and(|(a, b)| a.1 < -3 || b.1 >= 15);
    let prefixes = format == Format::Auto && ends.is_some_and(|(_, b)| b.1 >= 5);
    let tick = |&(part, k): &(i64, i32)| {
        let at = value(part, k);
        let label = match part {
            1 if powers => format!("10{}", superscript(k)),
            _ if powers => format!("{part}×10{}", superscript(k)),
            _ if prefixes => each_label(at, Format::Si),
            _ => each_label(at, format),
        };
        Tick { at, label }
    };
    places.iter().map(tick).collect()
}

/// A single value, to six digits.
pub(crate) fn each_label(v: f64, format: Format) -> String {
    let size = v.abs();
    match format {
        Format::Percent if size < 1e12 => format!("{}{SPACE}%", shortest(v * 100.0)),
        _ if v == 0.0 => "0".to_owned(),
        Format::Plain if (1e-9..1e15).contains(&size) => shortest(v),
        Format::Auto if (1e-3..1e5).contains(&size) => shortest(v),
        Format::Auto | Format::Si
            if (1e-9..1e15).contains(&size) && (format == Format::Si || size >= 1.0) =>
        {
            let (shift, prefix) = prefix_of(size);
            with_unit(&shortest(value_over(v, shift)), prefix)
        }
        _ => {
            let k = magnitude(size);
            format!("{}×10{}", shortest(value_over(v, k)), superscript(k))
        }
    }
}

/// `v` divided by ten to the `k`.
fn value_over(v: f64, k: i32) -> f64 {
    match k {
        // Beyond this, ten to the k is not a number.
        -400..=-301 => v * pow10(150) * pow10(-k - 150),
        _ if k < 0 => v * pow10(-k),
        _ => v / pow10(k),
    }
}

fn prefix_of(size: f64) -> (i32, &'static str) {
    let fitting = PREFIXES.iter().rev().find(|(k, _)| size >= pow10(*k) * (1.0 - 1e-9));
    *fitting.unwrap_or(&PREFIXES[0])
}

/// The power of ten of the first digit.
fn magnitude(size: f64) -> i32 {
    if size > 0.0 { libm::floor(libm::log10(size) + 1e-9) as i32 } else { 0 }
}

fn with_unit(digits: &str, unit: &str) -> String {
    if unit.is_empty() { digits.to_owned() } else { format!("{digits}{SPACE}{unit}") }
}

fn shortest(v: f64) -> String {
    let decimals = (5 - magnitude(v.abs())).clamp(0, 15) as usize;
    let text = fixed(v, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Fixed decimals, a true minus, and groups of three digits from ten thousand on.
fn fixed(v: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", v.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    if v < 0.0 && text.contains(|c: char| ('1'..='9').contains(&c)) {
        out.push('−');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && whole.len() > 4 && (whole.len() - i).is_multiple_of(3) {
            out.push(SPACE);
        }
        out.push(digit);
    }
    out + rest
}

fn superscript(k: i32) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => char::from_u32('⁴' as u32 + (c as u32 - '4' as u32)).unwrap_or(c),
    };
    k.to_string().chars().map(raised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_values_are_short_and_exact() {
        let cases = [
            (0.001, Format::Percent, "0.1_%"),
            (0.07, Format::Percent, "7_%"),
            (0.0, Format::Percent, "0_%"),
            (1_000_000.0, Format::Auto, "1_M"),
            (1500.0, Format::Auto, "1500"),
            (1500.0, Format::Si, "1.5_k"),
            (0.002, Format::Si, "2_m"),
            (12_345.0, Format::Auto, "12_345"),
            (-0.25, Format::Auto, "−0.25"),
            (2.5e-7, Format::Auto, "2.5×10⁻⁷"),
            (1e20, Format::Auto, "1×10²⁰"),
        ];
        for (v, format, expected) in cases {
            assert_eq!(each_label(v, format).replace(SPACE, "_"), expected);
        }
    }
}
