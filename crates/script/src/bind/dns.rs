//! What the modules of name servers and resolvers stand on: messages, zones, caches, searches.

use super::{AnyText, Natives};
use crate::classes::{Registry, node_handle, node_of};
use crate::mistake::Mistake;
use crate::services::Loader;
use crate::sim::Shared;
use crate::spec::dns as spec;
use crate::values::{Peer, parse_peer, text};
use mlua::{
    AnyUserData, Function, IntoLua, IntoLuaMulti, Lua, LuaString, Table, UserData, UserDataMethods, Value,
};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use tidewire_l3_network::Prefix;
use tidewire_l7_application::dns::{
    Answer, Cache, Data, Found, Kind, Lookup, Message, Outcome, Rcode, Record, Servers, Step, Zone, bad_name,
    check_query, is_below, normal_name, reverse_name,
};
use tidewire_units::{Instant, Span};

pub(super) fn install(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    for func in [&spec::DNS_SERVER, &spec::DNS_RESOLVER, &spec::NET_RESOLVER, &spec::DNS_TREE] {
        services.add(registry, func, "dns")?;
    }
    for func in [&spec::RESOLVE, &spec::DIG, &spec::FLUSH_DNS, &spec::DNS_CACHE, &spec::HOST_RESOLVER] {
        services.add(registry, func, "names")?;
    }
    names(registry, services);
    Ok(())
}

/// Functions that take a host take a name too, once somebody answers for names: it is looked up first.
fn names(registry: &Registry<'_>, services: &Loader) {
    for (class, name, at) in [
        ("host", "ping", 1),
        ("host", "traceroute", 1),
        ("host", "connect", 1),
        ("tcp", "connect", 1),
        ("udp", "connect", 1),
        ("udp", "sendto", 2),
    ] {
        let (sim, need) = (registry.sim.clone(), services.need().clone());
        registry.later.wrap(class, name, move |lua, _, plain| {
            let names = sim.clone();
            let is_name = lua.create_function(move |_, to: Value| {
                let text = to.as_string().filter(|_| names.names.get()).map(|text| text.to_string_lossy());
                Ok(text.is_some_and(|text| matches!(parse_peer(&names, &text), Peer::Unknown(_))))
            })?;
            let host_of = lua.create_function(move |lua, this: AnyUserData| owner(lua, &sim, &this))?;
            crate::state::compiled(lua, NAMED)?.call((plain, at, is_name, host_of, need))
        });
    }
}

const NAMED: &str = r#"
local f, at, is_name, host_of, need = ...
local type, select = type, select
local function named(self, ...)
  local args = table.pack(...)
  local name, port = args[at]:match "^(.-):(%d+)$"
  local ip, why = need("names").lookup(host_of(self), name or args[at])
  if not ip then return nil, why end
  args[at] = port and ip .. ":" .. port or ip
  return f(self, table.unpack(args, 1, args.n))
end
return function(self, ...)
  local to = select(at, ...)
  if type(to) == "string" and is_name(to) then return named(self, ...) end
  return f(self, ...)
end
"#;

/// The host that a socket, or the host itself, belongs to.
fn owner(lua: &Lua, sim: &Shared, this: &AnyUserData) -> mlua::Result<AnyUserData> {
    let node = node_of(&Value::UserData(this.clone()))
        .or_else(|| this.borrow::<crate::classes::TcpHandle>().ok().map(|socket| socket.node))
        .or_else(|| this.borrow::<crate::classes::UdpHandle>().ok().map(|socket| socket.node));
    node_handle(lua, sim, node.ok_or_else(|| Mistake::new("no host"))?)
}

