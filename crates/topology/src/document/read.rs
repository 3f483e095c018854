//! From a document to a plan.

use super::*;
use crate::import::Sought;
use std::net::Ipv4Addr;

/// A problem without its place.
pub(super) type Problem = String;

impl TryFrom<&Document> for Plan {
    type Error = DocumentError;

    /// Builds the plan; addresses are not assigned yet. Errors: names used twice or unknown, quantities that do not parse, includes.
    fn try_from(document: &Document) -> Result<Plan, DocumentError> {
        if let Some(include) = document.include.first() {
            let (IncludeDocument::File(file) | IncludeDocument::Named { file, .. }) = include;
            let problem = "files are included by those that read files; here is none to read it".to_owned();
            return Err(DocumentError { place: format!("include '{file}'"), problem, at: ("include", 0) });
        }
        let mut plan = Plan::new();
        document.add_to(&mut plan, "")?;
        Ok(plan)
    }
}

impl Document {
    /// Adds what is in the document to a plan, names with this prefix. Its includes are not looked at.
    pub(crate) fn add_to(&self, plan: &mut Plan, prefix: &str) -> Result<(), DocumentError> {
        if let Some(prefix) = &self.ipv6 {
            let problem = |problem| DocumentError { place: "ipv6".to_owned(), problem, at: ("ipv6", 0) };
            plan.use_ipv6(crate::prefix48(prefix).map_err(problem)?, false);
        }
        for (i, node) in self.nodes.iter().enumerate() {
            let at = |problem| DocumentError {
                place: format!("node '{}'", shown(&node.name)),
                problem,
                at: ("nodes", i),
            };
            let name = format!("{prefix}{}", node.name);
            let id = plan.add(name, node.spec().map_err(at)?).map_err(|e| at(e.to_string()))?;
            match node.position {
                Some(position) if position.iter().all(|x| x.is_finite()) => plan.place(id, position),
                Some(_) => return Err(at("a position is two finite numbers".to_owned())),
                None => {}
            }
        }
        for (i, link) in self.links.iter().enumerate() {
            let [a, b] = [0, 1].map(|end| shown(&link.ends[end]));
            let place = format!("link {} ({a}-{b})", i + 1);
            link.add_to(plan, prefix).map_err(|problem| DocumentError {
                place,
                problem,
                at: ("links", i),
            })?;
        }
        for (i, subnet) in self.subnets.iter().enumerate() {
            let at = |problem| {
                let place = format!("subnet '{}'", shown(&subnet.prefix));
                DocumentError { place, problem, at: ("subnets", i) }
            };
            let addresses: Prefix = subnet.prefix.parse().map_err(at)?;
            let nodes: Result<Vec<NodeId>, Problem> =
                subnet.nodes.iter().map(|name| find(plan, prefix, name)).collect();
            plan.subnet(addresses, &nodes.map_err(at)?).map_err(|e| at(e.to_string()))?;
        }
        for (i, route) in self.routes.iter().enumerate() {
            let at = |problem| DocumentError {
                place: format!("route of '{}' to {}", shown(&route.node), shown(&route.prefix)),
                problem,
                at: ("routes", i),
            };
            let node = find(plan, prefix, &route.node).map_err(at)?;
            let via = match route.via.parse::<Ipv4Addr>() {
                Ok(ip) => Via::Address(ip),
                Err(_) => Via::Node(find(plan, prefix, &route.via).map_err(at)?),
            };
            plan.route(node, route.prefix.parse().map_err(at)?, via).map_err(|e| at(e.to_string()))?;
        }
        Ok(())
    }
}

impl Document {
    /// Which element of which list something is; its names have this prefix in the plan.
    pub(crate) fn position(&self, prefix: &str, what: Sought<'_>) -> Option<(&'static str, usize)> {
        match what {
            Sought::Node(name) => {
                let own = name.strip_prefix(prefix)?;
                Some(("nodes", self.nodes.iter().position(|node| node.name == own)?))
            }
            Sought::Subnet(sought) => {
                let is_it = |subnet: &SubnetDocument| subnet.prefix.parse() == Ok(sought);
                Some(("subnets", self.subnets.iter().position(is_it)?))
            }
        }
    }
}

