//! From a plan to its document.

use super::*;
use crate::NodeKind;

impl From<&Plan> for Document {
    fn from(plan: &Plan) -> Document {
        let name = |id: NodeId| plan.node(id).name.clone();
        let routes = |id: NodeId| {
            plan.manual_routes(id).map(move |(prefix, via)| RouteDocument {
                node: name(id),
                prefix: prefix.to_string(),
                via: match via {
                    Via::Address(ip) => ip.to_string(),
                    Via::Node(node) => name(node),
                },
            })
        };
        let networks = if plan.is_numbered() { plan.networks() } else { &[] };
        let network = |network: &crate::Network| {
            let members = network.members.iter().map(|&iface| name(plan.node_of(iface))).collect();
            Some(NetworkDocument { prefix: network.prefix?.to_string(), members })
        };
        Document {
            about: None,
            ipv6: plan.ipv6().map(|plan| format!("{}/48", plan.prefix)),
            include: Vec::new(),
            nodes: plan.node_ids().map(|id| node(plan, id)).collect(),
            links: plan.link_ids().map(|id| link(plan, id)).collect(),
            subnets: (plan.subnets.iter())
                .map(|subnet| SubnetDocument {
                    prefix: subnet.prefix.to_string(),
                    nodes: subnet.nodes.iter().map(|&id| name(id)).collect(),
                })
                .collect(),
            routes: plan.node_ids().flat_map(routes).collect(),
            networks: networks.iter().filter_map(network).collect(),
        }
    }
}

/// Through [`Document`].
impl Serialize for Plan {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document::from(self).serialize(serializer)
    }
}

/// The value, unless it is the default.
fn unless<T: PartialEq>(value: T, default: T) -> Option<T> {
    (value != default).then_some(value)
}

fn node(plan: &Plan, id: NodeId) -> NodeDocument {
    let node = plan.node(id);
    let address = |iface: &tidewire_units::IfaceId| plan.iface(*iface).address.map(|a| a.to_string());
    let mut addresses: Vec<String> =
        node.ifaces.iter().map(|iface| address(iface).unwrap_or_default()).collect();
    if addresses.iter().all(String::is_empty) {
        addresses.clear();
    }
    let kind = match node.spec.kind() {
        NodeKind::Host => Kind::Host,
        NodeKind::Switch => Kind::Switch,
        NodeKind::Router => Kind::Router,
    };
    let base = NodeDocument {
        name: node.name.clone(),
        kind,
        position: node.position,
        addresses,
        ..NodeDocument::default()
    };
    match &node.spec {
        NodeSpec::Host(host) => {
            let default = HostSpec::default();
            NodeDocument {
                ip: match host.ip {
                    AddressMode::Auto => None,
                    AddressMode::Fixed(address) => Some(address.to_string()),
                    AddressMode::Unnumbered => Some("none".to_owned()),
                    AddressMode::Dhcp => Some("dhcp".to_owned()),
                },
                ip6: (host.ip6 != default.ip6).then(|| host.ip6.to_string()),
                gateway: host.gateway.map(|ip| ip.to_string()),
                processing: match host.processing {
                    time if time == default.processing => Vec::new(),
                    Processing::Fixed(time) => vec![time.to_string()],
                    Processing::Uniform(low, high) => vec![low.to_string(), high.to_string()],
                },
                cores: unless(host.cores, default.cores),
                forward: unless(host.forward, default.forward),
                ..base
            }
        }
        spec @ NodeSpec::Switch(_) if spec.is_hub() => NodeDocument { hub: Some(true), ..base },
        NodeSpec::Switch(switch) => {
            let default = SwitchSpec::default();
            NodeDocument {
                ageing: unless(switch.ageing, default.ageing).map(|time| time.to_string()),
                table_size: unless(switch.table_size, default.table_size),
                stp: unless(switch.stp, default.stp).and_then(|stp| {
                    STP.iter().find(|(_, known)| *known == stp).map(|(word, _)| (*word).to_owned())
                }),
                priority: unless(switch.priority, default.priority),
                converge: unless(switch.converge, default.converge),
                radio: node.spec.radio().map(radio),
                buffer: switch.buffer.map(|buffer| format!("{}B", buffer.size.0)),
                alpha: switch.buffer.and_then(|buffer| unless(buffer.alpha, BufferSpec::ALPHA)),
                ..base
            }
        }
        NodeSpec::Router(router) => {
            let ecmp = match router.ecmp {
                Ecmp::Flow => None,
                Ecmp::Packet => Some("packet"),
                Ecmp::Off => Some("off"),
            };
            NodeDocument { ecmp: ecmp.map(str::to_owned), ..base }
        }
    }
}

