//! How often flows begin so that a link is used as much as was asked.

use super::traffic_cost::{Kept, Packets};
use crate::call::Opts;
use crate::classes::{Direction, Link};
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::values::Val;
use std::collections::BTreeMap;
use tidewire_l1_physical::DeliveryTrace;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::traffic::{Gaps, Pace, Pick, Sizes};
use tidewire_topology::{Plan, link_of, peer_of, sender_of, sends_on};
use tidewire_units::{DirId, LinkId, NodeId, Span};
use tidewire_wire::AddressBook;
use tidewire_world::World;

/// Searches of ways to so many nodes of the network at most; then some of the hosts stand for all.
const MOST_LOOKS: usize = 500_000;

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
    pub gaps: Gaps,
    pub tcp: &'a TcpConfig,
}

/// The link that a load is a share of, when one was named.
#[derive(Clone, Copy)]
pub(crate) struct Aim {
    pub link: LinkId,
    /// Shares of what goes to servers, and of what comes back, that should cross it forward and backward, as shortest paths tell.
    pub over: [[f64; 2]; 2],
}

impl Aim {
    /// The share of the flows that should cross it. When nothing seems to, routing may do another thing, and all may.
    pub fn crossed(&self) -> f64 {
        let [up, _] = self.over;
        if up[0] + up[1] > 0.0 { up[0] + up[1] } else { 1.0 }
    }
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

    /// The share of the flows that each of so many clients begins.
    pub fn shares(&self, clients: usize) -> impl Iterator<Item = f64> {
        let total: u64 = self.weights.iter().sum();
        let share =
            move |i| self.weights.get(i).map_or(1.0 / clients as f64, |one: &u64| *one as f64 / total as f64);
        (0..clients).map(share)
    }
}

/// What carries so many bytes per second, and how much of what goes to servers and comes back it carries.
struct Line {
    bytes_per_s: f64,
    there: f64,
    back: f64,
}

/// What a load is a share of: for all senders together, or for each of them, lines of which the one that is full first counts.
struct Lines {
    of: Vec<Vec<Line>>,
    aim: Option<Aim>,
}

impl Lines {
    /// Flows per second that fill them, of each; a flow takes so many bytes there and back.
    fn full(&self, (there, back): (f64, f64)) -> Vec<f64> {
        let line = |line: &Line| line.bytes_per_s / (there * line.there + back * line.back);
        self.of.iter().map(|lines| lines.iter().map(line).fold(f64::INFINITY, f64::min)).collect()
    }
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

    /// Bytes on a link from the client to the server and back, of a flow of `per_s` in a second.
    pub fn costs(&self, world: &World, plan: &Plan, link: Option<LinkId>, per_s: f64) -> (f64, f64) {
        let v6 = world.address_of(self.clients[0]).is_some_and(AddressBook::is_v6);
        let spec = link.map(|link| plan.link(link).spec.clone()).unwrap_or_default();
        let packets = Packets::new(spec.framing, spec.mtu, v6, self.tcp);
        let others = match self.pick {
            Pick::Fixed(_) => 1,
            _ => self.servers.len() - usize::from(self.same),
        };
        let connections = self.clients.len() * others;
        let by_chance = connections > 1 || self.gaps == Gaps::Exponential;
        let kept =
            self.keep.then(|| Kept::new(per_s / connections as f64, self.round_trip_s(plan), by_chance));
        packets.cost(self.up, self.down, kept)
    }

    /// Propagation there and back, between the first client and a server.
    fn round_trip_s(&self, plan: &Plan) -> f64 {
        let server = match self.pick {
            Pick::Fixed(of) => self.servers[of[0] as usize],
            _ => self.servers[self.servers.len() - 1],
        };
        let path = plan.path(self.clients[0], server, &|_| true).unwrap_or_default();
        let step = |pair: &[NodeId]| {
            let ifaces = &plan.node(pair[0]).ifaces;
            let iface = ifaces.iter().find(|iface| plan.neighbor_of(**iface) == pair[1]);
            let delay = |dir| plan.direction(dir).delay.as_secs_f64();
            iface.map_or(0.0, |iface| delay(sends_on(*iface)) + delay(sends_on(peer_of(*iface))))
        };
        path.windows(2).map(step).sum()
    }

