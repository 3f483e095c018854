//! What attributes of nodes and links mean, in all formats.

use super::ImportError;
use super::graph::{Edge, Vertex, Way};
use super::text::shown;
use crate::{IfaceAddr, NodeKind, QueueSpec};
use tidewire_units::{
    Probability, Rate, Span, parse_count, parse_probability, parse_rate, parse_size, parse_span,
};

/// The attribute of nodes or links that has this name, in lower case; `None` for what means nothing.
pub(super) fn known(name: &str) -> Option<&'static str> {
    NODE.iter().chain(EDGE).find(|known| **known == name).copied()
}

const NODE: &[&str] = &[
    "label",
    "name",
    "kind",
    "ip",
    "latitude",
    "lat",
    "longitude",
    "lon",
    "lng",
    "x",
    "y",
    "pos",
    "hyperedge",
    "internal",
];
const EDGE: &[&str] = &[
    "label",
    "linklabel",
    "rate",
    "bandwidth",
    "bw",
    "capacity",
    "linkspeedraw",
    "linkspeed",
    "linkspeedunits",
    "delay",
    "latency",
    "loss",
    "queue",
    "cost",
    "weight",
    "metric",
    "mtu",
];

impl Vertex {
    /// Takes an attribute, named in lower case. Of what maps have and nobody asked for (a broken coordinate) there is a note; errors
    /// are wrong values of what only a person writes.
    pub fn set(&mut self, name: &str, text: &str, line: usize) -> Result<(), ImportError> {
        let text = text.trim();
        let number = text.parse::<f64>().ok().filter(|x| x.is_finite());
        match (name, number) {
            ("label" | "name", _) if !text.is_empty() && self.label.is_empty() => {
                text.clone_into(&mut self.label)
            }
            ("longitude" | "lon" | "lng", Some(x)) => self.longitude = Some(x),
            ("latitude" | "lat", Some(y)) => self.latitude = Some(y),
            ("longitude" | "lon" | "lng" | "latitude" | "lat", _) if !text.is_empty() => {
                let place = if line > 0 { format!(" in line {line}") } else { String::new() };
                self.unread = Some(format!("{name} '{}'{place}", shown(text)));
            }
            ("x", Some(x)) => self.position = Some([x, self.position.map_or(0.0, |p| p[1])]),
            ("y", Some(y)) => self.position = Some([self.position.map_or(0.0, |p| p[0]), -y]),
            ("pos", _) => {
                let mut parts = text.trim_end_matches('!').split(',').map(|part| part.trim().parse::<f64>());
                if let (Some(Ok(x)), Some(Ok(y))) = (parts.next(), parts.next())
                    && x.is_finite()
                    && y.is_finite()
                {
                    self.position = Some([x, y]);
                }
            }
            ("hyperedge", Some(n)) => self.hyperedge = n != 0.0,
            ("hyperedge", None) => self.hyperedge = text.eq_ignore_ascii_case("true"),
            ("internal", _) => self.external = text == "0" || text.eq_ignore_ascii_case("false"),
            ("kind", _) => {
                self.kind = Some(match text.to_ascii_lowercase().as_str() {
                    "host" => NodeKind::Host,
                    "switch" => NodeKind::Switch,
                    "router" => NodeKind::Router,
                    _ => {
                        let problem = format!("'{}' is no kind of node: host, switch or router", shown(text));
                        return Err(ImportError::at(line, problem));
                    }
                });
            }
            ("ip", _) if !text.is_empty() => {
                let ip: Result<IfaceAddr, String> = text.parse();
                self.ip = Some(ip.map_err(|problem| ImportError::at(line, problem))?);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Edge {
    /// Takes an attribute, named in lower case. What other programs also write (`weight`, `capacity`, labels) is taken if it can be
    /// read. Errors: a rate, delay, loss, queue, cost or MTU that is none; anything negative.
    pub fn set(&mut self, name: &str, text: &str, line: usize) -> Result<(), ImportError> {
        let foreign = ["bandwidth", "bw", "capacity", "latency", "weight", "metric"].contains(&name);
        match self.set_strictly(name, text, line) {
            Err(_) if foreign && !text.trim_start().starts_with('-') => {
                let place = if line > 0 { format!(" in line {line}") } else { String::new() };
                self.unread = Some(format!("{name} '{}'{place}", shown(text.trim())));
                Ok(())
            }
            result => result,
        }
    }

    fn set_strictly(&mut self, name: &str, text: &str, line: usize) -> Result<(), ImportError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let number = text.parse::<f64>().ok();
        let wrong = |what: &str| Err(ImportError::at(line, format!("'{}' is not {what}", shown(text))));
        match name {
            "rate" | "bandwidth" | "bw" | "capacity" => match (read_rate(text), number) {
                (Some(rate), _) => self.way.rate = Some(rate),
                (None, Some(bits)) if (0.0..1000.0).contains(&bits) => {
                    return wrong(&format!(
                        "a rate that a link has: write \"{text}Mbps\", or \"{text}bps\" if you mean it"
                    ));
                }
                _ => return wrong("a rate, for example \"10Mbps\""),
            },
            "linkspeedraw" => match number {
                Some(bits) if bits < 0.0 => return wrong("a rate: it is below 0"),
                Some(bits) => self.way.rate = whole_rate(bits).or(self.way.rate),
                None => {}
            },
            "label" | "linklabel" => self.guess = self.guess.or_else(|| guessed_rate(text)),
            "linkspeed" => self.speed = text.to_owned(),
            "linkspeedunits" => self.guess = guessed_rate(&format!("{}{text}", self.speed)).or(self.guess),
            "delay" | "latency" => match number {
                Some(ms) if (0.0..1e9).contains(&ms) => {
                    self.way.delay = Some(Span::from_secs_f64(ms / 1000.0));
                    self.bare_delay = true;
                }
                Some(_) => return wrong("a delay"),
                None => match parse_span(text) {
                    Ok(span) => self.way.delay = Some(span),
                    Err(error) => return Err(ImportError::at(line, error.to_string())),
                },
            },
            "loss" => match parse_probability(text) {
                Ok(p) => self.way.loss = Some(p),
                Err(error) => return Err(ImportError::at(line, error.to_string())),
            },
            "queue" => match queue(text) {
                Some(queue) => self.way.queue = Some(queue),
                None => return wrong("a queue limit, for example \"100pkt\" or \"64KiB\""),
            },
            "cost" | "weight" | "metric" => {
                self.way.weight = Some(weight(text).map_err(|e| ImportError::at(line, e))?)
            }
            "mtu" => match text.parse::<u16>() {
                Ok(mtu) => self.mtu = Some(mtu),
                Err(_) => return wrong("an MTU: a number of bytes from 68 to 65535"),
            },
            _ => {}
        }
        Ok(())
    }
}

impl Way {
    /// What is not given here is as there.
    pub fn or(self, other: &Way) -> Way {
        Way {
            rate: self.rate.or(other.rate),
            delay: self.delay.or(other.delay),
            loss: self.loss.or(other.loss),
            queue: self.queue.or(other.queue),
            weight: self.weight.or(other.weight),
        }
    }
}

/// A weight of an edge. Errors: it is not above 0.
pub(super) fn weight(text: &str) -> Result<f64, String> {
    let weight: Option<f64> = text.parse().ok().filter(|w: &f64| w.is_finite() && *w > 0.0);
    weight.ok_or_else(|| format!("'{}' is not a weight: expected a number above 0", shown(text)))
}

fn queue(text: &str) -> Option<QueueSpec> {
    match parse_count(text, "pkt") {
        Some(n) if n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&n) => {
            Some(QueueSpec::Packets(n as u32))
        }
        Some(_) => None,
        None => parse_size(text).ok().map(QueueSpec::Bytes),
    }
}

fn whole_rate(bits: f64) -> Option<Rate> {
    if (1.0..1e18).contains(&bits) { Rate::from_bits_per_s(bits as u64) } else { None }
}

/// A rate that a person meant as one: with a unit, of a carrier's list, or in bit/s.
pub(super) fn read_rate(text: &str) -> Option<Rate> {
    match text.parse::<f64>() {
        Ok(bits) if bits >= 1000.0 => whole_rate(bits),
        Ok(_) => None,
        Err(_) => operator_rate(text),
    }
}

/// The first rate in a label such as `2 x 10 Gbps`, `< 155 Mbit/s`, `10G Ethernet`.
fn guessed_rate(text: &str) -> Option<Rate> {
    let text: String = text.chars().take(100).collect();
    if let Some(rate) = operator_rate(&text) {
        return Some(rate);
    }
    let text = text.to_ascii_lowercase();
    let (times, rest) = match text.split_once(" x ").or_else(|| text.split_once('x')) {
        Some((n, rest)) => match n.trim().parse::<u64>() {
            Ok(n @ 1..=1000) => (n, rest),
            _ => (1, text.as_str()),
        },
        None => (1, text.as_str()),
    };
    let rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> =
        rest.split(|c: char| c.is_whitespace() || "(),;/+".contains(c)).filter(|w| !w.is_empty()).collect();
    let candidates = (0..words.len().min(6))
        .flat_map(|i| [words[i].to_owned(), words[i..words.len().min(i + 2)].concat()]);
    let rate = candidates.into_iter().find_map(|text| operator_rate(&text))?;
    Rate::from_bits_per_s(rate.bits_per_s().checked_mul(times)?)
}

/// A rate from how operators write it: `10Gbps`, `155 Mbit/s`, `2.5G`, `OC-192c`, `STM-4`, `T1`, `E3`; `None` for anything else.
pub(super) fn operator_rate(text: &str) -> Option<Rate> {
    if text.len() > 60 || text.trim_start().starts_with('-') {
        return None;
    }
    let plain: String =
        text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>().to_ascii_lowercase();
    let bits = |mbps: f64| Rate::from_bits_per_s((mbps * 1e6).round() as u64);
    let fixed =
        [("t1", 1.544), ("ds1", 1.544), ("e1", 2.048), ("e3", 34.368), ("t3", 44.736), ("ds3", 44.736)];
    if let Some((_, mbps)) = fixed.iter().find(|(name, _)| *name == plain) {
        return bits(*mbps);
    }
    for (name, unit) in [("oc", 51.84), ("stm", 155.52)] {
        if let Some(n) = plain.strip_prefix(name).and_then(|n| n.trim_end_matches('c').parse::<u16>().ok()) {
            return bits(f64::from(n) * unit);
        }
    }
    let at = plain.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = plain.split_at(at);
    let unit = match unit {
        "bps" | "bit/s" | "bits/s" | "b/s" => "bps",
        "k" | "kbps" | "kbit/s" | "kbits/s" | "kb/s" => "kbps",
        "m" | "mbps" | "mbit/s" | "mbits/s" | "mb/s" | "mbits" | "mbit" => "Mbps",
        "g" | "gbps" | "gbit/s" | "gbits/s" | "gb/s" | "gbits" | "gbit" | "ge" | "gige" => "Gbps",
        "t" | "tbps" | "tbit/s" | "tbits/s" | "tb/s" => "Tbps",
        _ => return None,
    };
    parse_rate(&format!("{number}{unit}")).ok()
}

/// The probability of losing a packet, for [`crate::LossModel`].
pub(super) fn loss(p: Probability) -> crate::LossModel {
    crate::LossModel::Bernoulli(p)
}
