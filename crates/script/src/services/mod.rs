//! Services whose logic is written in Lua: the modules, loaded when a script first uses them.
//!
//! ```text
//!   host:http_server{...} --check (Rust)--> values without units --> module (Lua) --> sockets, parsers (Rust)
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `abr.lua` | video in segments |
//! | `balance.lua` | load balancers of connections |
//! | `browser.lua`, `kept.lua` | browsers; what caches of the web keep |
//! | `chat.lua` | a room for talk |
//! | `cookies.lua` | cookies of clients |
//! | `dns.lua`, `records.lua`, `names.lua` | name servers and resolvers; what can be a record; names where a host asks for them |
//! | `edge.lua` | caching proxies |
//! | `ftp.lua` | files |
//! | `given.lua` | what scripts give: bodies, servers |
//! | `http.lua` | HTTP clients |
//! | `http2.lua` | HTTP/2 |
//! | `lines.lua` | what services with lines share |
//! | `mail.lua` | mail |
//! | `rpc.lua` | remote calls |
//! | `server.lua` | HTTP servers |
//! | `load.lua` | many requests |
//! | `pool.lua` | how a server's processes share its connections; slow clients |
//! | `proxy.lua` | requests that go on to another server |
//! | `quic.lua` | QUIC: listening, connecting, streams |
//! | `probe.lua` | what `diagnose` looks at above the transport |
//! | `terminal.lua` | telnet and SSH |
//! | `frontend.lua` | front servers: requests that go on to one of several servers |
//! | `store.lua`, `tasks.lua`, `database.lua` | stores of values, queues of tasks, databases, and their clients |
//! | `wire.lua` | connections that clients keep |
//! | `trace.lua` | what each tier did for a request |
//! | `chain.lua` | a web chain in one call |
//! | `swarm.lua` | file distribution among peers |
//! | `tls.lua` | authorities, trust, handshakes |
//! | `transfer.lua` | transfers with checkpoints |
//! | `video.lua` | films that play while they load |
//!
//! `counts.rs` is what the services counted.
//!
//! A module is called with the native functions, and with `need(name)`, which gives another module. Its globals are those that
//! scripts have when they begin, whatever the script does to its own.

mod counts;

use crate::call::{Call, check, check_object};
use crate::classes::{Registry, located};
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::spec::{Func, Kind, Opt, tcp::SERVICE_TCP, web::ROUTE};
use crate::values::Val;
use mlua::{Function, IntoLua, Lua, MultiValue, Table, Value};

pub(crate) use counts::table as counts;

/// The modules by name.
const MODULES: &[(&str, &str)] = &[
    ("abr", include_str!("abr.lua")),
    ("balance", include_str!("balance.lua")),
    ("browser", include_str!("browser.lua")),
    ("chat", include_str!("chat.lua")),
    ("chain", include_str!("chain.lua")),
    ("cookies", include_str!("cookies.lua")),
    ("database", include_str!("database.lua")),
    ("dns", include_str!("dns.lua")),
    ("edge", include_str!("edge.lua")),
    ("ftp", include_str!("ftp.lua")),
    ("frontend", include_str!("frontend.lua")),
    ("given", include_str!("given.lua")),
    ("http", include_str!("http.lua")),
    ("http2", include_str!("http2.lua")),
    ("lines", include_str!("lines.lua")),
    ("load", include_str!("load.lua")),
    ("mail", include_str!("mail.lua")),
    ("names", include_str!("names.lua")),
    ("terminal", include_str!("terminal.lua")),
    ("store", include_str!("store.lua")),
    ("transfer", include_str!("transfer.lua")),
    ("video", include_str!("video.lua")),
    ("tls", include_str!("tls.lua")),
    ("pool", include_str!("pool.lua")),
    ("probe", include_str!("probe.lua")),
    ("proxy", include_str!("proxy.lua")),
    ("quic", include_str!("quic.lua")),
    ("records", include_str!("records.lua")),
    ("rpc", include_str!("rpc.lua")),
    ("server", include_str!("server.lua")),
    ("kept", include_str!("kept.lua")),
    ("tasks", include_str!("tasks.lua")),
    ("trace", include_str!("trace.lua")),
    ("wire", include_str!("wire.lua")),
    ("swarm", include_str!("swarm.lua")),
];

/// What a service's function is: arguments are checked, then the module's function of that name is called.
const SHIM: &str = r#"
local check, need, module, name = ...
local f
return function(...)
  f = f or need(module)[name]
  return f(check(...))