    /// Shares of what goes to servers, and of what comes back, that cross directions, by the place that `which` has for them.
    fn crossing(&self, plan: &Plan, which: &dyn Fn(DirId) -> Option<usize>) -> [[f64; 2]; 2] {
        let towards = |ends: &[NodeId], others: &[NodeId], pair: &dyn Fn(usize, usize) -> f64| {
            let searches = (MOST_LOOKS / plan.nodes().len().max(1)).max(1);
            let (mut over, mut all) = ([0.0; 2], 0.0);
            for end in (0..ends.len()).step_by(ends.len().div_ceil(searches)) {
                let from: Vec<_> = others.iter().enumerate().map(|(i, node)| (*node, pair(i, end))).collect();
                all += from.iter().map(|(_, share)| share).sum::<f64>();
                plan.spread(ends[end], &from, &mut |dir, part| {
                    if let Some(place) = which(dir) {
                        over[place] += part;
                    }
                });
            }
            over.map(|part| if all > 0.0 { part / all } else { 0.0 })
        };
        [
            towards(self.servers, self.clients, &|client, server| self.pair(client, server)),
            towards(self.clients, self.servers, &|server, client| self.pair(client, server)),
        ]
    }

    /// How often a packet to servers, and one that comes back, is sent on a hub or by radio.
    pub fn on_medium(&self, plan: &Plan, medium: NodeId) -> (f64, f64) {
        let by_radio = plan.node(medium).spec.radio().is_some();
        let [up, down] = self.crossing(plan, &|dir| {
            let is_leaving = plan.node_of(sender_of(dir)) == medium;
            // A hub repeats at once what it hears; an access point sends it anew.
            (medium_of(plan, dir.link()) == Some(medium) && (by_radio || !is_leaving)).then_some(0)
        });
        (up[0], down[0])
    }
}