/// Functions that only the modules see.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("host_of", |lua, sim, this: AnyUserData| owner(lua, sim, &this))?;
    native.add("use_names", |_, sim, ()| {
        sim.names.set(true);
        Ok(())
    })?;
    native.add("dns_zone", |_, _, (origin, minimum): (String, f64)| {
        Ok(ZoneHandle(RefCell::new(Zone::new(&origin, minimum as u32))))
    })?;
    native.add("dns_cache", |_, _, (most, longest): (usize, f64)| {
        Ok(CacheHandle(RefCell::new(Cache::new(most, Span::from_secs_f64(longest))), RefCell::default()))
    })?;
    native.add("dns_lookup", |_, _, args: (AnyText, AnyText, Table, bool, u32)| {
        let (AnyText(name), AnyText(kind), servers, forward, tries) = args;
        let kind = kind_of(&kind)?;
        let servers = servers.sequence_values::<String>().filter_map(|ip| ip.ok()?.parse().ok()).collect();
        let lookup = match forward {
            true => Lookup::forwarded(&name, kind, servers, tries),
            false => Lookup::iterative(&name, kind, servers, tries),
        };
        Ok(LookupHandle(RefCell::new(lookup)))
    })?;
    native.add(
        "dns_query",
        |lua, sim, (AnyText(name), AnyText(kind), recursive): (AnyText, AnyText, bool)| {
            let id = sim.draw(lua, "dns", |stream| stream.between(0, 65_535) as u16);
            lua.create_string(Message::query(id, &name, kind_of(&kind)?, recursive).emit())
        },
    )?;
    native.add("dns_parse", |lua, _, bytes: LuaString| {
        Message::parse(&bytes.as_bytes()).map(|message| message_table(lua, &message)).transpose()
    })?;
    // Nothing where the bytes are a query that can be looked at; else a cause, and what is said to that.
    native.add("dns_check", |lua, _, bytes: LuaString| match check_query(&bytes.as_bytes()) {
        Ok(()) => Value::Nil.into_lua_multi(lua),
        Err((cause, None)) => cause.into_lua_multi(lua),
        Err((cause, Some(reply))) => (cause, lua.create_string(reply)?).into_lua_multi(lua),
    })?;
    // The reply to a query, from the zone that is closest; or nothing where no zone fits.
    native.add("dns_answer", |lua, _, (zones, bytes, most): (Table, LuaString, usize)| {
        let Some(query) = Message::parse(&bytes.as_bytes()).filter(|message| !message.response) else {
            return Value::Nil.into_lua_multi(lua);
        };
        let name = query.question.as_ref().map_or("", |(name, _)| name);
        let (mut best, mut length): (Option<(AnyUserData, usize)>, usize) = (None, 0);
        for (i, zone) in zones.sequence_values::<AnyUserData>().enumerate() {
            let zone = zone?;
            let (fits, own) = {
                let zone = zone.borrow::<ZoneHandle>()?;
                let zone = zone.0.borrow();
                (is_below(name, zone.origin()), zone.origin().len() + 1)
            };
            if fits && own > length {
                (best, length) = (Some((zone, i + 1)), own);
            }
        }
        let (reply, which) = match best {
            Some((zone, which)) => (zone.borrow::<ZoneHandle>()?.0.borrow().answer(&query), Some(which)),
            None => (Message::reply_to(&query, Rcode::Refused), None),
        };
        let what = match (&reply.rcode, reply.answers.is_empty()) {
            (Rcode::NoError, false) => "answer",
            (Rcode::NoError, true) if !reply.authoritative => "referral",
            (Rcode::Refused, _) => "refusal",
            _ => "denial",
        };
        (lua.create_string(reply.emit_within(most))?, which, what, name).into_lua_multi(lua)
    })?;
    // The reply of a resolver to a query, from what it found.
    native.add("dns_reply", |lua, _, (bytes, rcode, records, most): (LuaString, String, Table, usize)| {
        let Some(query) = Message::parse(&bytes.as_bytes()) else { return Ok(Value::Nil) };
        let rcode = match &*rcode {
            "NXDOMAIN" => Rcode::NxDomain,
            "SERVFAIL" => Rcode::ServFail,
            "REFUSED" => Rcode::Refused,
            "NOTIMP" => Rcode::NotImp,
            _ => Rcode::NoError,
        };
        let mut reply = Message::reply_to(&query, rcode);
        reply.recursion_available = true;
        for row in records.sequence_values::<Table>() {
            reply.answers.push(record_of(&row?)?);
        }
        if let Some(start) = records.raw_get::<Option<AnyUserData>>("denial")? {
            reply.authority.push(start.borrow::<RecordHandle>()?.0.clone());
        }
        lua.create_string(reply.emit_within(most)).map(Value::String)
    })?;
    native.add("reverse_name", |_, _, ip: AnyText| Ok(ip.0.parse::<IpAddr>().ok().map(reverse_name)))?;
    // 4 or 6, or nil.
    native.add("is_ip", |_, _, value: Value| {
        let ip = value.as_string().and_then(|text| text.to_string_lossy().parse::<IpAddr>().ok());
        Ok(ip.map(|ip| if ip.is_ipv4() { 4 } else { 6 }))
    })?;
    native.add("normal_name", |_, _, name: AnyText| Ok(normal_name(&name.0)))?;
    native.add("record_type", |_, _, kind: AnyText| Ok(kind_of(&kind.0).map(|_| ())?))?;
    native.add("bad_name", |_, _, name: AnyText| Ok(bad_name(&name.0)))?;
    native.add("is_in", |_, _, (AnyText(ip), AnyText(network)): (AnyText, AnyText)| {
        let prefix = network.parse::<Prefix>().map_err(|why| Mistake::new(why).at_word(&network))?;
        Ok(ip.parse::<Ipv4Addr>().is_ok_and(|ip| prefix.contains(ip)))
    })?;
    native.add("at_end", |_, sim, function: Function| {
        sim.handles.borrow_mut().at_end.push((function, None));
        Ok(())
    })
}

