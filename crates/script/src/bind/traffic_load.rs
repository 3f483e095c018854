//! How often flows begin so that a link is used as much as was asked, and links that are asked for more than they carry.

use super::traffic_cost::Packets;
use crate::call::Opts;
use crate::classes::{Direction, Link};
use crate::mistake::Mistake;
use crate::sim::{Shared, here};
use crate::values::Val;
use mlua::Lua;
use std::collections::BTreeMap;
use tidewire_l1_physical::DeliveryTrace;
use tidewire_l7_application::traffic::{Gaps, Pace, Pick, Sizes};
use tidewire_topology::{Plan, link_of, peer_of, sends_on};
use tidewire_units::{DirId, LinkId, NodeId, Rate, Span};
use tidewire_wire::AddressBook;
use tidewire_world::World;

/// Searches of ways to so many nodes of the network at most; then some of the hosts stand for all.
const MOST_LOOKS: usize = 4_000_000;

/// What a load is made of, and between whom.
pub(super) struct Flow<'a> {
    pub clients: &'a [NodeId],
    pub servers: &'a [NodeId],
    pub pick: &'a Pick,
    /// All send to all.
    pub same: bool,
    pub up: &'a Sizes,
    pub down: Option<&'a Sizes>,
    /// How many are begun at a time.
    pub each: usize,
    pub keep: bool,
    pub timestamps: bool,
}

/// The link that a load is a share of, when one was named.
#[derive(Clone, Copy)]
pub(crate) struct Aim {
    pub link: LinkId,
    /// The share of the flows that should cross it.
    pub crossed: f64,
}

/// When flows begin, and who begins them.
pub(super) struct Beginnings {
    pub pace: Pace,
    /// How often each client does, in proportion; empty: equally often.
    pub weights: Vec<u64>,
    pub aim: Option<Aim>,
}

impl Beginnings {
    fn of_all(pace: Pace) -> Beginnings {
        Beginnings { pace, weights: Vec::new(), aim: None }
    }

    /// The share of the flows that a client begins.
    fn share_of(&self, client: usize, clients: usize) -> f64 {
        let total: u64 = self.weights.iter().sum();
        self.weights.get(client).map_or(1.0 / clients as f64, |weight| *weight as f64 / total as f64)
    }
}

/// What fills the ways that a load is a share of: flows per second of all senders together.
struct Full {
    per_s: f64,
    weights: Vec<u64>,
    aim: Option<Aim>,
}

impl Flow<'_> {
    fn pair(&self, client: usize, server: usize) -> f64 {
        let likely = match self.pick {
            Pick::Fixed(of) => f64::from(u8::from(of[client] as usize == server)),
            _ if self.same && client == server => 0.0,
            _ => 1.0 / (self.servers.len() - usize::from(self.same)) as f64,
        };
        likely / self.clients.len() as f64
    }

    /// Bytes on a link from the client to the server and back, of a flow.
    fn costs(&self, world: &World, plan: &Plan, link: Option<LinkId>) -> (f64, f64) {
        let v6 = world.address_of(self.clients[0]).is_some_and(AddressBook::is_v6);
        let spec = link.map(|link| plan.link(link).spec.clone()).unwrap_or_default();
        let packets = Packets::new(spec.framing, spec.mtu, v6, self.timestamps);
        packets.cost(self.up, self.down, self.keep)
    }

    /// Bytes of a flow that leave and reach a sender's link. Among hosts that all send to each other, it carries the answers to others.
    fn each_way(&self, there: f64, back: f64) -> [f64; 2] {
        if self.same { [there + back; 2] } else { [there, back] }
    }

    /// Shares of what goes to servers, and of what comes back, that cross a link forward and backward.
    fn crossing(&self, plan: &Plan, link: LinkId) -> [[f64; 2]; 2] {
        let towards = |ends: &[NodeId], others: &[NodeId], pair: &dyn Fn(usize, usize) -> f64| {
            let searches = (MOST_LOOKS / plan.nodes().len().max(1)).max(1);
            let (mut over, mut all) = ([0.0; 2], 0.0);
            for end in (0..ends.len()).step_by(ends.len().div_ceil(searches)) {
                let from: Vec<_> = others.iter().enumerate().map(|(i, node)| (*node, pair(i, end))).collect();
                let found = plan.crossing(link, ends[end], &from);
                all += from.iter().map(|(_, share)| share).sum::<f64>();
                over = [over[0] + found[0], over[1] + found[1]];
            }
            over.map(|part| if all > 0.0 { part / all } else { 0.0 })
        };
        [
            towards(self.servers, self.clients, &|client, server| self.pair(client, server)),
            towards(self.clients, self.servers, &|server, client| self.pair(client, server)),
        ]
    }
}

