//! Drawings of a plan: a table as text, letters for a terminal, Graphviz DOT, and SVG. All are functions of the plan alone.

mod ascii;
mod dot;
mod labels;
mod layout;
mod links;
mod scene;
mod svg;
mod text;

pub use ascii::ascii;
pub use dot::dot;
pub use svg::{svg, too_large};
pub use text::{routes, text};

use crate::{
    CorruptSpec, DirectionSpec, DisciplineKind, Framing, ImpairmentSpec, JitterShape, LinkSpec, LossModel,
    Match, NodeKind, NodeSpec, Plan, QueueSpec, VlanSpec,
};
use tidewire_units::{Rate, Span};

/// What a node looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    Host,
    Switch,
    Hub,
    AccessPoint,
    Router,
}

impl Look {
    const ALL: [Look; 5] = [Look::Host, Look::Switch, Look::Hub, Look::AccessPoint, Look::Router];

    fn of(spec: &NodeSpec) -> Look {
        match spec.kind() {
            NodeKind::Host => Look::Host,
            NodeKind::Switch if spec.is_hub() => Look::Hub,
            NodeKind::Switch if spec.radio().is_some() => Look::AccessPoint,
            NodeKind::Switch => Look::Switch,
            NodeKind::Router => Look::Router,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Look::Host => "host",
            Look::Switch => "switch",
            Look::Hub => "hub",
            Look::AccessPoint => "access point",
            Look::Router => "router",
        }
    }

    /// How many there are, as words: `1 switch`, `3 switches`.
    fn counted(self, n: usize) -> String {
        counted(n, self.word())
    }
}

fn counted(n: usize, word: &str) -> String {
    match (n, word) {
        (1, _) => format!("1 {word}"),
        (_, "switch") => format!("{n} switches"),
        _ => format!("{n} {word}s"),
    }
}

/// What the nodes of a plan look like, with how many do.
fn looks(plan: &Plan) -> [(Look, usize); 5] {
    Look::ALL.map(|look| (look, plan.nodes().iter().filter(|node| Look::of(&node.spec) == look).count()))
}

/// How many nodes of each kind there are, and links.
fn caption(plan: &Plan) -> String {
    let nodes = looks(plan).into_iter().filter(|(_, n)| *n > 0).map(|(look, n)| look.counted(n));
    nodes.chain([counted(plan.links().len(), "link")]).collect::<Vec<_>>().join(", ")
}

/// What is worth saying about a direction: rate, and what differs from the defaults.
pub(crate) fn describe_direction(direction: &DirectionSpec) -> String {
    let default = DirectionSpec::default();
    let rate = direction.trace.as_ref().map_or_else(|| direction.rate.to_string(), |_| "recorded".to_owned());
    let mut parts = vec![rate];
    if direction.delay != Span::ZERO {
        parts.push(short(direction.delay));
    }
    if direction.loss.model != LossModel::None {
        parts.push(format!("loss {}", loss(direction)));
    }
    if let Some(impairments) = &direction.impairments {
        parts.push(impaired(impairments));
    }
    if direction.queue != default.queue || direction.discipline.is_some() {
        parts.push(format!("queue {}", queue(direction)));
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
    // Of a router at a trunk, what joins it to its own switch says nothing new.
    let vlan = spec.vlan.as_ref().filter(|_| spec.forward.rate != Rate::INFINITE).map(|vlan| match vlan {
        VlanSpec::Access(number) => format!("VLAN {number}"),
        VlanSpec::Trunk { trunk, native } => {
            let tagged: Vec<String> = trunk.iter().map(u16::to_string).collect();
            let native = native.map(|native| format!(", untagged {native}")).unwrap_or_default();
            format!("trunk {}{native}", tagged.join(" "))
        }
    });
    let distance = spec.distance.map(|metres| format!("{metres} m away"));
    let arq = spec.arq.as_ref().map(|_| "arq".to_owned());
    let pause = spec.pause.then(|| "pause".to_owned());
    [framing, mtu, vlan, distance, arq, pause].into_iter().flatten().collect::<Vec<_>>().join(", ")
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
        LossModel::Repeated { lost, of } => format!("{} of every {of}", lost.len()),
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
        Match::Chosen => "chosen packets",
    };
    format!("{model} of {among}")
}

/// What else happens to packets.
fn impaired(spec: &ImpairmentSpec) -> String {
    let mut parts = Vec::new();
    if let Some(jitter) = &spec.jitter {
        let (JitterShape::Uniform(time) | JitterShape::Normal(time) | JitterShape::Pareto(time, _)) =
            jitter.shape;
        parts.push(format!("jitter {}", short(time)));
    }
    match &spec.corrupt {
        CorruptSpec::None => {}
        CorruptSpec::Packets(p) => parts.push(format!("corrupt {p}")),
        CorruptSpec::Bits(ratio) => parts.push(format!("bit errors {ratio:e}")),
        CorruptSpec::Listed(list) => parts.push(format!("corrupt {} listed", list.len())),
    }
    for (name, p) in [("duplicate", spec.duplicate), ("reorder", spec.reorder)] {
        if p.get() > 0.0 {
            parts.push(format!("{name} {p}"));
        }
    }
    parts.join(", ")
}

/// A queue as a user would write it: `100pkt`, `codel 64KiB`.
pub(crate) fn queue(direction: &DirectionSpec) -> String {
    let limit = match &direction.queue {
        QueueSpec::Packets(n) => format!("{n}pkt"),
        QueueSpec::Bytes(bytes) => bytes.to_string(),
        QueueSpec::Bdp { factor, rtt } => format!("{factor}bdp of {rtt}"),
    };
    let name = match direction.discipline.as_ref().map(|discipline| discipline.kind) {
        None | Some(DisciplineKind::DropTail) => return limit,
        Some(DisciplineKind::Red) => "red",
        Some(DisciplineKind::Codel) => "codel",
        Some(DisciplineKind::FqCodel) => "fq_codel",
        Some(DisciplineKind::Pie) => "pie",
        Some(DisciplineKind::Drr) => "drr",
        Some(DisciplineKind::Prio) => "prio",
        Some(DisciplineKind::Tbf) => "tbf",
    };
    format!("{name} {limit}")
}

#[cfg(test)]
mod tests;
