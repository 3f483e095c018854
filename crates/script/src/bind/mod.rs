//! The Lua functions: each file registers those of one topic.
//!
//! | file | what is in it |
//! |---|---|
//! | `net.rs` | `net:host`, `net:link`, `net:find` ... |
//! | `shapes.rs` | `net:dumbbell`, `net:fat_tree` ... |
//! | `link.rs` | links and their directions |
//! | `host.rs` | `host:work`, `host:spawn`, fields of hosts, addresses |
//! | `ping.rs` | `host:ping`, `host:traceroute` |
//! | `tcp.rs`, `connect.rs`, `stream.rs` | TCP sockets: opening and closing, connecting and accepting, reading and writing |
//! | `udp.rs` | UDP sockets |
//! | `flow.rs` | native applications and their flows |
//! | `time.rs` | time and processes |
//! | `sync.rs` | queues, signals, resources |
//! | `random.rs` | chance |
//! | `measure.rs` | `record`, `histogram`, `series`, `check` ... |
//! | `experiment.rs`, `grid.rs` | `experiment{}`, and its points |

mod connect;
pub(crate) mod experiment;
pub(crate) mod flow;
mod grid;
pub(crate) mod host;
mod link;
pub(crate) mod measure;
mod net;
mod ping;
mod random;
mod shapes;
mod stream;
pub(crate) mod sync;
pub(crate) mod tcp;
mod time;
pub(crate) mod udp;

use crate::call::placed;
use crate::classes::Registry;
use crate::mistake::{Mistake, did_you_mean};
use crate::sim::Shared;
use mlua::{Lua, Table, Value};

/// Puts every function where scripts find it.
pub(crate) fn install(lua: &Lua, sim: &Shared) -> mlua::Result<()> {
    let mut registry = Registry::new(lua, sim)?;
    net::install(&mut registry)?;
    shapes::install(&mut registry)?;
    link::install(&mut registry)?;
    host::install(&mut registry)?;
    ping::install(&mut registry)?;
    tcp::install(&mut registry)?;
    stream::install(&mut registry)?;
    udp::install(&mut registry)?;
    flow::install(&mut registry)?;
    time::install(&mut registry)?;
    sync::install(&mut registry)?;
    random::install(&mut registry)?;
    measure::install(&mut registry)?;
    experiment::install(&mut registry)?;
    registry.finish()?;
    suggest_random(lua)?;
    lua.globals().raw_set("net", crate::classes::Net(()))
}

/// `random.unifrom` says what was probably meant.
fn suggest_random(lua: &Lua) -> mlua::Result<()> {
    let random: Table = lua.globals().raw_get("random")?;
    let functions = random.clone();
    let unknown = lua.create_function(move |lua, (_, key): (Value, Value)| -> mlua::Result<()> {
        let mut known = Vec::new();
        for pair in functions.clone().pairs::<String, Value>() {
            known.push(pair?.0);
        }
        known.sort();
        let key = key.to_string().unwrap_or_default();
        let meant = did_you_mean(&key, known.iter().map(String::as_str));
        let mistake = Mistake::new(format!("random has no function '{key}'{meant}")).at_word(key);
        Err(placed(lua, mistake.note(format!("there is: {}", known.join(" ")))).into())
    })?;
    let meta = lua.create_table()?;
    meta.raw_set("__index", unknown)?;
    random.set_metatable(Some(meta))
}
