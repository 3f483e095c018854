//! Drawings of a plan: a table as text, Graphviz DOT, and SVG. All are functions of the plan alone.

mod dot;
mod labels;
mod layout;
mod links;
mod scene;
mod svg;
mod text;

pub use dot::dot;
pub use svg::svg;
pub use text::{routes, text};

use crate::{DirectionSpec, Framing, LinkSpec, LossModel, Match, QueueSpec};
use tidewire_units::Span;

/// What is worth saying about a direction: rate, and what differs from the defaults.
pub(crate) fn describe_direction(direction: &DirectionSpec) -> String {
    let default = DirectionSpec::default();
    let mut parts = vec![direction.rate.to_string()];
    if direction.delay != Span::ZERO {
        parts.push(short(direction.delay));
    }
    if direction.loss.model != LossModel::None {
        parts.push(format!("loss {}", loss(direction)));
    }
    if direction.queue != default.queue {
        parts.push(format!("queue {}", queue(&direction.queue)));
    }
    if direction.cost != default.cost {
        parts.push(format!("cost {}", direction.cost));
    }
    parts.join(", ")
}

/// A span with at most four digits.
fn short(span: Span) -> String {
    let ps = span.as_ps();
    let unit = 10u64.pow(ps.checked_ilog10().unwrap_or(0).saturating_sub(3));
    Span::from_ps((ps + unit / 2) / unit * unit).to_string()
}

/// What is worth saying about both directions of a link together.
pub(crate) fn describe_common(spec: &LinkSpec) -> String {
    let framing = match spec.framing {
        Framing::Ethernet => None,
        Framing::Ip => Some("framing ip".to_owned()),
        Framing::Ppp => Some("framing ppp".to_owned()),
    };
    let mtu = (spec.mtu != 1500).then(|| format!("MTU {}", spec.mtu));
    framing.into_iter().chain(mtu).collect::<Vec<_>>().join(", ")
}

/// Whether both directions read the same.
pub(crate) fn is_symmetric(spec: &LinkSpec) -> bool {
    describe_direction(&spec.forward) == describe_direction(&spec.backward)
}

/// A loss model as a user would write it.
pub(crate) fn loss(direction: &DirectionSpec) -> String {
    let model = match &direction.loss.model {
        LossModel::None => return "none".to_owned(),
        LossModel::Bernoulli(p) => p.to_string(),
        LossModel::Every(n) => format!("every {n}"),
        LossModel::Gilbert { good_to_bad, bad_to_good, .. } => {
            format!("bursts ({good_to_bad} in, {bad_to_good} out)")
        }
        LossModel::Listed(ordinals) if ordinals.len() > 5 => format!("{} listed", ordinals.len()),
        LossModel::Listed(ordinals) => {
            let all: Vec<String> = ordinals.iter().map(|n| format!("#{n}")).collect();
            all.join(" ")
        }
    };
    let among = match direction.loss.among {
        Match::Any => return model,
        Match::Data => "data",
        Match::Ack => "acks",
        Match::Syn => "SYNs",
        Match::SynAck => "SYN-ACKs",
        Match::Fin => "FINs",
        Match::Retransmit => "retransmits",
    };
    format!("{model} of {among}")
}

/// A queue limit as a user would write it.
pub(crate) fn queue(queue: &QueueSpec) -> String {
    match queue {
        QueueSpec::Packets(n) => format!("{n}pkt"),
        QueueSpec::Bytes(bytes) => bytes.to_string(),
        QueueSpec::Bdp { factor, rtt } => format!("{factor}bdp of {rtt}"),
    }
}

#[cfg(test)]
mod tests;
