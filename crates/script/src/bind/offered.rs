//! Load that links cannot carry, found before time moves: what native applications will send, against the rates on their ways.

use crate::sim::{Mode, Shared, here};
use crate::{Place, Warning};
use mlua::Lua;
use std::collections::BTreeMap;
use tidewire_topology::{Framing, Plan, link_of, sends_on};
use tidewire_units::{IfaceId, Instant, LinkId, NodeId, Rate};

/// What a native application was told to send.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    src: NodeId,
    dst: NodeId,
    /// Mean rate of the payload, in bit/s.
    bits_per_s: f64,
    /// Payload of a datagram, in bytes.
    size: u64,
    /// Headers below the payload, in bytes.
    headers: u64,
    start: Instant,
    stop: Instant,
    place: Option<Place>,
}

/// Searches for ways beyond this would take long.
const MOST_LOOKS: usize = 20_000_000;

/// Remembers what was asked for.
pub(super) fn note(
    lua: &Lua,
    sim: &Shared,
    [src, dst]: [NodeId; 2],
    (rate, share): (Rate, f64),
    (size, headers): (u64, u64),
    [start, stop]: [Instant; 2],
) {
    if sim.mode != Mode::Build {
        return;
    }
    let bits_per_s = rate.bits_per_s() as f64 * share;
    let place = here(lua);
    sim.offered.borrow_mut().push(Offered { src, dst, bits_per_s, size, headers, start, stop, place });
}

/// The directions that cannot carry what will be sent over them at some time, where nothing leads around them at the same price.
pub(crate) fn overloads(offered: &[Offered], plan: &Plan) -> Vec<Warning> {
    let mut on: BTreeMap<IfaceId, Vec<(&Offered, f64)>> = BTreeMap::new();
    let size_of_plan = plan.nodes().len() + plan.links().len();
    for flow in offered.iter().take(MOST_LOOKS / size_of_plan.max(1) / 4) {
        for iface in way(plan, flow.src, flow.dst) {
            let link = plan.link(link_of(iface));
            let packet = flow.size + flow.headers;
            let frame = match link.spec.framing {
                Framing::Ethernet => packet.max(46) + 38,
                Framing::Ip => packet,
                Framing::Ppp => packet + 2,
            };
            on.entry(iface).or_default().push((flow, flow.bits_per_s * frame as f64 / flow.size as f64));
        }
    }
    on.into_iter().filter_map(|(iface, flows)| too_much(plan, iface, &flows)).collect()
}

fn too_much(plan: &Plan, iface: IfaceId, flows: &[(&Offered, f64)]) -> Option<Warning> {
    let spec = plan.direction(sends_on(iface));
    if spec.trace.is_some() || spec.rate.is_infinite() {
        return None;
    }
    // The load only grows where a flow begins.
    let at = |instant: Instant| {
        let active = flows.iter().filter(|(flow, _)| flow.start <= instant && instant < flow.stop);
        active.fold((0.0, 0), |(load, n), (_, own)| (load + own, n + 1))
    };
    let (load, n) = flows.iter().map(|(flow, _)| at(flow.start)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    if load <= spec.rate.bits_per_s() as f64 {
        return None;
    }
    let (from, to) = (&plan.node(plan.node_of(iface)).name, &plan.node(plan.neighbor_of(iface)).name);
    let who = if n == 1 { "one flow sends".to_owned() } else { format!("{n} flows send") };
    let text = format!(
        "the link from {from} to {to} carries {}, and {who} {:.3} Mbit/s over it, headers and gaps included: its queue will overflow",
        spec.rate,
        load / 1e6
    );
    Some(Warning { text, place: flows.last().and_then(|(flow, _)| flow.place.clone()) })
}

/// The interfaces that packets surely leave by on their way.
pub(super) fn way(plan: &Plan, src: NodeId, dst: NodeId) -> Vec<IfaceId> {
    let Some(path) = plan.path(src, dst, &|_| true) else { return Vec::new() };
    let step = |pair: &[NodeId]| {
        let leads = |iface: &&IfaceId| plan.neighbor_of(**iface) == pair[1];
        let mut ifaces = plan.node(pair[0]).ifaces.iter().filter(leads);
        // Of parallel links either may be taken.
        let only = *ifaces.next()?;
        ifaces.next().is_none().then_some(only)
    };
    let sure = |iface: &IfaceId| {
        let without = |link: LinkId| link != link_of(*iface);
        plan.path(src, dst, &without).is_none_or(|other| other.len() > path.len())
    };
    path.windows(2).filter_map(step).filter(sure).collect()
}
