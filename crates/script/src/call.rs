//! Checks the arguments of a call against the table of functions.

use crate::mistake::{Mistake, did_you_mean};
use crate::sim::{Shared, here};
use crate::spec::{Func, Kind, Opt};
use crate::values::{Val, convert};
use mlua::{AnyUserData, Function, Lua, MultiValue, Table, Value};
use tidewire_units::{Bytes, Instant, Rate, Span};

/// The arguments of a call, checked.
pub(crate) struct Call {
    pub func: &'static Func,
    /// What the method was called on.
    pub this: Option<AnyUserData>,
    args: Vec<Option<Val>>,
    opts: Opts,
    /// Arguments beyond the named ones.
    pub rest: MultiValue,
}

/// Options that were given, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opts(Vec<(&'static str, Val)>);

impl Opts {
    /// An option's value, if it was given.
    pub fn get(&self, name: &str) -> Option<&Val> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub fn span(&self, name: &str) -> Option<Span> {
        self.get(name).and_then(Val::span)
    }

    pub fn rate(&self, name: &str) -> Option<Rate> {
        match self.get(name)? {
            Val::Rate(rate) => Some(*rate),
            _ => None,
        }
    }

    pub fn size(&self, name: &str) -> Option<Bytes> {
        match self.get(name)? {
            Val::Size(size) => Some(*size),
            _ => None,
        }
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Val::Int(n) => Some(*n),
            _ => None,
        }
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Val::Number(x) => Some(*x),
            _ => None,
        }
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Val::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Val::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A nested table of options; empty when it was not given.
    pub fn nested(&self, name: &str) -> Opts {
        match self.get(name) {
            Some(Val::Opts(opts)) => opts.clone(),
            _ => Opts::default(),
        }
    }
}

impl Call {
    /// The options.
    pub fn opts(&self) -> &Opts {
        &self.opts
    }

    /// A positional argument.
    pub fn arg(&self, i: usize) -> Option<&Val> {
        self.args.get(i).and_then(Option::as_ref)
    }

    /// Takes a positional argument out.
    pub fn take(&mut self, i: usize) -> Option<Val> {
        self.args.get_mut(i).and_then(Option::take)
    }

