//! Definitions for lua-language-server (LuaLS), made from the table of functions: completion, types and documentation in editors.

use super::{Fields, Func, Kind, Opt, Param, all, fields};
use std::collections::BTreeSet;
use std::fmt::Write;

const HEAD: &str = "---@meta tidewire\n-- Made by tidewire from the table that also checks scripts; `tidewire new` writes it anew.\n\n\
---@alias Time string|number         \"20ms\", or seconds\n\
---@alias Rate string|number         \"10Mbps\", or bit/s\n\
---@alias Size string|number         \"64KiB\", or bytes\n\
---@alias Probability string|number  \"1%\", or 0 to 1\n\
---@alias AnyNode Host|Switch|Hub|Device\n\
---@alias Where Host|Peer|string     a host, an address, or both with a port\n";

/// What has everything that another class has, too.
const PARENTS: &[(&str, &str)] = &[("Router", "Host"), ("Nat", "Router"), ("Ap", "Switch")];

/// Classes whose figures can be asked for with any unit: `flow.goodput_mbps`, `histogram:p95_ms()`.
const WITH_UNITS: &[&str] = &["Flow", "Histogram"];

/// The file for `workspace.library`.
pub fn meta() -> String {
    let functions = all();
    let mut text = HEAD.to_owned();
    let mut owners: Vec<&str> =
        functions.iter().map(|f| f.owner()).filter(|owner| !owner.is_empty()).collect();
    owners.extend(fields().iter().map(|fields| fields.of).filter(|of| !of.contains([':', '.', ' '])));
    let mut seen = BTreeSet::new();
    owners.retain(|owner| seen.insert(*owner));
    for fields in fields().iter().filter(|fields| fields.of.contains('.')) {
        class(&mut text, &class_name(fields.of), Some(fields));
    }
    for owner in owners {
        let own = fields().iter().find(|fields| fields.of == owner);
        class(&mut text, &class_name(owner), own);
        let global = if ["net", "random", "codec", "coding"].contains(&owner) { "" } else { "local " };
        let _ = writeln!(text, "{global}{} = {{}}", variable(owner));
    }
    text.push('\n');
    for f in functions {
        function(&mut text, f);
    }
    text
}

/// `Tcp` of `tcp`, `Host.Stats` of `host.stats`.
fn class_name(of: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|c| c.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
    };
    of.split('.').map(capital).collect::<Vec<_>>().join(".")
}

/// The variable that stands for a class in the file: its own name where it is global.
fn variable(owner: &str) -> String {
    if ["net", "random", "codec", "coding"].contains(&owner) { owner.to_owned() } else { class_name(owner) }
}