/// One of load, rate and think.
pub(super) fn beginnings(sim: &Shared, opts: &Opts, flow: &Flow<'_>) -> mlua::Result<Beginnings> {
    let load = match opts.get("load") {
        Some(Val::Probability(p)) => Some(p.get()),
        _ => None,
    };
    let (rate, think) = (opts.number("rate"), opts.span("think"));
    let (per_s, weights, aim) = match (load, rate, think) {
        (None, None, Some(think)) => return Ok(Beginnings::of_all(Pace::Closed(think))),
        (None, Some(rate), None) => (rate, Vec::new(), None),
        (Some(load), None, None) => {
            let (full, aim) = full(sim, opts, flow, load)?;
            (load * full.iter().sum::<f64>() / flow.each as f64, weights(&full), aim)
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
    Ok(Beginnings { pace: Pace::Open(Span::from_secs_f64(1.0 / per_s), flow.gaps), weights, aim })
}

/// How many flows in a second would fill what the load is a share of, of each sender or of all together.
fn full(sim: &Shared, opts: &Opts, flow: &Flow<'_>, load: f64) -> mlua::Result<(Vec<f64>, Option<Aim>)> {
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
    let link = named.as_ref().map(|(link, _)| *link).or(first);
    let lines = match (named, opts.rate("of")) {
        (Some(_), Some(_)) => {
            return Err(Mistake::new("load is a share of 'link' or of 'of', not of both")
                .at_word("of")
                .into());
        }
        (Some((link, dirs)), None) => of_link(&world, &plan, flow, (link, &dirs)),
        (None, Some(of)) => {
            let bytes_per_s = of.bits_per_s() as f64 / 8.0;
            Lines {
                of: flow.clients.iter().map(|_| both_ways(flow.same, [bytes_per_s; 2])).collect(),
                aim: None,
            }
        }
        (None, None) => of_first_links(&world, &plan, flow),
    };
    // What a flow takes of a connection that is kept depends on how many there are, a little.
    let mut full = lines.full(flow.costs(&world, &plan, link, 0.0));
    for _ in 0..if flow.keep { 4 } else { 0 } {
        full = lines.full(flow.costs(&world, &plan, link, load * full.iter().sum::<f64>()));
    }
    if full.iter().any(|per_s| per_s.is_infinite()) {
        return Err(Mistake::new("load is a share of a link's rate, and this link has none")
            .at_word("load")
            .note("write link = the link that is meant, of = \"1Gbps\" for each sender, or rate = 100 for 100 flows a second")
            .into());
    }
    Ok((full, lines.aim))
}

/// How often each begins a flow, in proportion; empty when all do equally often.
fn weights(full: &[f64]) -> Vec<u64> {
    let (least, most) = full.iter().fold((f64::INFINITY, 0.0f64), |(a, b), x| (a.min(*x), b.max(*x)));
    if least == most { Vec::new() } else { full.iter().map(|x| ((x / most * 4e9) as u64).max(1)).collect() }
}

/// A sender's link, out and in. Among hosts that all send to each other, it carries the answers to others.
fn both_ways(same: bool, [out, into]: [f64; 2]) -> Vec<Line> {
    let line = |bytes_per_s, [there, back]: [f64; 2]| Line { bytes_per_s, there, back };
    if same {
        vec![line(out.min(into), [1.0, 1.0])]
    } else {
        vec![line(out, [1.0, 0.0]), line(into, [0.0, 1.0])]
    }
}

/// Of a link that was named, or of the directions of it.
fn of_link(world: &World, plan: &Plan, flow: &Flow<'_>, (link, dirs): (LinkId, &[DirId])) -> Lines {
    let rate = |dir: DirId| rate_of(world, plan, dir) / 8.0;
    if let Some(medium) = medium_of(plan, link) {
        let (there, back) = flow.on_medium(plan, medium);
        let bytes_per_s = rate(dirs[0]);
        return match there + back > 0.0 {
            true => Lines { of: vec![vec![Line { bytes_per_s, there, back }]], aim: None },
            false => {
                let aim = Aim { link, over: [[0.0; 2]; 2] };
                Lines { of: vec![both_ways(true, [bytes_per_s; 2])], aim: Some(aim) }
            }
        };
    }
    let [up, down] =
        flow.crossing(plan, &|dir| (dir.link() == link).then_some(usize::from(!dir.is_forward())));
    let line = |dir: &DirId| {
        let way = usize::from(!dir.is_forward());
        Line { bytes_per_s: rate(*dir), there: up[way], back: down[way] }
    };
    let (lines, aim): (Vec<Line>, _) =
        (dirs.iter().map(line).collect(), Some(Aim { link, over: [up, down] }));
    if lines.iter().any(|line| line.there + line.back > 0.0) {
        return Lines { of: vec![lines], aim };
    }
    // Then all may cross it, and the end of the run tells.
    let [first, last] = [dirs[0], dirs[dirs.len() - 1]].map(rate);
    Lines { of: vec![both_ways(false, [first, last])], aim }
}

/// Of the senders' first links, each as much as it can carry. A hub or an access point has one rate for all its stations and for both
/// ways, and its senders share it.
fn of_first_links(world: &World, plan: &Plan, flow: &Flow<'_>) -> Lines {
    let mut media: BTreeMap<NodeId, (f64, f64)> = BTreeMap::new();
    let mut lines = |node: &NodeId| {
        let Some(iface) = plan.node(*node).ifaces.first() else {
            // It has no address either, which is said later.
            return vec![Line { bytes_per_s: 1.0, there: 1.0, back: 1.0 }];
        };
        let ways = [*iface, peer_of(*iface)].map(|iface| rate_of(world, plan, sends_on(iface)) / 8.0);
        let Some(medium) = medium_of(plan, link_of(*iface)) else { return both_ways(flow.same, ways) };
        let (there, back) = *media.entry(medium).or_insert_with(|| flow.on_medium(plan, medium));
        // These are shares of all flows, and each sender begins one of so many.
        let n = flow.clients.len() as f64;
        vec![Line { bytes_per_s: ways[0], there: there * n, back: back * n }]
    };
    Lines { of: flow.clients.iter().map(&mut lines).collect(), aim: None }
}

/// The hub or, by radio, the access point that a link belongs to.
pub(super) fn medium_of(plan: &Plan, link: LinkId) -> Option<NodeId> {
    let by_radio = plan.link(link).spec.distance.is_some();
    let is_medium = |node: &NodeId| {
        let spec = &plan.node(*node).spec;
        spec.is_hub() || by_radio && spec.radio().is_some()
    };
    plan.link(link).ends.into_iter().find(is_medium)
}

/// What a direction carries now, in bit/s; of a recorded one, on average.
pub(super) fn rate_of(world: &World, plan: &Plan, dir: DirId) -> f64 {
    let trace = plan.direction(dir).trace.as_ref();
    if let Some(trace) = trace.and_then(|times| DeliveryTrace::new(times.to_vec())) {
        return trace.mean_bps();
    }
    let medium = medium_of(plan, dir.link());
    let radio = medium.and_then(|medium| plan.node(medium).spec.radio());
    let rate = radio.map_or_else(|| world.port(dir).rate(), |radio| radio.rate);
    if rate.is_infinite() { f64::INFINITY } else { rate.bits_per_s() as f64 }
}

/// The link that was named, and the directions of it that are meant.
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