    pub fn text(&self, i: usize) -> Option<&str> {
        match self.arg(i)? {
            Val::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn int(&self, i: usize) -> Option<i64> {
        match self.arg(i)? {
            Val::Int(n) => Some(*n),
            _ => None,
        }
    }

    pub fn number(&self, i: usize) -> Option<f64> {
        match self.arg(i)? {
            Val::Number(x) => Some(*x),
            _ => None,
        }
    }

    pub fn function(&mut self, i: usize) -> Option<Function> {
        match self.take(i)? {
            Val::Function(function) => Some(function),
            _ => None,
        }
    }

    /// An option that must be there.
    pub fn required<T>(&self, name: &'static str, value: Option<T>) -> Result<T, Mistake> {
        value.ok_or_else(|| {
            let example = self
                .func
                .opts
                .iter()
                .flat_map(|group| group.iter())
                .find(|opt| opt.name == name)
                .map_or_else(String::new, |opt| opt.kind.describe());
            Mistake::new(format!("{} needs the option '{name}'", self.func.name))
                .note(format!("{name} is {example}"))
                .at_word(self.func.short())
        })
    }

    /// When to give up, from the option `timeout`, else from `default`.
    pub fn deadline(&self, now: Instant, default: Option<Span>) -> Instant {
        self.opts.span("timeout").or(default).map_or(Instant::MAX, |timeout| now + timeout)
    }
}

/// Reads the arguments of a call. Mistakes carry the place of the call.
pub(crate) fn check(lua: &Lua, sim: &Shared, func: &'static Func, args: MultiValue) -> mlua::Result<Call> {
    if !COMPUTES.contains(&func.owner()) && !COMPUTES.contains(&func.name) {
        sim.outside_of_controller(func.name).map_err(|mistake| placed(lua, mistake))?;
    }
    read(lua, sim, func, args).map_err(|mistake| placed(lua, with_a_dot(lua, sim, func, mistake)).into())
}

/// What can be called where the network cannot be used.
const COMPUTES: [&str; 4] = ["random", "seconds", "bytes", "bits_per_s"];

/// Where the source line calls the method with a dot, that is the mistake: the first argument has become the receiver. The same the other
/// way round.
fn with_a_dot(lua: &Lua, sim: &Shared, func: &'static Func, mistake: Mistake) -> Mistake {
    let short = func.short();
    let Some(line) = here(lua).and_then(|place| sim.sources.line(&place)) else { return mistake };
    // Functions of a table, such as random.uniform, are called with a dot.
    let (wrong, right) = if func.name.contains(':') { ('.', ':') } else { (':', '.') };
    if wrong == ':' && !func.name.contains('.') {
        return mistake;
    }
    let Some(at) = line.find(&format!("{wrong}{short}")) else { return mistake };
    let after = line[at + 1 + short.len()..].trim_start().chars().next();
    let is_name = |c: &char| c.is_alphanumeric() || *c == '_';
    let owner: String = line[..at].chars().rev().take_while(is_name).collect();
    let owner: String = owner.chars().rev().collect();
    let word = if right == ':' { "dot" } else { "colon" };
    if owner.is_empty() || !after.is_some_and(|c| "({\"'".contains(c)) {
        return mistake;
    }
    let text =
        format!("{owner}{wrong}{short}(...) is called with a {word}; write {owner}{right}{short}(...)");
    Mistake::new(text).at_word(short)
}

/// The same mistake with the place of the running call.
pub(crate) fn placed(lua: &Lua, mut mistake: Mistake) -> Mistake {
    if mistake.place.is_none() {
        mistake.place = here(lua);
    }
    mistake
}

fn read(lua: &Lua, sim: &Shared, func: &'static Func, mut args: MultiValue) -> Result<Call, Mistake> {
    let method = func.name.contains(':');
    let this = if method { Some(receiver(func, args.pop_front())?) } else { None };
    read_arguments(lua, sim, func, this, args)
}

/// Checks the arguments of a method of a module's object, which is a table. The values stay as they are.
pub(crate) fn check_object(
    lua: &Lua,
    sim: &Shared,
    func: &'static Func,
    mut args: MultiValue,
) -> mlua::Result<()> {
    let checked = match args.pop_front() {
        Some(Value::Table(_)) => read_arguments(lua, sim, func, None, args).map(|_| ()),
        _ => Err(with_dot(func)),
    };
    checked.map_err(|mistake| placed(lua, with_a_dot(lua, sim, func, mistake)).into())
}

fn read_arguments(
    lua: &Lua,
    sim: &Shared,
    func: &'static Func,
    this: Option<AnyUserData>,
    args: MultiValue,
) -> Result<Call, Mistake> {
    let mut values = Vec::with_capacity(func.params.len());
    let mut given = args.into_iter().peekable();
    let mut early = None;
    for (i, param) in func.params.iter().enumerate() {
        if early.is_some() {
            values.push(None);
            continue;
        }
        match given.next() {
            None | Some(Value::Nil) if param.optional => values.push(None),
            Some(Value::Nil) if matches!(param.kind, Kind::Any) => values.push(Some(Val::Any(Value::Nil))),
            None | Some(Value::Nil) => {
                return Err(Mistake::new(format!(
                    "{} needs {} as argument {} ({}), got nil",
                    func.name,
                    param.kind.describe(),
                    i + 1,
                    param.name
                ))
                .at_word(func.short()));
            }
            Some(Value::Table(table))
                if param.optional
                    && !func.opts.is_empty()
                    && !param.kind.takes_table()
                    && is_plain(&table) =>
            {
                early = Some(table);
                values.push(None);
            }
            Some(value) => {
                let context = format!("argument {} ({}) of {}", i + 1, param.name, func.name);
                values.push(Some(convert(lua, sim, param.kind, &value, param.name, &context)?));
            }
        }
    }
    let opts = match early {
        Some(table) => options(lua, sim, func.name, func.opts, &table)?,
        None if func.opts.is_empty() => Opts::default(),
        None => match given.next() {
            None | Some(Value::Nil) => Opts::default(),
            Some(Value::Table(table)) => options(lua, sim, func.name, func.opts, &table)?,
            Some(other) => return Err(not_options(func, &other)),
        },
    };
    let rest: MultiValue = given.collect();
    if !func.rest && rest.iter().any(|value| !value.is_nil()) {
        let most = func.params.len() + usize::from(!func.opts.is_empty());
        let s = if most == 1 { "" } else { "s" };
        return Err(
            Mistake::new(format!("{} takes at most {most} argument{s}", func.name)).at_word(func.short())
        );
    }
    Ok(Call { func, this, args: values, opts, rest })
}

/// What a method was called on.
fn receiver(func: &'static Func, this: Option<Value>) -> Result<AnyUserData, Mistake> {
    match this {
        Some(Value::UserData(this)) => Ok(this),
        _ => Err(with_dot(func)),
    }
}

fn with_dot(func: &'static Func) -> Mistake {
    let (owner, name) = (func.owner(), func.short());
    Mistake::new(format!("{owner}.{name}(...) is called with a dot; write {owner}:{name}(...)")).at_word(name)
}

fn not_options(func: &'static Func, value: &Value) -> Mistake {
    let has = |name| func.opts.iter().flat_map(|group| group.iter()).any(|opt: &Opt| opt.name == name);
    let short = func.short();
    if matches!(value, Value::Integer(_) | Value::Number(_)) && has("timeout") {
        return Mistake::new(format!(
            "a bare number is not a timeout here (in other languages {short}(1024) is a size)"
        ))
        .note(format!("write {short}{{ timeout = \"1s\" }}"))
        .at_word(short);
    }
    Mistake::new(format!(
        "{} takes its options in a table, such as {{ {} = ... }}, got a {}",
        func.name,
        func.opts.first().and_then(|group| group.first()).map_or("name", |opt| opt.name),
        type_name(value)
    ))
    .at_word(short)
}

/// Whether a table can be a table of options: it has no metatable.
fn is_plain(table: &Table) -> bool {
    table.metatable().is_none()
}

/// Reads a table of options.
pub(crate) fn options(
    lua: &Lua,
    sim: &Shared,
    owner: &str,
    groups: &'static [&'static [Opt]],
    table: &Table,
) -> Result<Opts, Mistake> {
    let all = || groups.iter().flat_map(|group| group.iter());
    let mut given = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        let Value::String(key) = &key else {
            return Err(Mistake::new(format!(
                "the options of {owner} have names, such as {{ {} = ... }}; one has none",
                all().next().map_or("name", |opt| opt.name)
            ))
            .at_word(owner.rsplit([':', '.']).next().unwrap_or(owner)));
        };
        let key = key.to_string_lossy();
        let has_routes = || all().any(|opt| opt.name == crate::spec::web::ROUTE);
        if crate::services::is_route(&key) && has_routes() {
            continue;
        }
        let Some(opt) = all().find(|opt| opt.name == key || opt.aliases.contains(&&*key)) else {
            return Err(unknown_option(owner, &key, groups));
        };
        let context = format!("option '{key}' of {owner}");
        let value = convert(lua, sim, opt.kind, &value, &key, &context)?;
        if given.iter().any(|(name, _)| *name == opt.name) {
            return Err(
                Mistake::new(format!("{owner} got '{}' twice, under two names", opt.name)).at_word(key)
            );
        }
        given.push((opt.name, value));
    }
    Ok(Opts(given))
}

fn unknown_option(owner: &str, key: &str, groups: &'static [&'static [Opt]]) -> Mistake {
    let all = || groups.iter().flat_map(|group| group.iter());
    let known = all().flat_map(|opt| [opt.name].into_iter().chain(opt.aliases.iter().copied()));
    let meant = did_you_mean(key, known);
    let names: Vec<&str> = all().map(|opt| opt.name).collect();
    // Of "tls of host:http_get" the function is what the reference knows.
    let function = owner.rsplit(" of ").next().unwrap_or(owner);
    let known = crate::spec::all().iter().any(|func| func.name == function);
    let topic = function.replace([':', '.'], " ");
    let hint = if known { format!("        (tidewire doc {topic})") } else { String::new() };
    Mistake::new(format!("unknown option '{key}' of {owner}{meant}"))
        .at_word(key)
        .note(format!("options: {}{hint}", names.join(" ")))
}

/// What a value is, in messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "coroutine",
        Value::UserData(data) => crate::classes::name_of(data),
        _ => "value",
    }
}