fn kind_of(name: &str) -> Result<Kind, Mistake> {
    Kind::from_name(name).ok_or_else(|| {
        let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        Mistake::new(format!("'{name}' is not a type of records known here"))
            .at_word(name)
            .note(format!("there is {}", all.join(" ")))
    })
}

/// `{ name, type, ttl, value [, preference] }` as a record.
fn record_of(row: &Table) -> mlua::Result<Record> {
    let kind = kind_of(&row.raw_get::<String>("type")?)?;
    let value: Value = row.raw_get("value")?;
    let value = text(&value).unwrap_or_default();
    let wrong = || {
        Mistake::new(format!("'{value}' is not what a record of the type {} can say", kind.name()))
            .at_word(&value)
    };
    let data = match kind {
        Kind::A => Data::A(value.parse().map_err(|_| wrong())?),
        Kind::Aaaa => Data::Aaaa(value.parse().map_err(|_| wrong())?),
        Kind::Ns => Data::Ns(normal_name(&value)),
        Kind::Cname => Data::Cname(normal_name(&value)),
        Kind::Ptr => Data::Ptr(normal_name(&value)),
        Kind::Mx => Data::Mx(row.raw_get::<Option<u16>>("preference")?.unwrap_or(10), normal_name(&value)),
        Kind::Txt => Data::Txt(value),
        Kind::Soa => start_of(&value).ok_or_else(wrong)?,
        Kind::Any | Kind::Other(_) => return Err(wrong().into()),
    };
    let ttl = row.raw_get::<Option<f64>>("ttl")?.unwrap_or(0.0);
    let name = normal_name(&row.raw_get::<AnyText>("name")?.0);
    for name in [Some(&*name), data.target()].into_iter().flatten() {
        if let Some(why) = bad_name(name) {
            return Err(Mistake::new(format!("the name '{name}' {why}")).at_word(name).into());
        }
    }
    Ok(Record { name, ttl: ttl as u32, data })
}

/// The start of a zone, as it is printed.
fn start_of(text: &str) -> Option<Data> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [server, _, serial, _, _, _, minimum] = parts[..] else { return None };
    Some(Data::Soa {
        server: normal_name(server),
        serial: serial.parse().ok()?,
        minimum: minimum.parse().ok()?,
    })
}

fn record_table(lua: &Lua, record: &Record) -> mlua::Result<Table> {
    let row = lua.create_table()?;
    row.raw_set("name", &*record.name)?;
    row.raw_set("ttl", record.ttl)?;
    row.raw_set("type", record.data.kind().name())?;
    let value = match &record.data {
        Data::Mx(preference, name) => {
            row.raw_set("preference", *preference)?;
            name.clone()
        }
        Data::Txt(text) => text.clone(),
        Data::Ns(name) | Data::Cname(name) | Data::Ptr(name) => name.clone(),
        _ => record.value(),
    };
    row.raw_set("value", value)?;
    row.raw_set("text", record.to_string())?;
    Ok(row)
}

fn records_table(lua: &Lua, records: &[Record]) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    records.iter().try_for_each(|record| list.raw_push(record_table(lua, record)?))?;
    Ok(list)
}

fn message_table(lua: &Lua, message: &Message) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("id", message.id)?;
    table.raw_set("rcode", message.rcode.name())?;
    table.raw_set("truncated", message.truncated)?;
    table.raw_set("authoritative", message.authoritative)?;
    table.raw_set("response", message.response)?;
    table.raw_set("recursive", message.recursion_desired)?;
    if let Some((name, kind)) = &message.question {
        table.raw_set("name", &**name)?;
        table.raw_set("type", kind.name())?;
    }
    table.raw_set("answers", records_table(lua, &message.answers)?)?;
    table.raw_set("authority", records_table(lua, &message.authority)?)?;
    table.raw_set("additional", records_table(lua, &message.additional)?)?;
    Ok(table)
}

/// A zone, as modules hold it.
struct ZoneHandle(RefCell<Zone>);

