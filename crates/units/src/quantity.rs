//! Texts with units: what a script, a topology file or a command line writes.

use crate::{Bytes, Probability, Rate, Span};
use std::fmt;

/// Why a text is not the quantity that was asked for. Displays as one sentence that says what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuantityError(String);

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QuantityError {}

const TIMES: [(&str, f64); 7] =
    [("ps", 1e-12), ("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0)];
const RATES: [(&str, f64); 9] = [
    ("bps", 1.0),
    ("kbps", 1e3),
    ("Mbps", 1e6),
    ("Gbps", 1e9),
    ("Tbps", 1e12),
    ("B/s", 8.0),
    ("kB/s", 8e3),
    ("MB/s", 8e6),
    ("GB/s", 8e9),
];
const SIZES: [(&str, f64); 8] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1048576.0),
    ("GiB", 1073741824.0),
    ("TB", 1e12),
];

/// A time such as `20ms`, `1.5s` or `2min`. Errors: no number, a negative one, an unknown unit, none at all.
pub fn parse_span(text: &str) -> Result<Span, QuantityError> {
    let seconds = scaled(text, &TIMES, "a time", "ns us ms s min h", "5ms")?;
    Ok(Span::from_secs_f64(seconds))
}

/// A rate such as `10Mbps` or `2MB/s`. Errors: as [`parse_span`], and below 1 bit/s.
pub fn parse_rate(text: &str) -> Result<Rate, QuantityError> {
    let bits = scaled(text, &RATES, "a rate", "bps kbps Mbps Gbps B/s kB/s MB/s", "10Mbps")?;
    let bits = if bits >= u64::MAX as f64 { u64::MAX - 1 } else { bits.round() as u64 };
    Rate::from_bits_per_s(bits).ok_or_else(|| {
        QuantityError(format!(
            "a rate of '{text}' is below 1 bit/s; write '10Mbps', or '10bps' if you mean it"
        ))
    })
}

/// A size such as `64KiB` or `20MB`. Errors: as [`parse_span`].
pub fn parse_size(text: &str) -> Result<Bytes, QuantityError> {
    let bytes = scaled(text, &SIZES, "a size", "B kB MB GB KiB MiB GiB", "64KiB")?;
    if bytes.fract() != 0.0 && bytes < 1000.0 {
        return Err(QuantityError(format!("'{text}' is not a size: bytes come whole")));
    }
    Ok(Bytes(bytes.round() as u64))
}

/// A probability such as `1%` or `0.01`. Errors: no number, or outside 0..1.
pub fn parse_probability(text: &str) -> Result<Probability, QuantityError> {
    let trimmed = text.trim();
    let wrong = || {
        QuantityError(format!(
            "'{text}' is not a probability: expected a percentage or a number from 0 to 1, for example \"1%\""
        ))
    };
    let (number, scale) = match trimmed.strip_suffix('%') {
        Some(number) => (number.trim_end(), 0.01),
        None => (trimmed, 1.0),
    };
    let value: f64 = plain_number(number).ok_or_else(wrong)?;
    if scale == 1.0 && value > 1.0 && value <= 100.0 {
        return Err(QuantityError(format!("{value} is not a probability; did you mean '{value}%'?")));
    }
    if scale == 1.0 && value == 1.0 {
        return Err(QuantityError(format!(
            "'{text}' can mean 1 % or always: write \"1%\", or \"100%\" if you mean it"
        )));
    }
    // Dividing keeps 7 % equal to the literal 0.07; multiplying by 0.01 would not.
    Probability::new(if scale == 1.0 { value } else { value / 100.0 }).ok_or_else(wrong)
}

/// A number of things with a unit of its own, such as `100pkt` or `1.5bdp`; `None` when `text` does not end in `unit`.
pub fn parse_count(text: &str, unit: &str) -> Option<f64> {
    plain_number(text.trim().strip_suffix(unit)?.trim_end())
}

/// A non-negative decimal number; refuses what `f64` would also take ("inf", "nan", "+1", "0x10").
fn plain_number(text: &str) -> Option<f64> {
    let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = text.parse().ok().filter(|_| starts_well)?;
    value.is_finite().then_some(value)
}

fn scaled(
    text: &str,
    units: &[(&str, f64)],
    kind: &str,
    names: &str,
    example: &str,
) -> Result<f64, QuantityError> {
    let trimmed = text.trim();
    let wrong = || {
        if trimmed.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            return QuantityError(format!("'{text}' is not {kind}: it is negative"));
        }
        let hint = suggestion(trimmed, units).unwrap_or_default();
        QuantityError(format!(
            "'{text}' is not {kind}: expected a number and one of {names}, for example \"{example}\"{hint}"
        ))
    };
    // The number ends where a letter begins that is not the exponent of "1e3s".
    let bytes = trimmed.as_bytes();
    let is_exponent = |i: usize| {
        matches!(bytes[i], b'e' | b'E')
            && bytes.get(i + 1).is_some_and(|b| {
                b.is_ascii_digit() || (*b == b'-' && bytes.get(i + 2).is_some_and(u8::is_ascii_digit))
            })
    };
    let split = (0..bytes.len())
        .find(|&i| {
            !(bytes[i].is_ascii_digit() || bytes[i] == b'.' || is_exponent(i) || (bytes[i] == b'-' && i > 0))
        })
        .ok_or_else(wrong)?;
    let (number, unit) = trimmed.split_at(split);
    let value = plain_number(number).ok_or_else(wrong)?;
    let unit = unit.trim();
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| factor);
    let result = value * factor.ok_or_else(wrong)?;
    result.is_finite().then_some(result).ok_or_else(wrong)
}