/// One of load, rate and think.
pub(super) fn beginnings(sim: &Shared, opts: &Opts, flow: &Flow<'_>) -> mlua::Result<Beginnings> {
    let gaps = match opts.text("arrivals") {
        Some("constant") => Gaps::Constant,
        _ => Gaps::Exponential,
    };
    let load = match opts.get("load") {
        Some(Val::Probability(p)) => Some(p.get()),
        _ => None,
    };
    let (rate, think) = (opts.number("rate"), opts.span("think"));
    let (per_s, weights, aim) = match (load, rate, think) {
        (None, None, Some(think)) => return Ok(Beginnings::of_all(Pace::Closed(think))),
        (None, Some(rate), None) => (rate, Vec::new(), None),
        (Some(load), None, None) => {
            let full = full(sim, opts, flow)?;
            (load * full.per_s / flow.each as f64, full.weights, full.aim)
        }
        (None, None, None) if opts.int("count").is_some() => {
            return Ok(Beginnings::of_all(Pace::Closed(Span::ZERO)));
        }
        _ => {
            return Err(Mistake::new("net:traffic needs one of 'load', 'rate' and 'think'")
                .at_word("traffic")
                .note("load = 0.6 is a share of a link, rate = 100 is 100 a second, think = \"0s\" begins the next when one is over")
                .into());
        }
    };
    if !(per_s > 0.0 && per_s.is_finite()) {
        let word = if rate.is_some() { "rate" } else { "load" };
        return Err(Mistake::new(format!("{word} must be more than 0")).at_word(word).into());
    }
    Ok(Beginnings { pace: Pace::Open(Span::from_secs_f64(1.0 / per_s), gaps), weights, aim })
}

/// How many flows would fill what the load is a share of: of the ways that were meant the one that is full first.
fn full(sim: &Shared, opts: &Opts, flow: &Flow<'_>) -> mlua::Result<Full> {
    let means = [Some(flow.up), flow.down];
    if means.into_iter().flatten().any(|sizes| sizes.mean().is_infinite()) {
        return Err(Mistake::new("these sizes have no mean: there is no rate that gives this load")
            .at_word("load")
            .note("give the distribution a shape above 1, or a max")
            .into());
    }
    let named = named_link(opts)?;
    let (world, plan) = (sim.world()?, sim.plan.borrow());
    let first = plan.node(flow.clients[0]).ifaces.first().map(|iface| link_of(*iface));
    let (there, back) = flow.costs(&world, &plan, named.as_ref().map(|(link, _)| *link).or(first));
    let full = match (named, opts.rate("of")) {
        (Some(_), Some(_)) => {
            return Err(Mistake::new("load is a share of 'link' or of 'of', not of both")
                .at_word("of")
                .into());
        }
        (Some((link, dirs)), None) => of_link(&world, &plan, flow, (link, &dirs), (there, back)),
        (None, Some(of)) => {
            let each =
                of.bits_per_s() as f64 / 8.0 / flow.each_way(there, back).into_iter().fold(0.0, f64::max);
            Full { per_s: each * flow.clients.len() as f64, weights: Vec::new(), aim: None }
        }
        (None, None) => of_first_links(&world, &plan, flow, (there, back)),
    };
    if full.per_s.is_infinite() {
        return Err(Mistake::new("load is a share of a link's rate, and this link has none")
            .at_word("load")
            .note("write link = the link that is meant, of = \"1Gbps\" for each sender, or rate = 100 for 100 flows a second")
            .into());
    }
    Ok(full)
}