end
"#;

const COPY: &str = "local env = {} for key, value in next, (...) do env[key] = value end return env";

/// Where the modules are looked up.
pub(crate) struct Loader {
    loaded: Table,
    need: Function,
}

impl Loader {
    /// A loader; nothing is loaded yet.
    pub fn new(lua: &Lua, sim: &Shared) -> mlua::Result<Loader> {
        let loaded = lua.create_table()?;
        let (sim, modules) = (sim.clone(), loaded.clone());
        let need = lua.create_function(move |lua, name: String| module(lua, &sim, &modules, &name))?;
        Ok(Loader { loaded, need })
    }

    /// `need(name)`.
    pub fn need(&self) -> &Function {
        &self.need
    }

    /// From here on, what scripts do to their globals does not concern the modules.
    pub fn seal(&self, lua: &Lua) -> mlua::Result<()> {
        let env: Table = crate::state::compiled(lua, COPY)?.call(lua.globals())?;
        self.loaded.raw_set("env", env)?;
        self.loaded.raw_set("need", &self.need)
    }

    /// Adds a function whose work a module does, under the function's own name.
    pub fn add(
        &self,
        registry: &Registry<'_>,
        func: &'static Func,
        module: &'static str,
    ) -> mlua::Result<()> {
        let (sim, need) = (registry.sim.clone(), self.need.clone());
        let make = move |lua: &Lua| -> mlua::Result<Function> {
            let check = lua.create_function(move |lua, args: MultiValue| {
                checked(lua, &sim, func, args).map_err(|error| located(lua, error))
            })?;
            crate::state::compiled(lua, SHIM)?.call((check, need, module, func.short()))
        };
        match func.name.contains(':') {
            true => registry.later.method(func.owner(), func.short(), move |lua, _| make(lua)),
            false => registry.put(func, &make(registry.lua)?)?,
        }
        Ok(())
    }
}

fn module(lua: &Lua, sim: &Shared, loaded: &Table, name: &str) -> mlua::Result<Table> {
    if let Some(module) = loaded.raw_get::<Option<Table>>(name)? {
        return Ok(module);
    }
    let native: Table = match loaded.raw_get::<Option<Table>>("native")? {
        Some(native) => native,
        None => {
            let native = crate::bind::natives(lua, sim)?;
            loaded.raw_set("native", &native)?;
            native
        }
    };
    let (_, text) = MODULES.iter().find(|(known, _)| *known == name).expect("a module that is there");
    let (env, need): (Table, Function) = (loaded.raw_get("env")?, loaded.raw_get("need")?);
    let chunk = lua.load(*text).set_name("=tidewire").set_environment(env);
    let module: Table = chunk.call((native, need))?;
    counts::watch(lua, sim, &module)?;
    loaded.raw_set(name, &module)?;
    Ok(module)
}

/// The names that the reference has for classes that call themselves otherwise.
const OWNERS: &[(&str, &str)] = &[
    ("ftp session", "ftp"),
    ("rpc client", "rpc"),
    ("quic connection", "quic_conn"),
    ("video player", "abr_player"),
];

/// What checks the arguments of a method of a module's object, as the reference describes it; nothing where it does not.
pub(crate) fn checker(lua: &Lua, sim: &Shared, class: &str, method: &str) -> mlua::Result<Option<Function>> {
    let owner = OWNERS.iter().find(|(own, _)| *own == class).map_or(class, |(_, owner)| owner);
    let name = format!("{}:{method}", owner.replace(' ', "_"));
    let alike = crate::spec::web::LIKE_GET.iter();
    let Some(func) = crate::spec::all().into_iter().chain(alike).find(|func| func.name == name) else {
        return Ok(None);
    };
    let sim = sim.clone();
    let check = lua.create_function(move |lua, args: MultiValue| {
        check_object(lua, &sim, func, args).map_err(|error| located(lua, error))
    })?;
    Ok(Some(check))
}