/// What the unit could have meant: another case, or a bare `b` that may be bits or bytes.
fn suggestion(text: &str, units: &[(&str, f64)]) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(start);
    plain_number(number.trim_end())?;
    let number = number.trim_end();
    if matches!(unit, "kb" | "Kb" | "mb" | "Mb" | "gb" | "Gb" | "b" | "M" | "K" | "k" | "G") {
        let prefix = match unit.as_bytes()[0] {
            b'k' | b'K' => "k",
            b'm' | b'M' => "M",
            b'g' | b'G' => "G",
            _ => "",
        };
        return Some(format!("; did you mean '{number}{prefix}bps' (rate) or '{number}{prefix}B' (size)?"));
    }
    if let Some(rate) = rate_unit(unit).filter(|rate| rate != unit) {
        return Some(format!("; did you mean '{number}{rate}'?"));
    }
    let all = [&TIMES[..], &RATES[..], &SIZES[..]].concat();
    let normal =
        |s: &str| s.to_ascii_lowercase().replace("bit/s", "bps").replace("sec", "s").replace("msec", "ms");
    let candidates: Vec<&str> =
        all.iter().map(|(name, _)| *name).filter(|name| normal(name) == normal(unit)).collect();
    let own = candidates.iter().find(|c| units.iter().any(|(name, _)| name == *c));
    own.or(candidates.first()).filter(|c| **c != unit).map(|c| format!("; did you mean '{number}{c}'?"))
}

/// A rate as others write it: `b` is for bits and `B` for bytes, whatever follows.
fn rate_unit(unit: &str) -> Option<String> {
    let (prefix, rest) = match unit.as_bytes().first()? {
        b'k' | b'K' => ("k", &unit[1..]),
        b'm' | b'M' => ("M", &unit[1..]),
        b'g' | b'G' => ("G", &unit[1..]),
        _ => ("", unit),
    };
    match rest {
        "b/s" | "bps" | "bit/s" | "bits/s" | "Bit/s" | "bit" | "bits" => Some(format!("{prefix}bps")),
        "B/s" | "Bps" => Some(format!("{prefix}B/s")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_read_with_their_units() {
        assert_eq!(parse_span("20ms"), Ok(Span::from_ms(20)));
        assert_eq!(parse_span(" 1.5 s "), Ok(Span::from_ms(1500)));
        assert_eq!(parse_span("1e-3s"), Ok(Span::from_ms(1)));
        assert_eq!(parse_span("2min"), Ok(Span::from_secs(120)));
        assert_eq!(parse_rate("10Mbps").unwrap().bits_per_s(), 10_000_000);
        assert_eq!(parse_rate("2MB/s").unwrap().bits_per_s(), 16_000_000);
        assert_eq!(parse_size("64KiB"), Ok(Bytes(65536)));
        assert_eq!(parse_probability("7%").unwrap().get(), 0.07);
        assert_eq!(parse_probability("0.1%").unwrap().get(), 0.001);
        assert_eq!(parse_count("1.5bdp", "bdp"), Some(1.5));
        assert_eq!(parse_count("64KiB", "bdp"), None);
    }

    #[test]
    fn mistakes_get_a_sentence_that_says_what_to_write() {
        let cases: &[(Result<(), QuantityError>, &str)] = &[
            (
                parse_span("5 %ms").map(drop),
                "'5 %ms' is not a time: expected a number and one of ns us ms s min h, for example \"5ms\"",
            ),
            (parse_span("-5ms").map(drop), "'-5ms' is not a time: it is negative"),
            (parse_size("1.5B").map(drop), "'1.5B' is not a size: bytes come whole"),
            (parse_span("5").map(drop), "'5' is not a time"),
            (parse_span("5MS").map(drop), "did you mean '5ms'?"),
            (parse_rate("10Mb").map(drop), "did you mean '10Mbps' (rate) or '10MB' (size)?"),
            (parse_rate("10Mb/s").map(drop), "did you mean '10Mbps'?"),
            (parse_rate("1gbit/s").map(drop), "did you mean '1Gbps'?"),
            (parse_rate("10MBps").map(drop), "did you mean '10MB/s'?"),
            (parse_probability("1").map(drop), "write \"1%\", or \"100%\" if you mean it"),
            (parse_probability("1.0").map(drop), "can mean 1 % or always"),
            (parse_rate("0bps").map(drop), "below 1 bit/s"),
            (parse_probability("5").map(drop), "5 is not a probability; did you mean '5%'?"),
            (parse_probability("101%").map(drop), "'101%' is not a probability"),
        ];
        for (result, want) in cases {
            let message = result.as_ref().unwrap_err().to_string();
            assert!(message.contains(want), "{message:?} should contain {want:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            let _ = (parse_span(&text), parse_rate(&text), parse_size(&text), parse_probability(&text), parse_count(&text, "pkt"));
        }

        #[test]
        fn what_a_span_prints_reads_back(ps in 0u64..1 << 50) {
            let span = Span::from_ps(ps);
            let back = parse_span(&span.to_string()).unwrap();
            // Through a double: exact to 53 bits.
            prop_assert!(back.as_ps().abs_diff(ps) <= 1 + (ps >> 50));
        }
    }
}