/// Of a link that was named, or of the directions of it.
fn of_link(
    world: &World,
    plan: &Plan,
    flow: &Flow<'_>,
    (link, dirs): (LinkId, &[DirId]),
    (there, back): (f64, f64),
) -> Full {
    let [up, down] = flow.crossing(plan, link);
    let cost = |dir: &DirId| {
        let way = usize::from(!dir.is_forward());
        let [one, other] = [way, 1 - way].map(|way| there * up[way] + back * down[way]);
        if medium_of(plan, link).is_some() { one + other } else { one }
    };
    // What routing will do may be another thing: when nothing seems to cross it, all may, and the end of the run tells.
    let (crossed, cost): (f64, &dyn Fn(&DirId) -> f64) = if dirs.iter().any(|dir| cost(dir) > 0.0) {
        (up[0] + up[1], &cost)
    } else {
        (1.0, &|_| there.max(back))
    };
    let per_s =
        dirs.iter().map(|dir| rate_of(world, plan, *dir) / 8.0 / cost(dir)).fold(f64::INFINITY, f64::min);
    Full { per_s, weights: Vec::new(), aim: Some(Aim { link, crossed }) }
}

/// Of the senders' first links, each as much as it can carry. A hub or an access point has one rate for all its stations and for both
/// ways, and its senders share it.
fn of_first_links(world: &World, plan: &Plan, flow: &Flow<'_>, (there, back): (f64, f64)) -> Full {
    let [out, into] = flow.each_way(there, back);
    let medium =
        |node: &NodeId| plan.node(*node).ifaces.first().and_then(|iface| medium_of(plan, link_of(*iface)));
    let mut stations: BTreeMap<NodeId, f64> = BTreeMap::new();
    for medium in flow.clients.iter().filter_map(medium) {
        *stations.entry(medium).or_default() += 1.0;
    }
    let each = |node: &NodeId| {
        let Some(iface) = plan.node(*node).ifaces.first() else { return 0.0 };
        let [sends, receives] =
            [*iface, peer_of(*iface)].map(|iface| rate_of(world, plan, sends_on(iface)) / 8.0);
        match medium(node) {
            Some(medium) => sends / (there + back) / stations[&medium],
            None => (sends / out).min(receives / into),
        }
    };
    let each: Vec<f64> = flow.clients.iter().map(each).collect();
    let (least, most) = each.iter().fold((f64::INFINITY, 0.0f64), |(a, b), x| (a.min(*x), b.max(*x)));
    let weight = |x: &f64| ((x / most * 4e9) as u64).max(1);
    let weights =
        if least < most && most.is_finite() { each.iter().map(weight).collect() } else { Vec::new() };
    Full { per_s: each.iter().sum(), weights, aim: None }
}

/// The hub or, by radio, the access point that a link belongs to.
fn medium_of(plan: &Plan, link: LinkId) -> Option<NodeId> {
    let by_radio = plan.link(link).spec.distance.is_some();
    let is_medium = |node: &NodeId| {
        let spec = &plan.node(*node).spec;
        spec.is_hub() || by_radio && spec.radio().is_some()
    };
    plan.link(link).ends.into_iter().find(is_medium)
}

/// What a direction carries now, in bit/s; of a recorded one, on average.
fn rate_of(world: &World, plan: &Plan, dir: DirId) -> f64 {
    let trace = plan.direction(dir).trace.as_ref();
    if let Some(trace) = trace.and_then(|times| DeliveryTrace::new(times.to_vec())) {
        return trace.mean_bps();
    }
    let medium = medium_of(plan, dir.link());
    let radio = medium.and_then(|medium| plan.node(medium).spec.radio());
    let rate = radio.map_or_else(|| world.port(dir).rate(), |radio| radio.rate);
    if rate.is_infinite() { f64::INFINITY } else { rate.bits_per_s() as f64 }
}

