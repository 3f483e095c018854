//! What traffic asks of the links next to its hosts, and links that are asked for more than they carry.

use super::traffic::Begun;
use super::traffic_load::{Aim, Beginnings, Flow, medium_of, rate_of};
use crate::sim::{Shared, here};
use mlua::Lua;
use std::collections::{BTreeMap, BTreeSet};
use tidewire_l7_application::traffic::Pace;
use tidewire_topology::{Plan, link_of, peer_of, sends_on};
use tidewire_units::{DirId, Instant, NodeId, Rate, Span};
use tidewire_world::World;

/// No more times are looked at than this, which is enough unless hundreds of workloads begin one after the other.
const MOST_INSTANTS: usize = 32;

/// What carries packets at a rate of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Direction(DirId),
    /// A hub, or an access point's radio.
    Medium(NodeId),
}

impl Way {
    fn rate(self, world: &World, plan: &Plan) -> f64 {
        match self {
            Way::Direction(dir) => rate_of(world, plan, dir),
            Way::Medium(node) => {
                let links = plan.node(node).ifaces.iter().map(|iface| link_of(*iface));
                let own = links.into_iter().find(|link| medium_of(plan, *link) == Some(node));
                own.map_or(f64::INFINITY, |link| rate_of(world, plan, DirId::forward(link)))
            }
        }
    }

    fn name(self, plan: &Plan) -> String {
        match self {
            Way::Direction(dir) => {
                let [a, b] = plan.link(dir.link()).ends.map(|node| plan.node(node).name.as_str());
                let (from, to) = if dir.is_forward() { (a, b) } else { (b, a) };
                format!("the link from {from} to {to}")
            }
            Way::Medium(node) => format!("'{}', which all its stations share,", plan.node(node).name),
        }
    }
}

/// Mean bit/s that a workload asks of what is next to its hosts, and of the link that its load is a share of, while it lasts.
#[derive(Default)]
pub(crate) struct Asks {
    of: BTreeMap<Way, f64>,
    times: [Instant; 2],
}

impl Asks {
    /// Nothing for what lasts a moment only, or is limited by its own answers.
    pub(super) fn new(
        sim: &Shared,
        flow: &Flow<'_>,
        begins: &Beginnings,
        (count, [start, stop]): (Option<i64>, [Instant; 2]),
    ) -> mlua::Result<Asks> {
        let mut asks = Asks { of: BTreeMap::new(), times: [start, stop] };
        let Pace::Open(gap, _) = begins.pace else { return Ok(asks) };
        let lasts = count.map_or(f64::INFINITY, |count| count as f64 * gap.as_secs_f64());
        let has_mean = [Some(flow.up), flow.down].into_iter().flatten().all(|sizes| sizes.mean().is_finite());
        if lasts < 1.0 || !has_mean {
            return Ok(asks);
        }
        if lasts < 1e6 {
            asks.times[1] = stop.min(start + Span::from_secs_f64(lasts));
        }
        let bits_per_s = 8.0 * flow.each as f64 / gap.as_secs_f64();
        let (world, plan) = (sim.world()?, sim.plan.borrow());
        let first = plan.node(flow.clients[0]).ifaces.first().map(|iface| link_of(*iface));
        let (there, back) = flow.costs(&world, &plan, first, bits_per_s / 8.0);
        let hosts: BTreeSet<NodeId> = flow.clients.iter().chain(flow.servers).copied().collect();
        for (client, share) in flow.clients.iter().zip(begins.shares(flow.clients.len())) {
            asks.add(&plan, &hosts, *client, [there, back].map(|cost| cost * bits_per_s * share));
        }
        for server in flow.servers {
            let share = 1.0 / flow.servers.len() as f64;
            asks.add(&plan, &hosts, *server, [back, there].map(|cost| cost * bits_per_s * share));
        }
        for (way, asked) in &mut asks.of {
            if let Way::Medium(medium) = way {
                let (up, down) = flow.on_medium(&plan, *medium);
                *asked = bits_per_s * (there * up + back * down);
            }
        }
        if let Some(Aim { link, over: [up, down] }) = begins.aim {
            for (way, dir) in [DirId::forward(link), DirId::backward(link)].into_iter().enumerate() {
                let asked = bits_per_s * (there * up[way] + back * down[way]);
                asks.of.entry(Way::Direction(dir)).or_insert(asked);
            }
        }
        Ok(asks)
    }