impl UserData for ZoneHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("add", |_, this, row: Table| {
            let record = record_of(&row)?;
            let (name, origin) = (&record.name, this.0.borrow().origin().to_owned());
            if !is_below(name, &origin) {
                let text = format!("'{name}' is not below '{origin}', the zone of this name server");
                return Err(Mistake::new(text).at_word(name).into());
            }
            this.0.borrow_mut().add(record);
            Ok(())
        });
        methods.add_method("remove", |_, this, (name, kind): (String, Option<String>)| {
            let kind = kind.map(|kind| kind_of(&kind)).transpose()?;
            this.0.borrow_mut().remove(&name, kind);
            Ok(())
        });
        methods.add_method("records", |lua, this, ()| {
            let all: Vec<Record> = this.0.borrow().records().cloned().collect();
            records_table(lua, &all)
        });
    }
}

/// A cache, and what is known of servers.
struct CacheHandle(RefCell<Cache>, RefCell<Servers>);

impl UserData for CacheHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("clear", |_, this, ()| {
            this.0.borrow_mut().clear();
            Ok(())
        });
        methods.add_method("list", |lua, this, now: f64| {
            let list = lua.create_table()?;
            for (name, kind, found) in this.0.borrow().list(instant(now)) {
                match found {
                    Some(Found::Records(records)) => {
                        for record in records {
                            list.raw_push(record_table(lua, &record)?)?;
                        }
                    }
                    Some(Found::Nothing(rcode)) => {
                        let row = lua.create_table()?;
                        row.raw_set("text", format!("{name}.\t\tIN\t{}\t; {}", kind.name(), rcode.name()))?;
                        row.raw_set("name", name)?;
                        row.raw_set("type", kind.name())?;
                        row.raw_set("denied", rcode.name())?;
                        list.raw_push(row)?;
                    }
                    None => {}
                }
            }
            Ok(list)
        });
    }
}

fn instant(seconds: f64) -> Instant {
    Instant::ZERO + Span::from_secs_f64(seconds)
}

/// A record, as modules pass it on.
struct RecordHandle(Record);

impl UserData for RecordHandle {}

/// A search, as modules hold it.
struct LookupHandle(RefCell<Lookup>);

impl UserData for LookupHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        // "ask", server, name, type, recursive, zone; or "done" and the answer.
        methods.add_method("next", |lua, this, (cache, now): (AnyUserData, f64)| {
            let cache = cache.borrow::<CacheHandle>()?;
            let step = this.0.borrow_mut().next(&cache.0.borrow(), &cache.1.borrow(), instant(now));
            match step {
                Step::Ask { server, zone, name, kind, recursive } => {
                    ("ask", server.to_string(), name, kind.name(), recursive, zone).into_lua_multi(lua)
                }
                Step::Done(answer) => ("done", answer_table(lua, &answer)?).into_lua_multi(lua),
            }
        });
        methods.add_method("heard", |_, this, args: (AnyUserData, LuaString, f64, String, f64)| {
            let (cache, bytes, now, server, took) = args;
            let cache = cache.borrow::<CacheHandle>()?;
            let Some(reply) = Message::parse(&bytes.as_bytes()) else {
                this.0.borrow_mut().silent();
                return Ok(());
            };
            if let Ok(server) = server.parse() {
                cache.1.borrow_mut().heard(server, Span::from_secs_f64(took));
            }
            this.0.borrow_mut().heard(&mut cache.0.borrow_mut(), &reply, instant(now));
            Ok(())
        });
        methods.add_method("silent", |_, this, (cache, server, waited): (AnyUserData, String, f64)| {
            let cache = cache.borrow::<CacheHandle>()?;
            if let Ok(server) = server.parse() {
                cache.1.borrow_mut().silent(server, Span::from_secs_f64(waited));
            }
            this.0.borrow_mut().silent();
            Ok(())
        });
    }
}

fn answer_table(lua: &Lua, answer: &Answer) -> mlua::Result<Value> {
    let table = records_table(lua, &answer.records)?;
    let outcome = match answer.outcome {
        Outcome::Found => "found",
        Outcome::NoSuchName => "no such host",
        Outcome::Timeout => "timeout",
        Outcome::Failed => "server failure",
    };
    table.raw_set("outcome", outcome)?;
    table.raw_set("queries", answer.queries)?;
    if let Some(start) = &answer.denial {
        if let Data::Soa { minimum, .. } = start.data {
            table.raw_set("denied_for", start.ttl.min(minimum))?;
        }
        table.raw_set("denial", lua.create_userdata(RecordHandle(start.clone()))?)?;
    }
    table.into_lua(lua)
}