/// The arguments, checked: values with units as numbers of seconds, bytes, bit/s; options under their own names. Options of TCP
/// are gathered in `opts.tcp` as they were written, and keys that are paths in `opts.routes`.
fn checked(lua: &Lua, sim: &Shared, func: &'static Func, mut args: MultiValue) -> mlua::Result<MultiValue> {
    sim.touch()?;
    if func.params.first().is_some_and(|param| matches!(param.kind, Kind::Url)) {
        split_first(lua, &mut args)?;
    }
    let raw: Vec<Value> = args.iter().cloned().collect();
    let call = check(lua, sim, func, args)?;
    let mut given = raw.into_iter().peekable();
    let mut out = MultiValue::new();
    if func.name.contains(':') {
        out.extend(given.next());
    }
    for i in 0..func.params.len() {
        match call.arg(i) {
            Some(value) => {
                let raw = given.next().unwrap_or(Value::Nil);
                out.push_back(plain(lua, value, raw)?);
            }
            None => {
                given.next_if(Value::is_nil);
                out.push_back(Value::Nil);
            }
        }
    }
    if !func.opts.is_empty() {
        let table = given.find_map(|value| value.as_table().cloned());
        let table = table.map_or_else(|| lua.create_table(), Ok)?;
        out.push_back(Value::Table(options(lua, sim, func, &call, &table)?));
    }
    Ok(out)
}

/// `{ host, port, path, timeout = ... }` becomes `{ host, port, path }, { timeout = ... }`.
fn split_first(lua: &Lua, args: &mut MultiValue) -> mlua::Result<()> {
    let Some(Value::Table(mixed)) = args.get(1) else { return Ok(()) };
    let (place, opts, mut named) = (lua.create_table()?, lua.create_table()?, false);
    for pair in mixed.pairs::<Value, Value>() {
        match pair? {
            (Value::String(key), value) => {
                named = true;
                opts.raw_set(key, value)?;
            }
            (key, value) => place.raw_set(key, value)?,
        }
    }
    if !named {
        return Ok(());
    }
    if args.len() > 2 {
        return Err(Mistake::new(
            "options stand in the same table as the URL, or in a second one, not in both",
        )
        .into());
    }
    let this = args.pop_front().unwrap_or(Value::Nil);
    *args = MultiValue::from_iter([this, Value::Table(place), Value::Table(opts)]);
    Ok(())
}

fn options(lua: &Lua, sim: &Shared, func: &'static Func, call: &Call, raw: &Table) -> mlua::Result<Table> {
    let opts = lua.create_table()?;
    let is_tcp = |opt: &Opt| SERVICE_TCP.iter().any(|tcp| tcp.name == opt.name);
    let mut tcp = None;
    for opt in func.opts.iter().flat_map(|group| group.iter()) {
        let Some(value) = call.opts().get(opt.name) else { continue };
        let names = [opt.name].into_iter().chain(opt.aliases.iter().copied());
        let given =
            names.map(|name| raw.raw_get::<Value>(name)).find(|value| !matches!(value, Ok(Value::Nil)));
        let given = given.unwrap_or(Ok(Value::Nil))?;
        if is_tcp(opt) {
            let tcp = tcp.get_or_insert(lua.create_table()?);
            tcp.raw_set(opt.name, given)?;
        } else {
            opts.raw_set(opt.name, plain(lua, value, given)?)?;
        }
    }
    opts.raw_set("tcp", tcp)?;
    if func.opts.iter().flat_map(|group| group.iter()).any(|opt| opt.name == ROUTE) {
        let routes = lua.create_table()?;
        for pair in raw.pairs::<Value, Value>() {
            if let (Value::String(key), value) = pair?
                && is_route(&key.to_string_lossy())
            {
                routes.raw_set(key, value)?;
            }
        }
        opts.raw_set("routes", routes)?;
    }
    opts.raw_set("place", sim.place_of(lua, func.short()).map(|at| format!("{}:{}", at.file, at.line)))?;
    Ok(opts)
}

/// `/users/:id`, `PUT /users/:id`.
pub(crate) fn is_route(key: &str) -> bool {
    let path = key.split_once(' ').map_or(key, |(method, path)| {
        if method.bytes().all(|byte| byte.is_ascii_uppercase()) { path } else { "" }
    });
    path.starts_with('/')
}

/// A value without its unit.
fn plain(lua: &Lua, value: &Val, raw: Value) -> mlua::Result<Value> {
    Ok(match value {
        Val::Span(span) => Value::Number(span.as_secs_f64()),
        Val::Size(size) => Value::Integer(size.0 as i64),
        Val::Rate(rate) => Value::Integer(rate.bits_per_s() as i64),
        Val::Probability(p) => Value::Number(p.get()),
        Val::Texts(texts) => texts.clone().into_lua(lua)?,
        // A number where a text is meant.
        Val::Text(text) if !raw.is_string() => text.as_str().into_lua(lua)?,
        _ => raw,
    })
}
