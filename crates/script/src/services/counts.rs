//! What the services of a run counted: `services.csv`, made from what the reference says can be read off them.

use crate::classes::node_of;
use crate::sim::{Shared, Sim};
use crate::spec::fields_of;
use mlua::{Function, Lua, MultiValue, Table, Value};
use std::collections::BTreeSet;
use tidewire_metrics as metrics;

/// Functions that make services, and what these are called where their figures are described. Clients are not here: there may be one
/// for each request.
const MAKERS: &[(&str, &str)] = &[
    ("abr_player", "abr_player"),
    ("cache_server", "cache_server"),
    ("chat_server", "chat_server"),
    ("database_server", "database_server"),
    ("dns_resolver", "dns_resolver"),
    ("dns_server", "dns_server"),
    ("ftp_server", "ftp_server"),
    ("http_balancer", "http_balancer"),
    ("http_cache", "http_cache"),
    ("http_load", "http_load"),
    ("http_server", "http_server"),
    ("mail_server", "mail_server"),
    ("play", "playback"),
    ("queue_server", "queue_server"),
    ("queue_workers", "queue_workers"),
    ("rpc_server", "rpc_server"),
    ("ssh_server", "ssh_server"),
    ("tcp_proxy", "tcp_proxy"),
    ("telnet_server", "telnet_server"),
    ("transfer_server", "transfer_server"),
];

/// Units of what is no figure.
const NO_FIGURES: &[&str] = &["", "text", "port", "host", "peer", "true or false"];

/// Where the services of a run stand, in the order in which they were made.
const MADE: &str = "tidewire services";

const NOTED: &str = "local make, note = ... return function(...) return note(make(...)) end";

/// From now on what a module's functions make is known.
pub(super) fn watch(lua: &Lua, sim: &Shared, module: &Table) -> mlua::Result<()> {
    for (name, class) in MAKERS {
        let Some(make) = module.raw_get::<Option<Function>>(*name)? else { continue };
        let sim = sim.clone();
        let note = lua.create_function(move |lua, made: MultiValue| {
            note(lua, class, &made)?;
            sim.note_refusal(lua, name, &made);
            Ok(made)
        })?;
        let noted: Function = crate::state::compiled(lua, NOTED)?.call((make, note))?;
        module.raw_set(*name, noted)?;
    }
    Ok(())
}

fn note(lua: &Lua, class: &str, made: &MultiValue) -> mlua::Result<()> {
    let Some(service) = made.iter().find_map(Value::as_table) else { return Ok(()) };
    let all = match lua.named_registry_value::<Option<Table>>(MADE)? {
        Some(all) => all,
        None => {
            let all = lua.create_table()?;
            lua.set_named_registry_value(MADE, &all)?;
            all
        }
    };
    all.raw_push(
        lua.create_sequence_from([Value::String(lua.create_string(class)?), Value::Table(service.clone())])?,
    )
}

/// The table; nothing where there was no service.
pub(crate) fn table(lua: &Lua, sim: &Sim) -> Option<metrics::Table> {
    let all = lua.named_registry_value::<Option<Table>>(MADE).ok()??;
    let made: Vec<(String, Table)> = (all.sequence_values::<Table>().flatten())
        .filter_map(|each| Some((each.raw_get(1).ok()?, each.raw_get(2).ok()?)))
        .collect();
    let inner = |service: &Table| service.raw_get::<Option<Table>>("server").ok().flatten();
    let part_of_another: BTreeSet<usize> =
        made.iter().filter_map(|(_, service)| Some(inner(service)?.to_pointer() as usize)).collect();
    let mut table = metrics::Table::new(["service", "name", "host", "port", "counter", "value", "unit"]);
    for (class, service) in &made {
        if part_of_another.contains(&(service.to_pointer() as usize)) {
            continue;
        }
        let mut figures = Figures::default();
        figures.read(class, service);
        let server = inner(service);
        if let Some(server) = &server {
            figures.read("http_server", server);
        }
        let port = |from: &Table| from.raw_get::<Option<i64>>("port").ok().flatten();
        let port = port(service).or_else(|| port(server.as_ref()?));
        let text = |key: &str| service.raw_get::<Option<String>>(key).ok().flatten();
        let name = text("label").or_else(|| text("name"));
        let place = [
            class.as_str().into(),
            name.unwrap_or_default().as_str().into(),
            host_of(sim, service).as_str().into(),
            port.map_or(metrics::Value::Nothing, metrics::Value::Int),
        ];
        for (counter, value, unit) in figures.rows {
            let figure = [counter.as_str().into(), value, unit.into()];
            table.push(place.iter().cloned().chain(figure).collect());
        }
    }
    Some(table)
}

