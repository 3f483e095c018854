//! The Lua functions: each file registers those of one topic.
//!
//! | file | what is in it |
//! |---|---|
//! | `net.rs` | `net:host`, `net:link`, `net:find` ... |
//! | `shapes.rs` | `net:dumbbell`, `net:fat_tree` ... |
//! | `cidr.rs` | `cidr` |
//! | `bridge.rs` | `switch:stp` |
//! | `routing.rs` | `net:routing`, `router:rib` ... |
//! | `bgp.rs` | policies and networks of BGP routers |
//! | `services.rs`, `nat.rs`, `dhcp.rs` | firewalls; address translation; DHCP |
//! | `arp.rs` | ARP by hand |
//! | `device.rs`, `frames.rs` | `net:device`, frames as tables |
//! | `diagnose.rs`, `inject.rs` | `diagnose`; `inject_fault` |
//! | `failures.rs` | `host:crash`, `host:boot`, `net:partition` |
//! | `load.rs` | `net:load` |
//! | `link.rs` | links and their directions |
//! | `taps.rs`, `capture_filter.rs` | `link:filter`, `link:on`, `host:sniff`; texts that choose packets |
//! | `timetable.rs` | `link:schedule`, `net:schedule`, recorded rates |
//! | `host.rs` | `host:spawn`, fields of hosts, addresses |
//! | `work.rs` | `host:work`, `host:allocate`: processor cores and memory |
//! | `ping.rs` | `host:ping`, `host:traceroute` |
//! | `tcp.rs`, `connect.rs`, `stream.rs` | TCP sockets: opening and closing, connecting and accepting, reading and writing |
//! | `splice.rs` | bytes from one connection to another |
//! | `tcp_options.rs` | options of TCP, `tcp:setoption` |
//! | `congestion.rs`, `info.rs` | congestion controls in Lua; what a connection tells of itself |
//! | `udp.rs` | UDP sockets |
//! | `ladder.rs`, `journey.rs` | `ladder(a, b)`, `journey{}` |
//! | `flow.rs` | native applications and their flows |
//! | `offered.rs` | load that links cannot carry |
//! | `http.rs`, `http2.rs`, `dns.rs`, `tls.rs` | what the modules of the web, of names and of TLS stand on |
//! | `applications.rs`, `lines.rs` | files, terminals, mail, chat; what their modules stand on |
//! | `chain.rs` | what the modules of stores, queues and databases stand on |
//! | `swarm.rs` | what the module of swarms stands on |
//! | `any.rs` | `wait_any{}`, `host:run` |
//! | `time.rs` | time and processes |
//! | `sync.rs` | queues, signals, resources |
//! | `random.rs` | chance |
//! | `codec.rs` | `codec`: values as bytes, character sets |
//! | `coding.rs` | `coding`: bits as signals, frames in a stream of bits |
//! | `measure.rs` | `record`, `histogram`, `series`, `check` ... |
//! | `experiment.rs`, `grid.rs`, `after_all.rs` | `experiment{}`, its points, what comes after all of them |

pub(crate) mod after_all;
mod alone;
mod any;
mod applications;
mod arp;
pub(crate) mod bgp;
mod bridge;
mod capture_filter;
mod chain;
mod cidr;
mod codec;
mod coding;
pub(crate) mod congestion;
mod connect;
pub(crate) mod device;
mod dhcp;
mod diagnose;
mod dns;
pub(crate) mod experiment;
pub(crate) mod failures;
pub(crate) mod flow;
mod frames;
mod grid;
pub(crate) mod host;
mod http;
mod http2;
mod info;
mod inject;
mod journey;
pub(crate) mod ladder;
mod lines;
pub(crate) mod link;
pub(crate) mod load;
pub(crate) mod measure;
mod media;
mod nat;
mod net;
pub(crate) mod offered;
mod ping;
pub(crate) mod printing;
mod quic;
mod quic_conn;
pub(crate) mod quic_flows;
mod quic_wait;
mod random;
mod rip_reach;
pub(crate) mod routing;
pub(crate) mod services;
mod shapes;
mod sizes;
mod splice;
mod stream;
mod swarm;
pub(crate) mod sync;
pub(crate) mod taps;
pub(crate) mod tcp;
mod tcp_options;
mod time;
pub(crate) mod timetable;
mod tls;
pub(crate) mod traffic;
mod traffic_asks;
mod traffic_cost;
mod traffic_load;
pub(crate) mod traffic_results;
pub(crate) mod udp;
pub(crate) mod work;

