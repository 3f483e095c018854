//! Networks from files.

use super::net::mistake;
use super::shapes::{style, table_of};
use crate::Fault;
use crate::call::Call;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::spec::net as spec;
use mlua::{Lua, Table};
use tidewire_topology::generate::{self, Built, Style};
use tidewire_topology::import;

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
    let folder = file.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let mut plan = sim.plan_mut("net:load()")?;
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