fn class(text: &mut String, name: &str, of: Option<&Fields>) {
    let parent = PARENTS.iter().find(|(class, _)| *class == name).map(|(_, parent)| format!(": {parent}"));
    if let Some(of) = of {
        let _ = writeln!(text, "\n---{}", of.doc.replace('\n', " "));
    } else {
        text.push('\n');
    }
    let _ = writeln!(text, "---@class {name}{}", parent.unwrap_or_default());
    for field in of.iter().flat_map(|of| of.all) {
        let nested = format!("{}.{}", of.map_or("", |of| of.of), field.name);
        let known = fields().iter().any(|fields| fields.of == nested);
        let kind = if known { class_name(&nested) } else { field_type(field.unit) };
        let unit = if ["text", "list", "table", "true or false", "histogram", "peer", "host", ""]
            .contains(&field.unit)
        {
            String::new()
        } else {
            format!(" ({})", field.unit)
        };
        let name = if is_name(field.name) { field.name.to_owned() } else { format!("[\"{}\"]", field.name) };
        let _ = writeln!(text, "---@field {name} {kind} {}{unit}", field.doc);
    }
    if WITH_UNITS.contains(&name) {
        text.push_str("---@field [string] any any figure with a unit: goodput_mbps, p95_ms\n");
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn field_type(unit: &str) -> String {
    match unit {
        "text" => "string".to_owned(),
        "list" => "any[]".to_owned(),
        "table" => "table".to_owned(),
        "true or false" => "boolean".to_owned(),
        "port" => "integer".to_owned(),
        "histogram" | "peer" | "host" => class_name(unit),
        _ => "number".to_owned(),
    }
}

fn function(text: &mut String, f: &Func) {
    let opts: Vec<&Opt> = f.opts.iter().copied().flatten().collect();
    let opts_class = format!("{}.Opts", class_name(&f.name.replace(':', ".")));
    let opts_class = if f.owner().is_empty() { format!("{}.Opts", class_name(f.name)) } else { opts_class };
    if !opts.is_empty() {
        let _ = writeln!(text, "---@class {opts_class}");
        opts.iter().for_each(|opt| option(text, opt));
    }
    let waits = if f.waits { " May take simulated time." } else { "" };
    let _ = writeln!(text, "---{}{waits}", f.doc.replace('\n', " "));
    let mut names: Vec<String> = f.params.iter().map(|p| safe(p.name)).collect();
    for param in f.params {
        let mark = if param.optional { "?" } else { "" };
        let _ = writeln!(text, "---@param {}{mark} {}", safe(param.name), kind(param.kind));
    }
    if !opts.is_empty() {
        let _ = writeln!(text, "---@param opts? {opts_class}");
        names.push("opts".to_owned());
    }
    if f.rest {
        text.push_str("---@param ... any\n");
        names.push("...".to_owned());
    }
    let returned = returned(f);
    returned.iter().for_each(|value| {
        let _ = writeln!(text, "---@return {value}");
    });
    if !opts.is_empty() && f.params.iter().any(|p| p.optional) {
        overload(text, f, &opts_class, &returned);
    }
    let name = match f.owner() {
        "" => f.name.to_owned(),
        owner => format!("{}{}{}", variable(owner), if f.name.contains(':') { ":" } else { "." }, f.short()),
    };
    let _ = writeln!(text, "function {name}({}) end\n", names.join(", "));
}

/// The options may come where an argument is left out.
fn overload(text: &mut String, f: &Func, opts: &str, returned: &[String]) {
    let needed: Vec<&Param> = f.params.iter().filter(|p| !p.optional).collect();
    let mut args: Vec<String> = Vec::new();
    if f.name.contains(':') {
        args.push(format!("self: {}", class_name(f.owner())));
    }
    args.extend(needed.iter().map(|p| format!("{}: {}", safe(p.name), kind(p.kind))));
    args.push(format!("opts: {opts}"));
    let types: Vec<&str> = returned.iter().filter_map(|value| value.split(' ').next()).collect();
    let gives = if types.is_empty() { String::new() } else { format!(": {}", types.join(", ")) };
    let _ = writeln!(text, "---@overload fun({}){gives}", args.join(", "));
}

fn option(text: &mut String, opt: &Opt) {
    let default = if opt.default.is_empty() { String::new() } else { format!(" (default {})", opt.default) };
    for name in std::iter::once(&opt.name).chain(opt.aliases) {
        let _ = writeln!(text, "---@field {}? {} {}{default}", safe_key(name), kind(opt.kind), opt.doc);
    }
}

/// Words of Lua cannot be names.
const WORDS: [&str; 6] = ["end", "function", "repeat", "until", "local", "global"];

fn safe(name: &str) -> String {
    if WORDS.contains(&name) { format!("{name}_") } else { name.to_owned() }
}

fn safe_key(name: &str) -> String {
    if WORDS.contains(&name) { format!("[\"{name}\"]") } else { name.to_owned() }
}

fn kind(kind: Kind) -> String {
    let literals =
        |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join("|");
    match kind {
        Kind::Bool => "boolean".to_owned(),
        Kind::Int(..) | Kind::Port => "integer".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Text | Kind::InterfaceAddress | Kind::Trace => "string".to_owned(),
        Kind::Time | Kind::Duration(..) => "Time".to_owned(),
        Kind::Patience(..) => "Time|false".to_owned(),
        Kind::Rate => "Rate".to_owned(),
        Kind::Size => "Size".to_owned(),
        Kind::Probability | Kind::Share => "Probability".to_owned(),
        Kind::Dscp | Kind::Distance | Kind::Data => "string|number".to_owned(),
        Kind::Node => "AnyNode".to_owned(),
        Kind::Host => "Host".to_owned(),
        Kind::Nodes | Kind::Table => "table".to_owned(),
        Kind::Peer => "Where".to_owned(),
        Kind::Function => "function".to_owned(),
        Kind::Choice(names) => literals(names),
        Kind::ChoiceOrFalse(names) => format!("{}|boolean", literals(names)),
        Kind::Loss
        | Kind::Queue
        | Kind::Jitter
        | Kind::Corrupt
        | Kind::Vlan
        | Kind::Arq
        | Kind::Processing => "string|number|table".to_owned(),
        Kind::Reps => "integer|table".to_owned(),
        Kind::Options(_) => "table".to_owned(),
        Kind::Texts => "string|string[]".to_owned(),
        Kind::Url => "string|table".to_owned(),
        _ => "any".to_owned(),
    }
}

/// Types and names of what a function gives, from the words of the reference.
fn returned(f: &Func) -> Vec<String> {
    let all = f.returns;
    if all.is_empty() {
        return Vec::new();
    }
    let (first, rest) = all.split_once(';').unwrap_or((all, ""));
    let may_fail = rest.contains("or nil") && !rest.contains("or nil)");
    let mut types: Vec<String> = match first {
        list if list.starts_with("list of hosts") => vec!["Host[]".to_owned()],
        list if list.starts_with("list of nodes") => vec!["AnyNode[]".to_owned()],
        list if list.starts_with("list of numbers") => vec!["number[]".to_owned()],
        list if list.starts_with("list") => vec!["table[]".to_owned()],
        table if table.starts_with('{') || table.starts_with("table") => vec!["table".to_owned()],
        "iterator" => vec!["fun(): any, any".to_owned()],
        words => words.split(", ").map(|word| word_type(word).to_owned()).collect(),
    };
    // A flow of several streams is a list of flows; a ping with a count gives a table.
    if ["flow", "node or link", "levels"].contains(&first) || first.contains(", or {") {
        types = vec!["any".to_owned()];
    }
    if f.name == "csv" {
        types = vec!["Csv".to_owned()];
    }
    if may_fail {
        types.push("string? err".to_owned());
    }
    types
}

fn word_type(word: &str) -> &'static str {
    match word.split(" or nil").next().unwrap_or(word).trim() {
        "socket" => "Tcp",
        "host" => "Host",
        "switch" => "Switch",
        "hub" => "Hub",
        "ap" => "Ap",
        "router" => "Router",
        "nat" => "Nat",
        "device" => "Device",
        "link" => "Link",
        "direction" => "Direction",
        "process" => "Process",
        "timer" => "Timer",
        "queue" => "Queue",
        "signal" => "Signal",
        "resource with the methods acquire" => "Resource",
        "peer" => "Peer",
        "ladder" => "Ladder",
        "series" => "Series",
        "histogram" => "Histogram",
        "counter" => "Counter",
        "gauge" => "Gauge",
        "number" | "s" | "bytes" | "bit/s" => "number",
        "whole number" | "count" => "integer",
        "text" | "data" | "bits" => "string",
        "true" | "boolean" => "boolean",
        _ => "any",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_name_every_function_option_and_field() {
        let text = meta();
        for f in all() {
            let call = format!("{}(", f.short());
            assert!(text.contains(&call), "{} is missing", f.name);
            for opt in f.opts.iter().copied().flatten() {
                assert!(
                    text.contains(&format!("---@field {}?", safe_key(opt.name))),
                    "{}: {}",
                    f.name,
                    opt.name
                );
            }
        }
        for fields in fields().iter().filter(|fields| !fields.of.contains([':', ' '])) {
            assert!(text.contains(&format!("---@class {}", class_name(fields.of))), "{}", fields.of);
        }
    }

    #[test]
    fn a_function_is_defined_with_its_types() {
        let text = meta();
        for part in [
            "---@class Net.Link.Opts\n---@field rate? Rate how fast it sends (default 1Gbps)",
            "---@param a AnyNode\n---@param b AnyNode\n---@param opts? Net.Link.Opts\n---@return Link\nfunction net:link(a, b, opts) end",
            "---@return Tcp\n---@return string? err\n",
            "function Host:connect(",
            "function sleep(time) end",
            "---@class Router: Host",
        ] {
            assert!(text.contains(part), "{part}\nis missing");
        }
    }

    #[test]
    fn the_file_is_lua() {
        let lua = mlua::Lua::new();
        lua.load(meta()).exec().unwrap();
    }
}
