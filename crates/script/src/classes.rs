//! The types that scripts see, and how their methods and fields are found.

use crate::call::{Call, check, placed};
use crate::later::Later;
use crate::mistake::{Mistake, did_you_mean};
use crate::sched::Record;
use crate::sim::{Shared, here};
use crate::spec::Func;
use crate::values::parse_peer;
use mlua::{
    AnyUserData, Function, IntoLuaMulti, Lua, MultiValue, Table, UserData, UserDataFields, UserDataRegistry,
    Value,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use tidewire_topology::NodeKind;
use tidewire_units::{DirId, LinkId, NodeId};
use tidewire_world::FlowId;

/// Declares the types: name in Lua, name of many in messages.
macro_rules! classes {
    ($($(#[$doc:meta])* $type:ident $body:tt, $name:literal, $plural:literal;)*) => {
        $(
            classes!(@struct $(#[$doc])* $type $body);
            impl UserData for $type {
                fn register(registry: &mut UserDataRegistry<Self>) {
                    lookups(registry, $name);
                }
            }
        )*
        /// Every type: its name, and that of many.
        pub(crate) const CLASSES: &[(&str, &str)] = &[$(($name, $plural)),*];

        /// What a value is, in messages.
        pub(crate) fn name_of(data: &AnyUserData) -> &'static str {
            $(if data.is::<$type>() { return $name; })*
            "value"
        }
    };
    (@struct $(#[$doc:meta])* $type:ident { external }) => {};
    (@struct $(#[$doc:meta])* $type:ident ($($field:tt)*)) => {
        $(#[$doc])* pub(crate) struct $type($($field)*);
    };
}

pub(crate) use crate::bind::flow::FlowHandle;
use crate::bind::ladder::Recording;
pub(crate) use crate::bind::measure::{CsvTable, Numbered};
pub(crate) use crate::bind::sync::{Bell, Line, Units};
pub(crate) use crate::bind::tcp::TcpHandle;
pub(crate) use crate::bind::traffic::TrafficHandle;
pub(crate) use crate::bind::udp::UdpHandle;

classes! {
    /// The network.
    Net(pub ()), "net", "the network has";
    /// A host.
    Host(pub NodeId), "host", "hosts have";
    /// A switch.
    Switch(pub NodeId), "switch", "switches have";
    /// A hub.
    Hub(pub NodeId), "hub", "hubs have";
    /// An access point.
    Ap(pub NodeId), "ap", "access points have";
    /// A router.
    Router(pub NodeId), "router", "routers have";
    /// An address translator.
    Nat(pub NodeId), "nat", "address translators have";
    /// A device of the script.
    Device(pub NodeId), "device", "devices have";
    /// A port of one.
    DevicePort(pub NodeId, pub u32), "port", "ports have";
    /// A link.
    Link(pub LinkId), "link", "links have";
    /// A direction of a link.
    Direction(pub DirId), "direction", "directions have";
    /// A function that looks at packets.
    Tap(pub u64), "tap", "taps have";
    /// A process.
    Process(pub Rc<Record>), "process", "processes have";
    /// A callback that can be cancelled.
    Timer(pub u64), "timer", "timers have";
    /// An address and a port.
    Endpoint(pub Ipv4Addr, pub u16), "peer", "peers have";
    /// A TCP socket.
    TcpHandle { external }, "tcp", "TCP sockets have";
    /// A UDP socket.
    UdpHandle { external }, "udp", "UDP sockets have";
    /// A flow.
    FlowHandle { external }, "flow", "flows have";
    /// Flows of many hosts.
    TrafficHandle { external }, "traffic", "traffic has";
    /// What two hosts say to each other.
    Ladder(pub Recording), "ladder", "ladders have";
    /// A histogram, by its name.
    Histogram(pub HistogramOf), "histogram", "histograms have";
    /// A time series.
    Series(pub String, pub String), "series", "series have";
    /// A counter.
    Counter(pub Numbered), "counter", "counters have";
    /// A gauge.
    Gauge(pub Numbered), "gauge", "gauges have";
    /// Values on their way between processes.
    Queue(pub Rc<RefCell<Line>>), "queue", "queues have";
    /// Something that processes wait for.
    Signal(pub Rc<RefCell<Bell>>), "signal", "signals have";
    /// Something that few processes can hold at a time.
    Resource(pub Rc<RefCell<Units>>), "resource", "resources have";
    /// A table of its own.
    Csv(pub CsvTable), "csv", "tables have";
}

/// Which histogram a handle reads.
#[derive(Clone)]
pub(crate) enum HistogramOf {
    /// One of the script's.
    Named(String),
    /// One of a flow's: `delay`, `packet_delay`, `rtt`.
    Flow(FlowId, &'static str),
}

fn lookups<T: UserData + 'static>(registry: &mut UserDataRegistry<T>, name: &'static str) {
    for what in ["__index", "__newindex", "__tostring", "__len"] {
        registry.add_meta_field_with(what, move |lua| {
            lua.named_registry_value::<Function>(DESCRIBE)?.call::<Value>((name, what))
        });
    }
    registry.add_meta_field("__name", name);
}

/// Where the state keeps what tells how a type behaves.
const DESCRIBE: &str = "tidewire.describe";

type Show = Box<dyn Fn(&Shared, &AnyUserData) -> mlua::Result<String>>;
type Length = Box<dyn Fn(&AnyUserData) -> mlua::Result<usize>>;

/// Collects methods and fields, and puts functions where scripts find them.
pub(crate) struct Registry<'a> {
    pub lua: &'a Lua,
    pub sim: &'a Shared,
    pub later: Rc<Later>,
    shown: BTreeMap<&'static str, Show>,
    lengths: BTreeMap<&'static str, Length>,
}

impl<'a> Registry<'a> {
    pub fn new(lua: &'a Lua, sim: &'a Shared) -> Registry<'a> {
        let later = Rc::new(Later::default());
        Registry { lua, sim, later, shown: BTreeMap::new(), lengths: BTreeMap::new() }
    }

    /// Adds a function of the table; a method is made when a script first asks for it.
    pub fn add<R: IntoLuaMulti>(
        &self,
        func: &'static Func,
        body: impl Fn(&Lua, &Shared, Call) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        let sim = self.sim.clone();
        let make = move |lua: &Lua| {
            let here = sim.clone();
            let function = lua.create_function(move |lua, args: MultiValue| {
                let call = check(lua, &sim, func, args)?;
                let run = || body(lua, &sim, call);
                let result = if func.owner() == "net" { sim.unwatched(run) } else { run() };
                let values = result.and_then(|values| values.into_lua_multi(lua));
                if let Ok(values) = &values {
                    sim.note_refusal(lua, func.short(), values);
                }
                values.map_err(|error| located(lua, error))
            })?;
            if func.waits { here.prelude().block.call::<Function>(function) } else { Ok(function) }
        };
        match func.name.contains(':') {
            true => self.later.method(func.owner(), func.short(), move |lua, _| make(lua)),
            false => self.put(func, &make(self.lua)?)?,
        }
        Ok(())
    }

    /// Adds a function that belongs to no type, as it is.
    pub fn put(&self, func: &'static Func, function: &Function) -> mlua::Result<()> {
        let (owner, name) = (func.owner(), func.short());
        let globals = self.lua.globals();
        if owner.is_empty() {
            return globals.raw_set(name, function);
        }
        let table: Table = match globals.raw_get::<Option<Table>>(owner)? {
            Some(table) => table,
            None => {
                let table = self.lua.create_table()?;
                globals.raw_set(owner, &table)?;
                table
            }
        };
        table.raw_set(name, function)
    }

    /// Adds a field that is worked out when it is asked for.
    pub fn field<R: mlua::IntoLua>(
        &self,
        class: &'static str,
        name: &'static str,
        get: impl Fn(&Lua, &Shared, AnyUserData) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        debug_assert!(
            crate::spec::fields_of(class).iter().any(|field| field.name == name),
            "{class}.{name} is not in the reference"
        );
        let sim = self.sim.clone();
        self.later.field(class, name, move |lua, _| {
            lua.create_function(move |lua, this: AnyUserData| {
                sim.outside_of_controller(name).map_err(|mistake| placed(lua, mistake))?;
                let value = get(lua, &sim, this).and_then(|value| value.into_lua(lua));
                let value = value.map_err(|error| located(lua, error))?;
                // What is the script's own prints as tables do.
                if let Value::Table(table) = &value
                    && name != "data"
                {
                    crate::bind::printing::record(lua, table)?;
                }
                Ok(value)
            })
        });
        Ok(())
    }

    /// Says how a type prints.
    pub fn shows(
        &mut self,
        class: &'static str,
        show: impl Fn(&Shared, &AnyUserData) -> mlua::Result<String> + 'static,
    ) -> mlua::Result<()> {
        self.shown.insert(class, Box::new(show));
        Ok(())
    }

    /// Says what `#` gives.
    pub fn length(
        &mut self,
        class: &'static str,
        length: impl Fn(&AnyUserData) -> mlua::Result<usize> + 'static,
    ) -> mlua::Result<()> {
        self.lengths.insert(class, Box::new(length));
        Ok(())
    }

    /// Makes the types known to Lua: how one behaves is asked for when the first value of it is made.
    pub fn finish(self) -> mlua::Result<()> {
        let Registry { lua, sim, later, shown, lengths } = self;
        let (sim, shown, lengths) = (sim.clone(), RefCell::new(shown), RefCell::new(lengths));
        let describe = lua.create_function(move |lua, (class, what): (String, String)| {
            let (class, plural) = CLASSES.iter().find(|(name, _)| **name == class).expect("a type's name");
            match &*what {
                "__index" => index(lua, &sim, &later, (class, plural)).map(Value::Function),
                "__newindex" => refusal(lua, plural).map(Value::Function),
                "__tostring" => {
                    let show = shown.borrow_mut().remove(class);
                    printer(lua, &sim, class, show).map(Value::Function)
                }
                _ => match lengths.borrow_mut().remove(class) {
                    Some(length) => {
                        let length = move |_: &Lua, (this, _): (AnyUserData, Value)| length(&this);
                        lua.create_function(length).map(Value::Function)
                    }
                    None => Ok(Value::Nil),
                },
            }
        })?;
        lua.set_named_registry_value(DESCRIBE, describe)
    }
}

/// How methods and fields of a type are found.
fn index(
    lua: &Lua,
    sim: &Shared,
    later: &Rc<Later>,
    (class, plural): (&'static str, &'static str),
) -> mlua::Result<Function> {
    let (methods, getters) = later.tables(lua, class)?;
    let made = later.clone();
    let find = lua.create_function(move |lua, key: Value| {
        let Some(name) = key.as_string().map(|name| name.to_string_lossy()) else { return Ok(()) };
        made.find(lua, class, &name)
    })?;
    let made = later.clone();
    let all = lua.create_function(move |lua, ()| made.all(lua, class))?;
    sim.prelude().class.call((plural, methods, getters, find, all))
}

/// What assigning to a field says.
fn refusal(lua: &Lua, plural: &'static str) -> mlua::Result<Function> {
    lua.create_function(move |lua, (_, key): (Value, Value)| -> mlua::Result<()> {
        let key = key.to_string().unwrap_or_default();
        let mistake = Mistake::new(format!("{plural} no field '{key}' that can be set")).at_word(&key);
        let mistake = match plural.starts_with("host") {
            true => mistake.note(format!("keep it in a local variable, or in host.data.{key}")),
            false => mistake.note("keep it in a local variable"),
        };
        Err(placed(lua, mistake).into())
    })
}

/// How values of a type print.
fn printer(lua: &Lua, sim: &Shared, class: &'static str, show: Option<Show>) -> mlua::Result<Function> {
    let sim = sim.clone();
    lua.create_function(move |_, this: AnyUserData| match &show {
        Some(show) if sim.controller.borrow().is_none() => show(&sim, &this),
        _ => Ok(class.to_owned()),
    })
}

/// An error with the place of the call that it comes from.
pub(crate) fn located(lua: &Lua, error: mlua::Error) -> mlua::Error {
    match &error {
        mlua::Error::ExternalError(inner) => match inner.downcast_ref::<Mistake>() {
            Some(mistake) if mistake.place.is_none() => placed(lua, mistake.clone()).into(),
            _ => error,
        },
        _ => error,
    }
}

/// Complains about a name that a type, or the script's globals, do not have.
pub(crate) fn unknown(
    lua: &Lua,
    (plural, key, methods, getters): (String, Value, Table, Option<Table>),
) -> mlua::Result<Value> {
    let Some(key) = key.as_string().map(|key| key.to_string_lossy()) else { return Ok(Value::Nil) };
    let mut known: Vec<String> = Vec::new();
    for table in [Some(&methods), getters.as_ref()].into_iter().flatten() {
        for pair in table.clone().pairs::<Value, Value>() {
            if let (Value::String(name), _) = pair? {
                known.push(name.to_string_lossy());
            }
        }
    }
    known.sort();
    let meant = did_you_mean(&key, known.iter().map(String::as_str));
    let mistake = if plural == "global" {
        let hint = match &*key {
            "socket" => "; there is no LuaSocket here: host:tcp() and host:udp() open sockets",
            _ => "",
        };
        Mistake::new(format!("unknown name '{key}'{meant}{hint}")).at_word(&key)
    } else {
        Mistake::new(format!("{plural} no method or field '{key}'{meant}"))
            .at_word(&key)
            .note(format!("there is: {}", known.join(" ")))
    };
    Err(placed(lua, mistake).into())
}

/// The node that a value is.
pub(crate) fn node_of(value: &Value) -> Option<NodeId> {
    let data = value.as_userdata()?;
    if let Ok(host) = data.borrow::<Host>() {
        return Some(host.0);
    }
    if let Ok(router) = data.borrow::<Router>() {
        return Some(router.0);
    }
    if let Ok(nat) = data.borrow::<Nat>() {
        return Some(nat.0);
    }
    if let Ok(device) = data.borrow::<Device>() {
        return Some(device.0);
    }
    if let Ok(hub) = data.borrow::<Hub>() {
        return Some(hub.0);
    }
    if let Ok(ap) = data.borrow::<Ap>() {
        return Some(ap.0);
    }
    data.borrow::<Switch>().ok().map(|switch| switch.0)
}

/// The address and port that a value is.
pub(crate) fn peer_of(value: &Value) -> Option<(Ipv4Addr, u16)> {
    let peer = value.as_userdata()?.borrow::<Endpoint>().ok()?;
    Some((peer.0, peer.1))
}

/// The node that a method was called on.
pub(crate) fn this_node(call: &Call) -> mlua::Result<NodeId> {
    let this = call.this.clone().ok_or_else(|| Mistake::new("no host"))?;
    node_of(&Value::UserData(this)).ok_or_else(|| wrong_this(call).into())
}

/// The complaint about a method called on something else.
pub(crate) fn wrong_this(call: &Call) -> Mistake {
    let got = call.this.as_ref().map_or("nil", name_of);
    Mistake::new(format!("{} was called on a {got}", call.func.name)).at_word(call.func.short())
}

/// The handle of a node; always the same.
pub(crate) fn node_handle(lua: &Lua, sim: &Shared, id: NodeId) -> mlua::Result<AnyUserData> {
    let known = kept(lua, &mut sim.handles.borrow_mut().nodes)?;
    if let Some(handle) = known.raw_get::<Option<AnyUserData>>(id.index() + 1)? {
        return Ok(handle);
    }
    let (kind, is_hub, is_ap, is_nat) = {
        let plan = sim.plan.borrow();
        let spec = &plan.node(id).spec;
        (spec.kind(), spec.is_hub(), spec.radio().is_some(), spec.nat().is_some())
    };
    let handle = match kind {
        _ if sim.devices.borrow().contains_key(&id.0) => lua.create_userdata(Device(id))?,
        NodeKind::Router if is_nat => lua.create_userdata(Nat(id))?,
        NodeKind::Host => lua.create_userdata(Host(id))?,
        NodeKind::Switch if is_ap => lua.create_userdata(Ap(id))?,
        NodeKind::Switch if is_hub => lua.create_userdata(Hub(id))?,
        NodeKind::Switch => lua.create_userdata(Switch(id))?,
        NodeKind::Router => lua.create_userdata(Router(id))?,
    };
    known.raw_set(id.index() + 1, &handle)?;
    Ok(handle)
}

/// The handle of a link; always the same.
pub(crate) fn link_handle(lua: &Lua, sim: &Shared, id: LinkId) -> mlua::Result<AnyUserData> {
    let known = kept(lua, &mut sim.handles.borrow_mut().links)?;
    if let Some(handle) = known.raw_get::<Option<AnyUserData>>(id.index() + 1)? {
        return Ok(handle);
    }
    let handle = lua.create_userdata(Link(id))?;
    known.raw_set(id.index() + 1, &handle)?;
    Ok(handle)
}

/// A table of Lua: it holds more values than can be held from outside.
fn kept(lua: &Lua, table: &mut Option<Table>) -> mlua::Result<Table> {
    match table {
        Some(table) => Ok(table.clone()),
        None => Ok(table.insert(lua.create_table()?).clone()),
    }
}

/// The value of an address and port; always the same, so that it works as a key.
pub(crate) fn peer_handle(lua: &Lua, sim: &Shared, ip: Ipv4Addr, port: u16) -> mlua::Result<AnyUserData> {
    if let Some(known) = sim.handles.borrow().peers.get(&(ip.to_bits(), port)) {
        return Ok(known.clone());
    }
    let fresh = lua.create_userdata(Endpoint(ip, port))?;
    sim.handles.borrow_mut().peers.insert((ip.to_bits(), port), fresh.clone());
    Ok(fresh)
}

/// The address of a peer as a node sees it, with its port, or `port`; the error that scripts get for a name that no host has, or for a node
/// without an address.
pub(crate) fn resolve(
    lua: &Lua,
    sim: &Shared,
    from: Option<NodeId>,
    peer: &crate::values::Peer,
    port: Option<u16>,
) -> mlua::Result<Result<(Ipv4Addr, Option<u16>), &'static str>> {
    use crate::values::Peer;
    // As on Linux, the unspecified address as a destination is this host.
    let usable = |ip: Ipv4Addr| if ip.is_unspecified() { Ipv4Addr::LOCALHOST } else { ip };
    Ok(match peer {
        Peer::Address(ip, own) => Ok((usable(*ip), port.or(*own))),
        Peer::Address6(ip, own) => Ok((sim.world()?.key_of(IpAddr::V6(*ip)), port.or(*own))),
        Peer::Unknown(name) => match parse_peer(sim, name) {
            Peer::Address(ip, own) => Ok((usable(ip), port.or(own))),
            _ => Err("no such host"),
        },
        Peer::Node(node) => {
            let world = sim.world()?;
            let name = &world.plan().node(*node).name;
            let address = match from {
                Some(from) => world.address_towards(from, *node),
                None => world.address_of(*node),
            };
            match (address, world.plan().node(*node).spec.kind()) {
                (Some(ip), _) => Ok((ip, port)),
                (None, NodeKind::Switch) => {
                    return Err(Mistake::new(format!("'{name}' is a switch: it has no address"))
                        .at_word(name)
                        .into());
                }
                (None, _) => {
                    let (why, remedy) = match world.plan().node(*node).ifaces.is_empty() {
                        true => ("link", "join it to the network with net:link() or net:lan()"),
                        false => (
                            "address",
                            "wait for one with its wait_address(), or give it one: ip = \"10.0.0.5/24\"",
                        ),
                    };
                    let text = format!(
                        "nothing can reach '{name}': it has no {why} (the answer is nil, \"unreachable\")\n  {remedy}"
                    );
                    sim.out.borrow_mut().warn(text, here(lua));
                    Err("unreachable")
                }
            }
        }
    })
}