use crate::classes::Registry;
use crate::services::Loader;
use crate::sim::Shared;
use mlua::{FromLua, FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue, Table, Value};

/// Puts every function where scripts find it.
pub(crate) fn install(lua: &Lua, sim: &Shared) -> mlua::Result<()> {
    let mut registry = Registry::new(lua, sim);
    net::install(&mut registry)?;
    arp::install(&mut registry)?;
    device::install(&mut registry)?;
    diagnose::install(&mut registry)?;
    journey::install(&mut registry)?;
    failures::install(&mut registry)?;
    shapes::install(&mut registry)?;
    load::install(&mut registry)?;
    routing::install(&mut registry)?;
    services::install(&mut registry)?;
    link::install(&mut registry)?;
    taps::install(&mut registry)?;
    timetable::install(&mut registry)?;
    host::install(&mut registry)?;
    nat::install(&mut registry)?;
    dhcp::install(&mut registry)?;
    ping::install(&mut registry)?;
    tcp::install(&mut registry)?;
    stream::install(&mut registry)?;
    congestion::install(&mut registry)?;
    udp::install(&mut registry)?;
    flow::install(&mut registry)?;
    media::install(&mut registry)?;
    traffic::install(&mut registry)?;
    ladder::install(&mut registry)?;
    time::install(&mut registry)?;
    any::install(&mut registry)?;
    sync::install(&mut registry)?;
    random::install(&mut registry)?;
    codec::install(&mut registry)?;
    coding::install(&mut registry)?;
    cidr::install(&mut registry)?;
    measure::install(&mut registry)?;
    experiment::install(&mut registry)?;
    let services = Loader::new(lua, sim)?;
    http::install(&registry, &services)?;
    dns::install(&registry, &services)?;
    tls::install(&registry, &services)?;
    applications::install(&registry, &services)?;
    chain::install(&registry, &services)?;
    swarm::install(&registry, &services)?;
    media::services(&registry, &services)?;
    quic::install(&registry, &services)?;
    alone::install(&registry, sim)?;
    registry.finish()?;
    lua.globals().raw_set("net", crate::classes::Net(()))?;
    services.seal(lua)
}

/// What only the modules of services see.
pub(crate) fn natives(lua: &Lua, sim: &Shared) -> mlua::Result<Table> {
    let native = Natives { lua, sim, table: lua.create_table()? };
    http::natives(&native)?;
    dns::natives(&native)?;
    http2::natives(&native)?;
    tls::natives(&native)?;
    quic::natives(&native)?;
    lines::natives(&native)?;
    codec::natives(&native)?;
    work::natives(&native)?;
    splice::natives(&native)?;
    chain::natives(&native)?;
    swarm::natives(&native)?;
    Ok(native.table)
}

/// A text with whatever bytes: what cannot be read as letters is replaced. Modules get texts from the network too.
pub(crate) struct AnyText(pub String);

impl FromLua for AnyText {
    fn from_lua(value: Value, lua: &Lua) -> mlua::Result<AnyText> {
        match &value {
            Value::String(text) => Ok(AnyText(text.to_string_lossy())),
            _ => String::from_lua(value, lua).map(AnyText),
        }
    }
}

/// Collects native functions of the modules.
struct Natives<'a> {
    lua: &'a Lua,
    sim: &'a Shared,
    table: Table,
}

impl Natives<'_> {
    /// A function that does not wait.
    fn add<A: FromLuaMulti, R: IntoLuaMulti>(
        &self,
        name: &str,
        body: impl Fn(&Lua, &Shared, A) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        let sim = self.sim.clone();
        let function = self.lua.create_function(move |lua, args: A| {
            body(lua, &sim, args).map_err(|error| crate::classes::located(lua, error))
        })?;
        self.table.raw_set(name, function)
    }

    /// A function that waits: it gives what `block_on` gives.
    fn wait<A: FromLuaMulti>(
        &self,
        name: &str,
        body: impl Fn(&Lua, &Shared, A) -> mlua::Result<MultiValue> + 'static,
    ) -> mlua::Result<()> {
        self.add(name, body)?;
        let function: Function = self.table.raw_get(name)?;
        let function: Function = self.sim.prelude().block.call(function)?;
        self.table.raw_set(name, function)
    }
}