fn host_of(sim: &Sim, service: &Table) -> String {
    let node = service.raw_get::<Value>("host").ok().and_then(|host| node_of(&host));
    node.map_or_else(String::new, |node| sim.plan.borrow().node(node).name.clone())
}

#[derive(Default)]
struct Figures {
    rows: Vec<(String, metrics::Value, &'static str)>,
}

impl Figures {
    /// The figures that the reference lists for a class, in its order; of a table those of its parts.
    fn read(&mut self, class: &str, service: &Table) {
        for field in fields_of(class) {
            if NO_FIGURES.contains(&field.unit) || self.has(field.name) {
                continue;
            }
            // Some figures are worked out when they are asked for, by the service's own function.
            match service.get::<Value>(field.name) {
                Ok(Value::Table(parts)) if field.unit == "table" => self.parts(field.name, &parts),
                Ok(Value::Table(list)) if field.name == "backends" => self.backends(&list),
                Ok(value) => self.push(field.name.to_owned(), &value, field.unit),
                Err(_) => {}
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.rows.iter().any(|(known, ..)| known.split('.').next() == Some(name))
    }

    fn push(&mut self, name: String, value: &Value, unit: &'static str) {
        let value = match value {
            Value::Integer(n) => metrics::Value::Int(*n),
            Value::Number(x) if x.is_finite() => metrics::Value::Float(*x),
            _ => return,
        };
        self.rows.push((name, value, unit));
    }

    /// `faults.bad message`, `by_status.404`.
    fn parts(&mut self, name: &str, parts: &Table) {
        let pairs = parts.pairs::<Value, Value>().flatten();
        let mut pairs: Vec<(String, Value)> =
            pairs.filter_map(|(key, value)| Some((key.to_string().ok()?, value))).collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, value) in pairs {
            self.push(format!("{name}.{key}"), &value, "count");
        }
    }

    /// What went to each server behind a balancer: `backends.web1.connections`.
    fn backends(&mut self, list: &Table) {
        for each in list.sequence_values::<Table>().flatten() {
            let name = each.raw_get::<String>("name").unwrap_or_default();
            for (key, unit) in [("connections", "count"), ("failed", "count"), ("bytes", "bytes")] {
                let value = each.raw_get(key).unwrap_or(Value::Nil);
                self.push(format!("backends.{name}.{key}"), &value, unit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_serves_is_counted_and_has_figures() {
        // DHCP and the servers of QUIC and video have their figures elsewhere, or are HTTP servers.
        let other = ["dhcp_server", "abr_server"];
        for func in crate::spec::all() {
            let name = func.short();
            if func.owner() == "host"
                && (name.ends_with("_server") || name.ends_with("_resolver"))
                && !other.contains(&name)
            {
                assert!(MAKERS.iter().any(|(known, _)| *known == name), "{name}");
            }
        }
        for (name, class) in MAKERS {
            let figures = fields_of(class).iter().filter(|field| !NO_FIGURES.contains(&field.unit));
            assert!(figures.count() > 0, "{name}: nothing can be read off '{class}'");
        }
    }
}