impl NodeDocument {
    fn buffer(&self) -> Result<Option<BufferSpec>, Problem> {
        let alpha = self.alpha.unwrap_or(BufferSpec::ALPHA);
        if !(alpha > 0.0 && alpha.is_finite()) {
            return Err("alpha is a positive number".to_owned());
        }
        let size = |text: &String| parse_size(text).map_err(|e| e.to_string());
        Ok(self.buffer.as_ref().map(size).transpose()?.map(|size| BufferSpec { size, alpha }))
    }
}

/// A text as it is quoted in messages.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Through [`Document`].
impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Plan, D::Error> {
        let document = Document::deserialize(deserializer)?;
        Plan::try_from(&document).map_err(serde::de::Error::custom)
    }
}

fn find(plan: &Plan, prefix: &str, name: &str) -> Result<NodeId, Problem> {
    let found = plan.find(&format!("{prefix}{name}"));
    found.ok_or_else(|| format!("there is no node named '{}'", shown(name)))
}

pub(super) fn parsed<T: FromStr>(text: &str, what: &str, example: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| format!("'{text}' is not {what}, for example \"{example}\""))
}

/// One of a few words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Problem> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("'{text}' is none of {}", all.join(", "))
    })
}

impl NodeDocument {
    fn spec(&self) -> Result<NodeSpec, Problem> {
        self.check_options()?;
        let time = |text: &String| parse_span(text).map_err(|e| e.to_string());
        match self.kind {
            Kind::Host => Ok(NodeSpec::Host(HostSpec {
                ip: match self.ip.as_deref() {
                    None => AddressMode::Auto,
                    Some("none") => AddressMode::Unnumbered,
                    Some("dhcp") => AddressMode::Dhcp,
                    Some(ip) => AddressMode::Fixed(ip.parse()?),
                },
                ip6: self.ip6.as_deref().map_or(Ok(Address6::Auto), str::parse)?,
                gateway: self.gateway.as_deref().map(queues::address).transpose()?,
                processing: match self.processing.as_slice() {
                    [] => HostSpec::default().processing,
                    [fixed] => Processing::Fixed(time(fixed)?),
                    [low, high] => match (time(low)?, time(high)?) {
                        (low, high) if low <= high => Processing::Uniform(low, high),
                        _ => return Err("the second processing time is below the first".to_owned()),
                    },
                    _ => return Err("processing is one time, or two between which it is drawn".to_owned()),
                },
                cores: match self.cores.unwrap_or(1) {
                    0 => return Err("a host has at least one core".to_owned()),
                    cores => cores,
                },
                forward: self.forward.unwrap_or(false),
            })),
            Kind::Switch if self.hub == Some(true) => Ok(NodeSpec::Switch(SwitchSpec::hub())),
            Kind::Switch => {
                let default = SwitchSpec::default();
                Ok(NodeSpec::Switch(SwitchSpec {
                    ageing: self.ageing.as_ref().map(time).transpose()?.unwrap_or(default.ageing),
                    table_size: self.table_size.unwrap_or(default.table_size),
                    stp: self.stp.as_ref().map(|text| word(text, &STP)).transpose()?.unwrap_or(default.stp),
                    priority: self.priority.unwrap_or(default.priority),
                    converge: self.converge.unwrap_or(default.converge),
                    medium: self.radio.as_ref().map(RadioDocument::spec).transpose()?.map(MediumSpec::Radio),
                    buffer: self.buffer()?,
                }))
            }
            Kind::Router => {
                let words = [("flow", Ecmp::Flow), ("packet", Ecmp::Packet), ("off", Ecmp::Off)];
                let ecmp = self.ecmp.as_ref().map(|text| word(text, &words)).transpose()?;
                Ok(NodeSpec::Router(RouterSpec { ecmp: ecmp.unwrap_or_default(), nat: None }))
            }
        }
    }

