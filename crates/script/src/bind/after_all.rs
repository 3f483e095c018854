//! `after_all` of `experiment{}`: a function that sees the results of a whole sweep.

use super::experiment::to_lua;
use crate::sim::Shared;
use mlua::{Function, Lua, Table};
use tidewire_metrics as metrics;

/// The tables of a sweep, for `after_all`.
#[derive(Clone, Debug, Default)]
pub struct SweepTables {
    /// As in `runs.csv`.
    pub runs: metrics::Table,
    /// As in `summary.csv`.
    pub summary: metrics::Table,
    /// The folder of the results.
    pub folder: String,
}

/// `results.runs` and `results.summary` are lists of rows, which `results:summary()` gives, too.
const RESULTS: &str = r#"
local runs, summary, folder = ...
local function summarised(self, wanted)
  local rows = {}
  for _, row in ipairs(summary) do
    local fits = true
    for name, value in pairs(wanted or {}) do fits = fits and row[name] == value end
    if fits then rows[#rows + 1] = row end
  end
  return rows
end
return { runs = runs, folder = folder, summary = summarised }
"#;

/// Calls the function with the tables, if this is what the script is executed for.
pub(super) fn call(lua: &Lua, sim: &Shared, f: &Function) -> mlua::Result<()> {
    let Some(tables) = sim.after.borrow().clone() else { return Ok(()) };
    let (runs, summary) = (rows(lua, &tables.runs)?, rows(lua, &tables.summary)?);
    let results: Table = crate::state::compiled(lua, RESULTS)?.call((runs, summary, tables.folder))?;
    f.call(results)
}

fn rows(lua: &Lua, table: &metrics::Table) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    for row in &table.rows {
        let cells = lua.create_table()?;
        for (name, value) in table.columns.iter().zip(row) {
            cells.raw_set(name.as_str(), to_lua(lua, value)?)?;
        }
        list.raw_push(cells)?;
    }
    Ok(list)
}