fn link(plan: &Plan, id: tidewire_units::LinkId) -> LinkDocument {
    let link = plan.link(id);
    let spec = &link.spec;
    let fixed = [0, 1].map(|end| {
        let iface = plan.iface(tidewire_units::IfaceId(id.0 * 2 + end));
        iface.fixed.map_or(String::new(), |address| address.to_string())
    });
    let base = LinkDocument {
        name: Some(link.name.clone()),
        ends: link.ends.map(|end| plan.node(end).name.clone()),
        framing: match spec.framing {
            Framing::Ethernet => None,
            Framing::Ip => Some("ip".to_owned()),
            Framing::Ppp => Some("ppp".to_owned()),
        },
        mtu: unless(spec.mtu, 1500),
        vlan: spec.vlan.clone(),
        arq: spec.arq.map(arq),
        distance: spec.distance,
        pause: spec.pause.then_some(true),
        ips: fixed.iter().any(|ip| !ip.is_empty()).then_some(fixed),
        ..LinkDocument::default()
    };
    let forward = direction(&spec.forward);
    if spec.forward != spec.backward {
        return LinkDocument { forward: Some(forward), backward: Some(direction(&spec.backward)), ..base };
    }
    let DirectionDocument { rate, delay, loss, queue, cost, jitter, corrupt, duplicate, reorder, trace } =
        forward;
    LinkDocument { rate, delay, loss, queue, cost, jitter, corrupt, duplicate, reorder, trace, ..base }
}

fn radio(spec: &RadioSpec) -> RadioDocument {
    RadioDocument {
        rate: Some(rate(spec.rate)),
        basic_rate: Some(rate(spec.basic_rate)),
        preamble: Some(spec.preamble.to_string()),
        slot: Some(spec.slot.to_string()),
        sifs: Some(spec.sifs.to_string()),
        cw_min: Some(spec.cw_min),
        cw_max: Some(spec.cw_max),
        attempts: Some(spec.attempts),
        power: Some(spec.power),
        noise: Some(spec.noise),
        loss_1m: Some(spec.loss_1m),
        exponent: Some(spec.exponent),
    }
}

fn arq(spec: ArqSpec) -> ArqDocument {
    let word = ArqKind::WORDS.iter().find(|(_, kind)| *kind == spec.kind).map_or("", |(word, _)| *word);
    let usual = ArqSpec::new(spec.kind);
    ArqDocument {
        kind: word.to_owned(),
        window: unless(spec.window, usual.window),
        timeout: spec.timeout.map(|timeout| timeout.to_string()),
    }
}

fn direction(spec: &DirectionSpec) -> DirectionDocument {
    let default = DirectionSpec::default();
    DirectionDocument {
        // A rate in whole bits, so that it reads back exactly.
        rate: Some(rate(spec.rate)),
        delay: unless(spec.delay, default.delay).map(|delay| delay.to_string()),
        loss: loss(spec),
        queue: QueueDocument::of(spec),
        cost: unless(spec.cost, default.cost),
        ..DirectionDocument::of_impairments(spec)
    }
}

/// The short form if it is exact.
pub(super) fn rate(rate: Rate) -> String {
    let short = rate.to_string();
    if rate.is_infinite() || parse_rate(&short) == Ok(rate) {
        short
    } else {
        format!("{}bps", rate.bits_per_s())
    }
}

fn loss(spec: &DirectionSpec) -> Option<LossDocument> {
    let among = match spec.loss.among {
        Match::Any => None,
        Match::Data => Some("data"),
        Match::Ack => Some("ack"),
        Match::Syn => Some("syn"),
        Match::SynAck => Some("synack"),
        Match::Fin => Some("fin"),
        Match::Retransmit => Some("retransmit"),
        Match::Chosen => Some("chosen"),
    };
    let (mut p, mut every, mut seq, mut of, mut gilbert) = (None, None, None, None, None);
    match &spec.loss.model {
        LossModel::None => return None,
        LossModel::Bernoulli(probability) => p = Some(probability.get().to_string()),
        LossModel::Every(n) => every = Some(*n),
        LossModel::Listed(ordinals) => seq = Some(ordinals.clone()),
        LossModel::Repeated { lost, of: period } => (seq, of) = (Some(lost.clone()), Some(*period)),
        LossModel::Gilbert { good_to_bad, bad_to_good, loss_good, loss_bad } => {
            gilbert = Some([good_to_bad, bad_to_good, loss_good, loss_bad].map(|p| p.get()));
        }
    }
    match (among, p) {
        (None, Some(p)) => Some(LossDocument::Probability(p)),
        (among, p) => {
            Some(LossDocument::Model { p, every, seq, of, gilbert, among: among.map(str::to_owned) })
        }
    }
}