    /// Options that another kind of node has are mistakes.
    fn check_options(&self) -> Result<(), Problem> {
        let (host, switch, router) = (Kind::Host, Kind::Switch, Kind::Router);
        let given = [
            ("ip", host, self.ip.is_some()),
            ("ip6", host, self.ip6.is_some()),
            ("gateway", host, self.gateway.is_some()),
            ("processing", host, !self.processing.is_empty()),
            ("cores", host, self.cores.is_some()),
            ("forward", host, self.forward.is_some()),
            ("ageing", switch, self.ageing.is_some()),
            ("table_size", switch, self.table_size.is_some()),
            ("stp", switch, self.stp.is_some()),
            ("priority", switch, self.priority.is_some()),
            ("converge", switch, self.converge.is_some()),
            ("hub", switch, self.hub.is_some()),
            ("radio", switch, self.radio.is_some()),
            ("ecmp", router, self.ecmp.is_some()),
        ];
        if self.hub == Some(true) && self.radio.is_some() {
            return Err("a switch is a hub or has a radio, not both".to_owned());
        }
        match given.iter().find(|(_, kind, given)| *given && *kind != self.kind) {
            Some((option, kind, _)) => {
                let name = |kind| match kind {
                    Kind::Host => "host",
                    Kind::Switch => "switch",
                    Kind::Router => "router",
                };
                Err(format!(
                    "'{option}' is an option of a {}, but this is a {}",
                    name(*kind),
                    name(self.kind)
                ))
            }
            None => Ok(()),
        }
    }
}

impl LinkDocument {
    fn add_to(&self, plan: &mut Plan, prefix: &str) -> Result<(), Problem> {
        let [a, b] = [find(plan, prefix, &self.ends[0])?, find(plan, prefix, &self.ends[1])?];
        let framings = [("ethernet", Framing::Ethernet), ("ip", Framing::Ip), ("ppp", Framing::Ppp)];
        let framing =
            self.framing.as_ref().map(|text| word(text, &framings)).transpose()?.unwrap_or_default();
        let both = DirectionDocument {
            rate: self.rate.clone(),
            delay: self.delay.clone(),
            loss: self.loss.clone(),
            queue: self.queue.clone(),
            cost: self.cost,
            jitter: self.jitter.clone(),
            corrupt: self.corrupt.clone(),
            duplicate: self.duplicate.clone(),
            reorder: self.reorder.clone(),
            trace: self.trace.clone(),
        };
        let both = both.apply(DirectionSpec::default())?;
        let own = |direction: &Option<DirectionDocument>| match direction {
            Some(direction) => direction.apply(both.clone()),
            None => Ok(both.clone()),
        };
        let arq = self.arq.as_ref().map(ArqDocument::spec).transpose()?;
        let (forward, backward) = (own(&self.forward)?, own(&self.backward)?);
        let spec = LinkSpec {
            forward,
            backward,
            framing,
            mtu: self.mtu.unwrap_or(1500),
            vlan: self.vlan.clone(),
            distance: self.distance,
            pause: self.pause.unwrap_or(false),
            arq,
        };
        let link = plan.connect(a, b, spec).map_err(|e: PlanError| e.to_string())?;
        for (end, ip) in self.ips.iter().flatten().enumerate().filter(|(_, ip)| !ip.is_empty()) {
            plan.fix_address(tidewire_units::IfaceId(link.0 * 2 + end as u32), ip.parse()?);
        }
        Ok(())
    }
}

impl RadioDocument {
    fn spec(&self) -> Result<RadioSpec, Problem> {
        let usual = RadioSpec::default();
        let span = |text: &Option<String>, usual| match text {
            Some(text) => parse_span(text).map_err(|e| e.to_string()),
            None => Ok(usual),
        };
        let rate = |text: &Option<String>, usual| match text {
            Some(text) => parse_rate(text).map_err(|e| e.to_string()),
            None => Ok(usual),
        };
        Ok(RadioSpec {
            rate: rate(&self.rate, usual.rate)?,
            basic_rate: rate(&self.basic_rate, usual.basic_rate)?,
            preamble: span(&self.preamble, usual.preamble)?,
            slot: span(&self.slot, usual.slot)?,
            sifs: span(&self.sifs, usual.sifs)?,
            cw_min: self.cw_min.unwrap_or(usual.cw_min),
            cw_max: self.cw_max.unwrap_or(usual.cw_max),
            attempts: self.attempts.unwrap_or(usual.attempts).max(1),
            power: self.power.unwrap_or(usual.power),
            noise: self.noise.unwrap_or(usual.noise),
            loss_1m: self.loss_1m.unwrap_or(usual.loss_1m),
            exponent: self.exponent.unwrap_or(usual.exponent),
        })
    }
}

