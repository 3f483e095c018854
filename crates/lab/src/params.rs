//! Parameters: text with a unit gets a numeric twin column, points get readable ids and an order that survives additions.

use std::cmp::Ordering;
use tidewire_metrics::Value;
use tidewire_script::{Experiment, Point};
use tidewire_units::{parse_count, parse_rate, parse_size, parse_span, stable_hash};

/// What the text of a parameter measures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// "0.1%": a ratio.
    Ratio,
    /// "20ms": seconds.
    Seconds,
    /// "10Mbps": bits per second.
    Bps,
    /// "64KiB": bytes.
    Bytes,
    /// "0.5bdp": bandwidth-delay products.
    Bdp,
    /// "100pkt": packets.
    Packets,
}

impl Kind {
    /// The last word of the twin column's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Kind::Ratio => "ratio",
            Kind::Seconds => "s",
            Kind::Bps => "bps",
            Kind::Bytes => "bytes",
            Kind::Bdp => "bdp",
            Kind::Packets => "packets",
        }
    }
}

/// What a text with a unit measures, and how much, in base units.
pub fn measure(text: &str) -> Option<(Kind, f64)> {
    let text = text.trim();
    if let Some(percent) = parse_count(text, "%") {
        return Some((Kind::Ratio, percent / 100.0));
    }
    if let Some(bdp) = parse_count(text, "bdp") {
        return Some((Kind::Bdp, bdp));
    }
    if let Some(packets) = parse_count(text, "pkt") {
        return Some((Kind::Packets, packets));
    }
    if let Ok(span) = parse_span(text) {
        return Some((Kind::Seconds, span.as_secs_f64()));
    }
    if let Ok(rate) = parse_rate(text) {
        return Some((Kind::Bps, rate.bits_per_s() as f64));
    }
    parse_size(text).ok().map(|size| (Kind::Bytes, size.0 as f64))
}

/// The number that a value stands for: itself, or what its text measures.
pub fn amount(value: &Value) -> Option<f64> {
    match value {
        Value::Text(text) => measure(text).map(|(_, number)| number),
        other => other.number(),
    }
}

/// One parameter's column, and its twins if its values are texts with units.
#[derive(Clone, PartialEq, Debug)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its values: the script's in their order, then those that were added.
    pub values: Vec<Value>,
    /// Kinds of its texts and the names of the columns with their numbers.
    pub twins: Vec<(Kind, String)>,
}

/// All parameters of an experiment, in column order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Params {
    /// In column order.
    pub list: Vec<Param>,
    /// Declared points in the script's order, when that is not the order of a grid.
    explicit: Vec<String>,
}

impl Params {
    /// Of the script's own `declared` plan and further `points` that were asked for or found.
    pub fn new<'a>(declared: &Experiment, points: impl IntoIterator<Item = &'a Point>) -> Self {
        let mut list: Vec<Param> = declared
            .params
            .iter()
            .map(|(name, values)| Param { name: name.clone(), values: values.clone(), twins: Vec::new() })
            .collect();
        for (name, value) in points.into_iter().flatten() {
            let param = list.iter_mut().find(|param| param.name == *name);
            if let Some(param) = param.filter(|param| !param.values.iter().any(|known| same(known, value))) {
                param.values.push(value.clone());
            }
        }
        let names: Vec<String> = list.iter().map(|param| param.name.clone()).collect();
        for param in &mut list {
            param.sort_added(declared);
            param.find_twins(&names);
        }
        let mut params = Params { list, explicit: Vec::new() };
        if !declared.points.is_sorted_by(|a, b| params.compare(a, b) != Ordering::Greater) {
            params.explicit = declared.points.iter().map(point_id).collect();
        }
        params
    }

    /// Names of the columns of every result: each parameter, followed by its twins.
    pub fn columns(&self) -> Vec<String> {
        let of = |param: &Param| {
            let twins = param.twins.iter().map(|(_, column)| column.clone());
            std::iter::once(param.name.clone()).chain(twins).collect::<Vec<_>>()
        };
        self.list.iter().flat_map(of).collect()
    }

    /// The cells under [`Params::columns`] for one point.
    pub fn cells(&self, point: &Point) -> Vec<Value> {
        let mut cells = Vec::new();
        for param in &self.list {
            let value = value_of(point, &param.name);
            cells.push(value.clone());
            for (kind, _) in &param.twins {
                cells.push(match &value {
                    Value::Text(text) => measure(text)
                        .filter(|(k, _)| k == kind)
                        .map_or(Value::Nothing, |(_, number)| tidy(number)),
                    number if param.twins.len() == 1 => number.number().map_or(Value::Nothing, tidy),
                    _ => Value::Nothing,
                });
            }
        }
        cells
    }

    /// The parameter with this name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.list.iter().find(|param| param.name == name)
    }

    /// Names of the parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|param| param.name.as_str())
    }

    /// The order of points in every file: the script's; what was added stands where its value belongs.
    pub fn compare(&self, a: &Point, b: &Point) -> Ordering {
        let listed = |point: &Point| {
            let id = (!self.explicit.is_empty()).then(|| point_id(point));
            id.map_or(0, |id| self.explicit.iter().position(|known| *known == id).unwrap_or(usize::MAX))
        };
        let rank = |param: &Param, point: &Point| {
            let value = value_of(point, &param.name);
            param.values.iter().position(|known| same(known, &value)).unwrap_or(usize::MAX)
        };
        listed(a).cmp(&listed(b)).then_with(|| {
            let ranks = self.list.iter().map(|param| rank(param, a).cmp(&rank(param, b)));
            ranks.fold(Ordering::Equal, Ordering::then)
        })
    }
}