/// The link that all flows cross, and the directions of it that are meant.
fn named_link(opts: &Opts) -> mlua::Result<Option<(LinkId, Vec<DirId>)>> {
    let Some(Val::Any(value)) = opts.get("link") else { return Ok(None) };
    let wrong = || Mistake::new("link must be a link, as net:link() gives it").at_word("link");
    let data = value.as_userdata().ok_or_else(wrong)?;
    match (data.borrow::<Link>(), data.borrow::<Direction>()) {
        (Ok(link), _) => Ok(Some((link.0, vec![DirId::forward(link.0), DirId::backward(link.0)]))),
        (_, Ok(direction)) => Ok(Some((direction.0.link(), vec![direction.0]))),
        _ => Err(wrong().into()),
    }
}

/// Says so when the first link of somebody is asked for more than it carries, for longer than a moment.
pub(super) fn warn_of_overload(
    lua: &Lua,
    sim: &Shared,
    name: &str,
    flow: &Flow<'_>,
    (begins, count): (&Beginnings, Option<i64>),
) -> mlua::Result<()> {
    let Pace::Open(gap, _) = begins.pace else { return Ok(()) };
    let per_s = flow.each as f64 / gap.as_secs_f64();
    let is_short = count.is_some_and(|count| count as f64 * gap.as_secs_f64() < 1.0);
    if is_short || [Some(flow.up), flow.down].into_iter().flatten().any(|sizes| sizes.mean().is_infinite()) {
        return Ok(());
    }
    let (world, plan) = (sim.world()?, sim.plan.borrow());
    let first = plan.node(flow.clients[0]).ifaces.first().map(|iface| link_of(*iface));
    let (there, back) = flow.costs(&world, &plan, first);
    let mut asked: BTreeMap<DirId, f64> = BTreeMap::new();
    let mut add = |node: NodeId, flows_per_s: f64, [out, into]: [f64; 2]| {
        let first = plan.node(node).ifaces.first();
        if let Some(iface) = first.filter(|iface| medium_of(&plan, link_of(**iface)).is_none()) {
            *asked.entry(sends_on(*iface)).or_default() += flows_per_s * out * 8.0;
            *asked.entry(sends_on(peer_of(*iface))).or_default() += flows_per_s * into * 8.0;
        }
    };
    for (i, client) in flow.clients.iter().enumerate() {
        add(*client, per_s * begins.share_of(i, flow.clients.len()), [there, back]);
    }
    for server in flow.servers {
        add(*server, per_s / flow.servers.len() as f64, [back, there]);
    }
    let over = |(dir, asked): (DirId, f64)| {
        let carries = rate_of(&world, &plan, dir);
        (asked > carries * 1.001).then_some((asked / carries, asked, carries, dir))
    };
    let over: Vec<_> = asked.into_iter().filter_map(over).collect();
    let Some((_, asked, carries, dir)) = over.iter().max_by(|a, b| a.0.total_cmp(&b.0).then(b.3.cmp(&a.3)))
    else {
        return Ok(());
    };
    let [a, b] = plan.link(dir.link()).ends.map(|node| plan.node(node).name.as_str());
    let (from, to) = if dir.is_forward() { (a, b) } else { (b, a) };
    let others = match over.len() - 1 {
        0 => String::new(),
        n => format!(" (and of {n} more too much)"),
    };
    let rate =
        |bits: f64| Rate::from_bits_per_s(bits as u64).map_or_else(String::new, |rate| rate.to_string());
    let text = format!(
        "{name}: the link from {from} to {to} carries {}, and {} are asked of it on average{others}, headers and acknowledgments included\n  ever more flows will be under way at a time: ask for less, or of more hosts",
        rate(*carries),
        rate((asked / 1e3).round() * 1e3),
    );
    sim.out.borrow_mut().warn(text, here(lua));
    Ok(())
}