impl ArqDocument {
    fn spec(&self) -> Result<ArqSpec, Problem> {
        let timeout = self.timeout.as_ref().map(|text| parse_span(text).map_err(|e| e.to_string()));
        let spec = ArqSpec::new(word(&self.kind, &ArqKind::WORDS)?);
        Ok(ArqSpec { window: self.window.unwrap_or(spec.window), timeout: timeout.transpose()?, ..spec })
    }
}

impl DirectionDocument {
    fn apply(&self, mut spec: DirectionSpec) -> Result<DirectionSpec, Problem> {
        if let Some(text) = &self.rate {
            let infinite = text == "infinite";
            spec.rate =
                if infinite { Rate::INFINITE } else { parse_rate(text).map_err(|e| e.to_string())? };
        }
        if let Some(text) = &self.delay {
            spec.delay = parse_span(text).map_err(|e| e.to_string())?;
        }
        if let Some(loss) = &self.loss {
            loss.apply(&mut spec)?;
        }
        if let Some(queue) = &self.queue {
            queue.apply(&mut spec)?;
        }
        self.impair(&mut spec)?;
        spec.cost = self.cost.unwrap_or(spec.cost);
        Ok(spec)
    }
}

impl LossDocument {
    fn apply(&self, spec: &mut DirectionSpec) -> Result<(), Problem> {
        let probability =
            |text: &String| parse_probability(text).map(LossModel::Bernoulli).map_err(|e| e.to_string());
        spec.loss.model = match self {
            LossDocument::Probability(p) => probability(p)?,
            LossDocument::Model { p: Some(p), every: None, seq: None, .. } => probability(p)?,
            LossDocument::Model { p: None, every: Some(n), seq: None, .. } if *n > 0 => LossModel::Every(*n),
            LossDocument::Model { seq: Some(list), .. } if list.contains(&0) => {
                return Err("packets to be lost are counted from 1".to_owned());
            }
            LossDocument::Model { p: None, every: None, seq: Some(list), of: None, .. } => {
                LossModel::Listed(list.clone())
            }
            LossDocument::Model { p: None, every: None, seq: Some(list), of: Some(of), .. } if *of > 0 => {
                LossModel::Repeated { lost: list.clone(), of: *of }
            }
            LossDocument::Model { p: None, every: None, seq: None, gilbert: Some(four), .. } => {
                let [Some(good_to_bad), Some(bad_to_good), Some(loss_good), Some(loss_bad)] =
                    four.map(tidewire_units::Probability::new)
                else {
                    return Err(
                        "gilbert = [good_to_bad, bad_to_good, loss_good, loss_bad] are four probabilities"
                            .to_owned(),
                    );
                };
                LossModel::Gilbert { good_to_bad, bad_to_good, loss_good, loss_bad }
            }
            LossDocument::Model { .. } => {
                return Err("loss is one of p = \"1%\", every = 100 (at least 1) and seq = [5, 9]".to_owned());
            }
        };
        let words = [
            ("data", Match::Data),
            ("ack", Match::Ack),
            ("syn", Match::Syn),
            ("synack", Match::SynAck),
            ("fin", Match::Fin),
            ("retransmit", Match::Retransmit),
            ("chosen", Match::Chosen),
        ];
        spec.loss.among = match self {
            LossDocument::Model { among: Some(text), .. } => word(text, &words)?,
            _ => Match::Any,
        };
        Ok(())
    }
}