impl Param {
    /// Added values go where they belong if the script's are ascending, otherwise to the end, ascending.
    fn sort_added(&mut self, declared: &Experiment) {
        let own =
            declared.params.iter().find(|(name, _)| *name == self.name).map_or(0, |(_, values)| values.len());
        let ascending = |values: &[Value]| {
            let amounts: Option<Vec<f64>> = values.iter().map(amount).collect();
            amounts.is_some_and(|amounts| amounts.is_sorted())
        };
        let from = if ascending(&self.values[..own]) { 0 } else { own };
        self.values[from..].sort_by(|a, b| match (amount(a), amount(b)) {
            (Some(x), Some(y)) => x.total_cmp(&y),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => a.to_string().cmp(&b.to_string()),
        });
    }

    fn find_twins(&mut self, taken: &[String]) {
        let mut kinds: Vec<Kind> = Vec::new();
        for value in &self.values {
            if let Value::Text(text) = value {
                kinds.extend(measure(text).map(|(kind, _)| kind).filter(|kind| !kinds.contains(kind)));
            }
        }
        kinds.sort();
        let named = |kind: Kind| (kind, format!("{}_{}", self.name, kind.suffix()));
        self.twins = kinds.into_iter().map(named).filter(|(_, column)| !taken.contains(column)).collect();
    }

    /// The unit that all its texts share.
    pub fn kind(&self) -> Option<Kind> {
        (self.twins.len() == 1).then(|| self.twins[0].0)
    }
}

/// The value of a parameter at a point.
pub fn value_of(point: &Point, name: &str) -> Value {
    point.iter().find(|(known, _)| known == name).map_or(Value::Nothing, |(_, value)| value.clone())
}

/// Whether two values are the same one, however it is stored: 2 and 2.0 are.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => a.number() == b.number(),
        _ => a == b || a.to_string() == b.to_string(),
    }
}

/// Whole numbers as such, others as they are.
fn tidy(number: f64) -> Value {
    Value::Float(number)
}

/// A readable name for a point, made of its values alone, so that nothing that is added to an experiment renames what was there:
/// `tcp-0.1pct`. Values that cannot be told from others in it add a hash.
pub fn point_id(point: &Point) -> String {
    if point.is_empty() {
        return "-".to_owned();
    }
    let mut lossy = false;
    let words: Vec<String> = point.iter().map(|(_, value)| word(value, &mut lossy)).collect();
    let mut id = words.join("-");
    if id.len() > 80 {
        lossy = true;
        id.truncate(80);
    }
    if lossy {
        let texts: Vec<String> = point.iter().map(|(_, value)| value.to_string()).collect();
        let parts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        id.push_str(&format!("~{:06x}", stable_hash(&parts) & 0xFF_FFFF));
    }
    id
}