    /// A host's link, out and in. Of a host with several, routing knows.
    fn add(&mut self, plan: &Plan, hosts: &BTreeSet<NodeId>, node: NodeId, [out, into]: [f64; 2]) {
        let [iface] = &plan.node(node).ifaces[..] else { return };
        if let Some(medium) = medium_of(plan, link_of(*iface)) {
            self.of.insert(Way::Medium(medium), 0.0);
            return;
        }
        *self.of.entry(Way::Direction(sends_on(*iface))).or_default() += out;
        // On a link between two of them, who sends has counted it.
        if !hosts.contains(&plan.neighbor_of(*iface)) {
            *self.of.entry(Way::Direction(sends_on(peer_of(*iface)))).or_default() += into;
        }
    }

    fn lasts_at(&self, instant: Instant) -> bool {
        self.times[0] <= instant && instant < self.times[1]
    }

    /// Says so when something is asked for more than it carries, by this workload or together with those that go on.
    pub(super) fn warn(&self, lua: &Lua, sim: &Shared, name: &str) -> mlua::Result<()> {
        let (world, plan, before) = (sim.world()?, sim.plan.borrow(), sim.traffic.borrow());
        let goes_on = |begun: &&Begun| {
            let workload = world.workload(begun.id);
            !workload.is_over() && !workload.is_stopped()
        };
        let others: Vec<&Begun> = before.iter().filter(goes_on).collect();
        // The sum only grows where one begins.
        let instants = others.iter().map(|other| other.asks.times[0]).filter(|at| self.lasts_at(*at));
        let instants: BTreeSet<Instant> = instants.chain([self.times[0]]).collect();
        let mut worst: Option<(f64, String)> = None;
        let mut n = 0;
        for (way, own) in &self.of {
            let carries = way.rate(&world, &plan);
            let all: f64 = others.iter().filter_map(|other| other.asks.of.get(way)).sum();
            if own + all <= carries * 1.001 {
                continue;
            }
            let at = |instant: &Instant| {
                let meets =
                    |other: &&&Begun| other.asks.lasts_at(*instant) && other.asks.of.contains_key(way);
                let with: Vec<&&Begun> = others.iter().filter(meets).collect();
                (with.iter().map(|other| other.asks.of[way]).sum::<f64>(), with)
            };
            let most = instants.iter().take(MOST_INSTANTS).map(at).max_by(|a, b| a.0.total_cmp(&b.0));
            let (rest, with) = most.expect("it begins at some time");
            // What was too much before was said then.
            if *own <= 1e-3 * carries || rest > carries || own + rest <= carries * 1.001 {
                continue;
            }
            n += 1;
            let share = (own + rest) / carries;
            if worst.as_ref().is_none_or(|(most, _)| share > *most) {
                let asks = if with.is_empty() { "asks" } else { "ask" };
                let with = match &with[..] {
                    [] => String::new(),
                    [other] => format!(" and {}", other.name),
                    others => format!(" and {} others", others.len()),
                };
                let text = format!(
                    "{} carries {}, and {name}{with} {asks} {} of it on average",
                    way.name(&plan),
                    rate(carries),
                    rate(own + rest)
                );
                worst = Some((share, text));
            }
        }
        let Some((_, text)) = worst else { return Ok(()) };
        let more = match n - 1 {
            0 => String::new(),
            1 => "; another link is asked for too much as well".to_owned(),
            n => format!("; {n} other links are asked for too much as well"),
        };
        let text = format!(
            "{text}, headers and acknowledgments included{more}\n  ever more flows will be under way at a time: ask for less, or of more hosts"
        );
        sim.out.borrow_mut().warn(text, here(lua));
        Ok(())
    }
}

/// With four digits.
fn rate(bits_per_s: f64) -> String {
    let unit = libm::pow(10.0, (libm::log10(bits_per_s.max(1e4)) - 3.0).floor());
    let rounded = (bits_per_s / unit).round() * unit;
    Rate::from_bits_per_s(rounded as u64).map_or_else(String::new, |rate| rate.to_string())
}
