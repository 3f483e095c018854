//! Networks from files.

use super::net::mistake;
use super::shapes::{style, table_of};
use crate::Fault;
use crate::call::Call;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sim::{Shared, Sim};
use crate::spec::net as spec;
use mlua::{Lua, Table};
use tidewire_topology::generate::{self, Built, Style};
use tidewire_topology::import::{self, Sought};
use tidewire_topology::{AddressMode, HostSpec, NodeSpec, PlanError};
use tidewire_units::NodeId;
use tidewire_world::BuildError;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::NET_LOAD, load)
}

/// Hosts hang from the routers of a file that has none, unless the script says how many.
fn load(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<Table> {
    let file = call.text(0).unwrap_or_default().to_owned();
    let opts = call.opts();
    let style = Style { hosts: 0, ..style(opts, 0)? };
    let io = |why: String| Mistake::new(why).at_word(file.clone()).fault(Fault::Io);
    let bytes = sim.files.read(&file).map_err(io)?;
    let folder = folder_of(&file);
    let mut plan = sim.plan_mut("net:load()")?;
    sim.loaded.borrow_mut().push(file.clone());
    let imported = import::load(&mut plan, &file, &bytes, &style, &mut |name| {
        sim.files.read(&format!("{folder}{name}"))
    });
    let import::Imported { mut built, notes } =
        imported.map_err(|error| Mistake::new(error.to_string()).at_word(file.clone()))?;
    let default = u32::from(built.hosts.is_empty());
    let hosts = opts.int("hosts").map_or(default, |n| u32::try_from(n).unwrap_or(u32::MAX));
    let mut hosting = Built { nodes: built.nodes.clone(), ..Built::default() };
    generate::add_hosts(&mut plan, &Style { hosts, ..style }, &mut hosting).map_err(mistake)?;
    built.hosts.append(&mut hosting.hosts);
    built.access.append(&mut hosting.access);
    drop(plan);
    let table = table_of(lua, sim, &call, &built)?;
    table.raw_set("notes", lua.create_sequence_from(notes)?)?;
    Ok(table)
}

fn folder_of(file: &str) -> String {
    file.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default()
}

/// What keeps a network from being built, with its place if a file says it.
pub(crate) fn unbuildable(sim: &Sim, error: &BuildError) -> Mistake {
    let sought = match error {
        BuildError::Plan(PlanError::SubnetFull { prefix, .. }) => Some(Sought::Subnet(*prefix)),
        BuildError::Plan(PlanError::SameAddress6 { nodes: [_, second], .. }) => Some(Sought::Node(second)),
        _ => None,
    };
    let subnet = match error {
        BuildError::Plan(
            PlanError::SubnetFull { prefix, .. }
            | PlanError::TwoSubnets { second: prefix, .. }
            | PlanError::NotOneNetwork { prefix, .. }
            | PlanError::AmbiguousNetwork(prefix)
            | PlanError::NoSubnet(prefix),
        ) => Some(*prefix),
        _ => None,
    };
    let sentence = error.to_string();
    let mut mistake = Mistake::new(match sought {
        Some(sought) => with_place(sim, sought, sentence),
        None => sentence,
    });
    // It is known only now that the network is complete; what is wrong is said elsewhere.
    let places = sim.subnet_places.borrow();
    if let Some((prefix, Some(place))) = places.iter().rev().find(|(of, _)| Some(*of) == subnet) {
        mistake.place = Some(place.clone());
        mistake = mistake.at_word(prefix.to_string());
    }
    if let (BuildError::Plan(PlanError::SubnetFull { prefix, .. }), None) = (error, &mistake.place) {
        let plan = sim.plan.borrow();
        let fixed = |node: &NodeId| match &plan.node(*node).spec {
            NodeSpec::Host(HostSpec { ip: AddressMode::Fixed(ip), .. }) => {
                (ip.prefix() == *prefix).then_some(*ip)
            }
            _ => None,
        };
        if let Some((node, ip)) = plan.node_ids().find_map(|node| Some((node, fixed(&node)?))) {
            mistake.place = sim.places.borrow().get(node.index()).cloned().flatten();
            let note = format!("the subnet is that of the address {ip} of '{}'", plan.node(node).name);
            mistake = mistake.at_word(ip.to_string()).note(note);
        }
    }
    mistake
}

/// A sentence behind the place in a file that it is about, if there is one.
pub(crate) fn with_place(sim: &Sim, what: Sought<'_>, sentence: String) -> String {
    let place = sim.loaded.borrow().iter().find_map(|file| {
        let folder = folder_of(file);
        let bytes = sim.files.read(file).ok()?;
        import::place_of(file, &bytes, &mut |name| sim.files.read(&format!("{folder}{name}")), what)
    });
    match place {
        Some((file, 0)) => format!("{file}: {sentence}"),
        Some((file, line)) => format!("{file}:{line}: {sentence}"),
        None => sentence,
    }
}