fn word(value: &Value, lossy: &mut bool) -> String {
    let text = value.to_string();
    let (body, percent) = text.strip_suffix('%').map_or((text.as_str(), false), |body| (body, true));
    let (sign, digits) = match body.strip_prefix('-') {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => ("-", digits),
        _ => ("", body),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let kept: String = digits.chars().map(|c| if plain(c) { c } else { '+' }).collect();
    *lossy |= kept != digits || digits.is_empty() || digits.ends_with("pct") || digits.starts_with('.');
    format!("{sign}{kept}{}", if percent { "pct" } else { "" })
}

/// The id of one run: its point and replication, `tcp-0.1pct-r3`; without parameters `r3`.
pub fn run_id(point: &Point, rep: u32) -> String {
    if point.is_empty() { format!("r{rep}") } else { format!("{}-r{rep}", point_id(point)) }
}

/// A point for reading: `proto=udp loss=5%`.
pub fn shown(point: &Point) -> String {
    point.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::experiment;

    fn point(cells: &[(&str, Value)]) -> Point {
        cells.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn texts_with_units_are_measured_in_base_units() {
        let cases = [
            ("0.1%", Some((Kind::Ratio, 0.001))),
            ("20ms", Some((Kind::Seconds, 0.02))),
            ("0.5bdp", Some((Kind::Bdp, 0.5))),
            ("100pkt", Some((Kind::Packets, 100.0))),
            ("10Mbps", Some((Kind::Bps, 1e7))),
            ("64KiB", Some((Kind::Bytes, 65536.0))),
            ("tcp", None),
            ("10", None),
        ];
        for (text, want) in cases {
            assert_eq!(measure(text), want, "{text}");
        }
    }

    #[test]
    fn a_text_with_a_unit_has_a_numeric_twin_next_to_it() {
        let e = experiment(&[("proto", &["tcp".into()]), ("loss", &["0%".into(), "0.1%".into()])]);
        let params = Params::new(&e, []);
        assert_eq!(params.columns(), ["proto", "loss", "loss_ratio"]);
        let cells = params.cells(&point(&[("proto", "tcp".into()), ("loss", "0.1%".into())]));
        assert_eq!(cells, ["tcp".into(), "0.1%".into(), Value::Float(0.001)]);
    }

    #[test]
    fn mixed_units_have_a_twin_for_each() {
        let e = experiment(&[("queue", &["1bdp".into(), "64KiB".into()])]);
        let params = Params::new(&e, []);
        assert_eq!(params.columns(), ["queue", "queue_bytes", "queue_bdp"]);
        assert_eq!(
            params.cells(&point(&[("queue", "1bdp".into())])),
            ["1bdp".into(), Value::Nothing, Value::Float(1.0)]
        );
    }

    #[test]
    fn ids_are_readable_and_differ_when_values_do() {
        let id = |value: Value| point_id(&point(&[("x", value)]));
        assert_eq!(id("0.1%".into()), "0.1pct");
        assert_eq!(id(Value::Int(-5)), "-5");
        assert_eq!(id("fq_codel".into()), "fq_codel");
        assert!(id("a b".into()).starts_with("a+b~"));
        assert_ne!(id("a/b".into()), id("a b".into()));
        assert_ne!(id("5pct".into()), id("5%".into()));
        assert_ne!(id("..".into()), "..");
        assert_eq!(run_id(&point(&[("p", "udp".into()), ("n", Value::Float(4.0))]), 3), "udp-4-r3");
        assert_eq!(run_id(&Point::new(), 1), "r1");
        assert_ne!(
            point_id(&point(&[("a", "x-y".into()), ("b", "z".into())])),
            point_id(&point(&[("a", "x".into()), ("b", "y-z".into())]))
        );
    }

    #[test]
    fn an_added_value_stands_where_it_belongs() {
        let e = experiment(&[("loss", &["0%".into(), "1%".into(), "5%".into()])]);
        let added = point(&[("loss", "2%".into())]);
        let params = Params::new(&e, [&added]);
        let order: Vec<String> = params.list[0].values.iter().map(Value::to_string).collect();
        assert_eq!(order, ["0%", "1%", "2%", "5%"]);
        let mut points = [added.clone(), point(&[("loss", "5%".into())]), point(&[("loss", "0%".into())])];
        points.sort_by(|a, b| params.compare(a, b));
        assert_eq!(points.map(|p| shown(&p)), ["loss=0%", "loss=2%", "loss=5%"]);
    }

    #[test]
    fn explicit_points_keep_the_order_of_the_script() {
        let mut e =
            experiment(&[("a", &[Value::Int(1), Value::Int(2)]), ("b", &[Value::Int(9), Value::Int(3)])]);
        e.points = vec![
            point(&[("a", Value::Int(2)), ("b", Value::Int(9))]),
            point(&[("a", Value::Int(1)), ("b", Value::Int(3))]),
        ];
        let params = Params::new(&e, []);
        assert_eq!(params.compare(&e.points[0], &e.points[1]), Ordering::Less);
    }
}
