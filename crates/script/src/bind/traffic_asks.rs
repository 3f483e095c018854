//! What traffic asks of the links next to its hosts, and links that are asked for more than they carry.

use super::traffic_load::{Beginnings, Flow, medium_of, rate_of};
use crate::sim::{Shared, here};
use mlua::Lua;
use std::collections::BTreeMap;
use tidewire_l7_application::traffic::Pace;
use tidewire_topology::{link_of, peer_of, sends_on};
use tidewire_units::{DirId, Instant, NodeId, Rate};

/// Mean bit/s that a workload asks of directions while it lasts.
#[derive(Default)]
pub(crate) struct Asks {
    of: BTreeMap<DirId, f64>,
    times: [Instant; 2],
}

impl Asks {
    /// Nothing for what lasts a moment only, or is limited by its own answers.
    pub(super) fn new(
        sim: &Shared,
        flow: &Flow<'_>,
        begins: &Beginnings,
        (count, times): (Option<i64>, [Instant; 2]),
    ) -> mlua::Result<Asks> {
        let mut asks = Asks { of: BTreeMap::new(), times };
        let Pace::Open(gap, _) = begins.pace else { return Ok(asks) };
        let is_short = count.is_some_and(|count| count as f64 * gap.as_secs_f64() < 1.0);
        let has_mean = [Some(flow.up), flow.down].into_iter().flatten().all(|sizes| sizes.mean().is_finite());
        if is_short || !has_mean {
            return Ok(asks);
        }
        let per_s = flow.each as f64 / gap.as_secs_f64();
        let (world, plan) = (sim.world()?, sim.plan.borrow());
        let first = plan.node(flow.clients[0]).ifaces.first().map(|iface| link_of(*iface));
        let (there, back) = flow.costs(&world, &plan, first, per_s);
        let takes_part = |node: NodeId| flow.clients.contains(&node) || flow.servers.contains(&node);
        let mut add = |node: NodeId, flows_per_s: f64, [out, into]: [f64; 2]| {
            let first = plan.node(node).ifaces.first();
            if let Some(iface) = first.filter(|iface| medium_of(&plan, link_of(**iface)).is_none()) {
                *asks.of.entry(sends_on(*iface)).or_default() += flows_per_s * out * 8.0;
                // On a link between two of them, who sends has counted it.
                if !takes_part(plan.neighbor_of(*iface)) {
                    *asks.of.entry(sends_on(peer_of(*iface))).or_default() += flows_per_s * into * 8.0;
                }
            }
        };
        for (i, client) in flow.clients.iter().enumerate() {
            add(*client, per_s * begins.share_of(i, flow.clients.len()), [there, back]);
        }
        for server in flow.servers {
            add(*server, per_s / flow.servers.len() as f64, [back, there]);
        }
        Ok(asks)
    }

    /// Says so when a link is asked for more than it carries, by this workload or together with those that there were before.
    pub(super) fn warn(&self, lua: &Lua, sim: &Shared, name: &str) -> mlua::Result<()> {
        let before = sim.traffic.borrow();
        let meets = |other: &&Asks| other.times[0] < self.times[1] && self.times[0] < other.times[1];
        let others: Vec<&Asks> = before.iter().map(|begun| &begun.asks).filter(meets).collect();
        let (world, plan) = (sim.world()?, sim.plan.borrow());
        let over = |(dir, own): (&DirId, &f64)| {
            let carries = rate_of(&world, &plan, *dir);
            let asked = own + others.iter().filter_map(|other| other.of.get(dir)).sum::<f64>();
            // What was too much before was said then.
            let is_new = *own > 1e-3 * carries && asked - own <= carries;
            (is_new && asked > carries * 1.001).then_some((asked / carries, asked, carries, *dir))
        };
        let over: Vec<_> = self.of.iter().filter_map(over).collect();
        let worst = over.iter().max_by(|a, b| a.0.total_cmp(&b.0).then(b.3.cmp(&a.3)));
        let Some((_, asked, carries, dir)) = worst else { return Ok(()) };
        let [a, b] = plan.link(dir.link()).ends.map(|node| plan.node(node).name.as_str());
        let (from, to) = if dir.is_forward() { (a, b) } else { (b, a) };
        let more = match over.len() - 1 {
            0 => String::new(),
            1 => " (and of one more link too much)".to_owned(),
            n => format!(" (and of {n} more links too much)"),
        };
        let together = match others.iter().filter(|other| other.of.contains_key(dir)).count() {
            0 => String::new(),
            1 => " with one more before".to_owned(),
            n => format!(" with {n} more before"),
        };
        let rate =
            |bits: f64| Rate::from_bits_per_s(bits as u64).map_or_else(String::new, |rate| rate.to_string());
        let text = format!(
            "{name}: the link from {from} to {to} carries {}, and {} are asked of it on average{together}{more}, headers and acknowledgments included\n  ever more flows will be under way at a time: ask for less, or of more hosts",
            rate(*carries),
            rate((asked / 1e3).round() * 1e3),
        );
        sim.out.borrow_mut().warn(text, here(lua));
        Ok(())
    }
}
