//! What a metric is measured in, from the last word of its name.

/// Last words of metric names and the units they mean. `1` is a number without unit.
pub const KNOWN_SUFFIXES: &[(&str, &str)] = &[
    ("bps", "bit/s"),
    ("kbps", "kbit/s"),
    ("mbps", "Mbit/s"),
    ("gbps", "Gbit/s"),
    ("pps", "packets/s"),
    ("per_s", "1/s"),
    ("s", "s"),
    ("ms", "ms"),
    ("us", "us"),
    ("ns", "ns"),
    ("ps", "ps"),
    ("min", "min"),
    ("h", "h"),
    ("bytes", "B"),
    ("kb", "kB"),
    ("mb", "MB"),
    ("gb", "GB"),
    ("kib", "KiB"),
    ("mib", "MiB"),
    ("gib", "GiB"),
    ("bits", "bit"),
    ("pct", "%"),
    ("ratio", "1"),
    ("fraction", "1"),
    ("probability", "1"),
    ("index", "1"),
    ("count", "1"),
    ("packets", "packets"),
    ("pkt", "packets"),
    ("segments", "segments"),
    ("frames", "frames"),
    ("hops", "hops"),
    ("bdp", "BDP"),
    ("hz", "Hz"),
    ("db", "dB"),
    ("dbm", "dBm"),
    ("m", "m"),
    ("km", "km"),
    ("w", "W"),
    ("j", "J"),
];

/// Endings that a histogram's figures add to its name: they are in the histogram's own unit.
const FIGURES: [&str; 10] = ["p1", "p5", "p25", "p50", "p75", "p90", "p95", "p99", "mean", "max"];

/// The unit of a metric: `goodput_mbps` is in `Mbit/s`, `latency_ms_p95` in `ms`, `retransmits_count` in `1`. None when the name does
/// not say.
pub fn unit_of(name: &str) -> Option<&'static str> {
    split(name).map(|(_, unit)| unit)
}

/// The name without its unit, with spaces: `goodput_mbps` is `goodput`, `latency_ms_p95` is `latency p95`.
pub fn quantity_of(name: &str) -> String {
    split(name).map_or_else(|| name.to_owned(), |(quantity, _)| quantity).replace('_', " ")
}

/// For an axis: `goodput (Mbit/s)`; a number without unit has its name only.
pub fn label_of(name: &str, unit: Option<&str>) -> String {
    match unit.or_else(|| unit_of(name)) {
        Some("1") | None => quantity_of(name),
        Some(unit) => format!("{} ({unit})", quantity_of(name)),
    }
}

fn split(name: &str) -> Option<(String, &'static str)> {
    let found = KNOWN_SUFFIXES
        .iter()
        .filter_map(|(suffix, unit)| {
            let rest = name.strip_suffix(suffix)?.strip_suffix('_').filter(|rest| !rest.is_empty())?;
            Some((rest, suffix.len(), *unit))
        })
        .max_by_key(|(_, length, _)| *length);
    if let Some((rest, _, unit)) = found {
        return Some((
            if name.ends_with("_count") { format!("{rest}_count") } else { rest.to_owned() },
            unit,
        ));
    }
    let (rest, figure) = name.rsplit_once('_')?;
    let (quantity, unit) = FIGURES.contains(&figure).then(|| split(rest))??;
    Some((format!("{quantity}_{figure}"), unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_name_is_its_unit() {
        let cases = [
            ("goodput_mbps", Some("Mbit/s")),
            ("latency_ms_p95", Some("ms")),
            ("latency_ms_count", Some("1")),
            ("delay_p95_ms", Some("ms")),
            ("done_per_s", Some("1/s")),
            ("outage_s", Some("s")),
            ("loss_ratio", Some("1")),
            ("jain", None),
            ("efficiency", None),
            ("items", None),
            ("_ms", None),
            ("ms", None),
        ];
        for (name, unit) in cases {
            assert_eq!(unit_of(name), unit, "{name}");
        }
    }

    #[test]
    fn labels_say_quantity_and_unit() {
        assert_eq!(label_of("goodput_mbps", None), "goodput (Mbit/s)");
        assert_eq!(label_of("delay_p95_ms", None), "delay p95 (ms)");
        assert_eq!(label_of("latency_ms_p95", None), "latency p95 (ms)");
        assert_eq!(label_of("retransmits_count", None), "retransmits count");
        assert_eq!(label_of("jain", Some("1")), "jain");
        assert_eq!(label_of("power", Some("W")), "power (W)");
    }
}
