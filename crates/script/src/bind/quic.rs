//! QUIC for scripts: endpoints on UDP sockets, driven by a process of their own; no Lua per packet.

use super::offered::way;
use super::quic_conn::{Drive, Shape};
use super::quic_wait::{Await, What};
use super::{Natives, congestion};
use crate::classes::{Registry, resolve};
use crate::mistake::Mistake;
use crate::sched::block_on;
use crate::services::Loader;
use crate::sim::{Shared, here};
use crate::spec::{Kind, quic as spec};
use crate::values::{Val, convert};
use mlua::{AnyUserData, IntoLuaMulti, Lua, MultiValue, Table, UserData, Value};
use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l4_transport::quic::{QuicConfig, QuicConnection, Schedule, Ticket};
use tidewire_topology::link_of;
use tidewire_units::{IfaceId, NodeId, Purpose, Span};
use tidewire_wire::{Endpoint, Payload};

/// Bytes that every path has to carry.
const LEAST_DATAGRAM: u16 = 1200;

/// An endpoint, as the module holds it.
struct QuicEndpoint(Rc<RefCell<Shape>>);
impl UserData for QuicEndpoint {}

pub(super) fn install(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    services.add(registry, &spec::LISTEN, "quic")?;
    services.add(registry, &spec::CONNECT, "quic")
}

/// Functions that only the module sees.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("quic_endpoint", |lua, sim, (host, port, opts): (Value, Option<u16>, Table)| {
        endpoint(lua, sim, &host, port, &opts)
    })?;
    native.wait("quic_drive", |lua, sim, endpoint: AnyUserData| {
        block_on(lua, sim, Box::new(Drive(of(&endpoint)?)))
    })?;
    native.add(
        "quic_open",
        |lua, sim, args: (AnyUserData, Value, Option<u16>, Option<u64>, Option<u64>)| {
            let (endpoint, to, port, stream_window, window) = args;
            let peer = convert(lua, sim, Kind::Peer, &to, "to", "argument 1 (to) of host:quic_connect")?;
            let Val::Peer(peer) = peer else { unreachable!("a peer was asked for") };
            let shape = of(&endpoint)?;
            let mut shape = shape.borrow_mut();
            let (ip, port) = match resolve(lua, sim, None, &peer, port)? {
                Ok(found) => found,
                Err(why) => {
                    sim.world()?.close(shape.node, shape.socket);
                    return (Value::Nil, why).into_lua_multi(lua);
                }
            };
            let port =
                port.ok_or_else(|| Mistake::new("quic_connect() needs a port").at_word("quic_connect"))?;
            let now = sim.world()?.now();
            let ticket =
                stream_window.zip(window).map(|(stream_window, window)| Ticket { stream_window, window });
            let ids = (shape.random.bits() >> 2, shape.random.bits() >> 2);
            let quic =
                QuicConnection::client(now, Endpoint::new(ip, port), ids, shape.config.clone(), ticket);
            shape.add(ids.0, quic);
            ids.0.into_lua_multi(lua)
        },
    )?;
    native.wait(
        "quic_wait",
        |lua, sim, args: (AnyUserData, Option<u64>, String, Option<u64>, Option<f64>)| {
            let (endpoint, id, what, stream, timeout) = args;
            let shape = of(&endpoint)?;
            let deadline = super::http::deadline(sim, timeout);
            let what = What::named(&what).expect("the module knows what can be waited for");
            block_on(lua, sim, Box::new(Await { shape, id, what, stream: stream.unwrap_or(0), deadline }))
        },
    )?;
    native.add("quic_stream", |lua, sim, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        if let Some(why) = shape.is_over(id) {
            let values = (Value::Nil, why).into_lua_multi(lua)?;
            sim.note_refusal(lua, "open", &values);
            return Ok(values);
        }
        let quic = shape.connections.get_mut(&id).and_then(|conn| conn.quic.live());
        quic.map(|quic| quic.open()).into_lua_multi(lua)
    })?;
    native.add("quic_write", |_, sim, args: (AnyUserData, u64, u64, Value, bool)| {
        let (endpoint, id, stream, data, fin) = args;
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        if let Some(why) = shape.takes_nothing(id, stream) {
            return Ok(Some(why));
        }
        if let Some(quic) = shape.connections.get_mut(&id).and_then(|conn| conn.quic.live()) {
            match data {
                Value::String(text) => quic.write(stream, Payload::from(text.as_bytes().to_vec())),
                Value::Integer(n) => {
                    let mut left = u64::try_from(n).unwrap_or(0);
                    while left > 0 {
                        let part = left.min(1 << 30);
                        quic.write(stream, Payload::Zeros(part as u32));
                        left -= part;
                    }
                }
                _ => {}
            }
            if fin {
                quic.finish(stream);
            }
        }
        shape.kick(&mut *sim.world()?, id);
        Ok(None)
    })?;
    native.add("quic_read", |lua, sim, args: (AnyUserData, u64, u64, usize, bool)| {
        let (endpoint, id, stream, most, keep) = args;
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        let Some(conn) = shape.connections.get_mut(&id) else { return Value::Nil.into_lua_multi(lua) };
        let (mut bytes, mut n) = (Vec::new(), 0);
        let mut has_news = false;
        if let Some(quic) = conn.quic.live() {
            while let Some(part) = (n < most).then(|| quic.read(stream, most - n)).flatten() {
                n += part.len();
                if keep {
                    bytes.extend(part);
                }
            }
            has_news = quic.has_credit_to_announce() || quic.is_finished(stream);
        }
        let finished = conn.quic.is_finished(stream);
        conn.settle();
        if has_news {
            shape.kick(&mut *sim.world()?, id);
        }
        (n, finished, lua.create_string(&bytes)?).into_lua_multi(lua)
    })?;
    native.add("quic_close", |_, sim, (endpoint, id, code): (AnyUserData, u64, u64)| {
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        if let Some(conn) = shape.connections.get_mut(&id) {
            conn.quic.live().into_iter().for_each(|quic| quic.close(code));
        }
        shape.kick(&mut *sim.world()?, id);
        Ok(())
    })?;
    native.add("quic_migrate", |lua, sim, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        if shape.is_server {
            return Err(Mistake::new(
                "a server's end does not migrate (RFC 9000 section 9): call migrate() of the client's end",
            )
            .at_word("migrate")
            .into());
        }
        if let Some(why) = shape.is_over(id) {
            return (Value::Nil, why).into_lua_multi(lua);
        }
        let mut world = sim.world()?;
        let now = world.now();
        let fresh = match world.udp(shape.node, 0) {
            Ok(socket) => socket,
            Err(why) => return super::tcp::refused(lua, why),
        };
        let old = std::mem::replace(&mut shape.socket, fresh);
        world.close(shape.node, old);
        world.set_dont_fragment(shape.node, fresh, Some(true));
        if let Some(conn) = shape.connections.get_mut(&id) {
            conn.quic.live().into_iter().for_each(|quic| quic.migrate(now));
        }
        shape.kick(&mut world, id);
        true.into_lua_multi(lua)
    })?;
    native.add("quic_unanswered", |lua, sim, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        if let Some(conn) = shape.borrow().connections.get(&id) {
            too_narrow(lua, sim, shape.borrow().node, conn.quic.remote().addr)?;
        }
        Ok(())
    })?;
    native.add("quic_connected", |lua, _, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        let shape = shape.borrow();
        match shape.connections.get(&id).and_then(|conn| conn.connected) {
            Some((resumed, early, at)) => (resumed, early, at.as_us() as f64 / 1e6).into_lua_multi(lua),
            None => Value::Nil.into_lua_multi(lua),
        }
    })?;
    native.add("quic_ticket", |lua, _, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        let shape = shape.borrow();
        match shape.connections.get(&id).and_then(|conn| conn.ticket) {
            Some(Ticket { stream_window, window }) => (stream_window, window).into_lua_multi(lua),
            None => Value::Nil.into_lua_multi(lua),
        }
    })?;
    native.add("quic_info", |lua, _, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        let shape = shape.borrow();
        let Some(conn) = shape.connections.get(&id) else { return Ok(None) };
        let info = conn.quic.info();
        let table = lua.create_table()?;
        table.raw_set("cc", info.cc.as_str())?;
        table.raw_set("cwnd_packets", info.cwnd)?;
        table.raw_set("in_flight", info.in_flight)?;
        table.raw_set("rtt", info.rtt)?;
        table.raw_set("packets_sent", info.packets_sent)?;
        table.raw_set("packets_lost", info.packets_lost)?;
        table.raw_set("ptos", info.ptos)?;
        table.raw_set("datagrams_sent", info.datagrams_sent)?;
        table.raw_set("datagram_size", info.datagram_size)?;
        table.raw_set("ticket", conn.ticket.is_some())?;
        Ok(Some(table))
    })
}

/// Warns of a link on the way to a peer that did not answer which no datagram of 1200 bytes passes (RFC 9000 section 14).
fn too_narrow(lua: &Lua, sim: &Shared, from: NodeId, to: Ipv4Addr) -> mlua::Result<()> {
    let world = sim.world()?;
    let plan = world.plan();
    let Some(peer) = world.owner_of(to).map(|iface| plan.iface(iface).node) else { return Ok(()) };
    let least = LEAST_DATAGRAM + if world.shown(to).is_ipv6() { 48 } else { 28 };
    let mtu = |iface: &IfaceId| plan.link(link_of(*iface)).spec.mtu;
    let narrowest = way(plan, from, peer).into_iter().min_by_key(mtu);
    if let Some(iface) = narrowest.filter(|iface| mtu(iface) < least) {
        let names = [plan.node_of(iface), plan.neighbor_of(iface)].map(|node| &plan.node(node).name);
        let text = format!(
            "quic_connect(): nobody answered, and the link from {} to {} carries packets of {} bytes at most: a datagram of QUIC has {LEAST_DATAGRAM} bytes and is never cut (RFC 9000 section 14)\n  give the link mtu = {least} or more",
            names[0],
            names[1],
            mtu(&iface)
        );
        sim.out.borrow_mut().warn(text, here(lua));
    }
    Ok(())
}

fn of(endpoint: &AnyUserData) -> mlua::Result<Rc<RefCell<Shape>>> {
    Ok(endpoint.borrow::<QuicEndpoint>()?.0.clone())
}

fn endpoint(
    lua: &Lua,
    sim: &Shared,
    host: &Value,
    port: Option<u16>,
    opts: &Table,
) -> mlua::Result<MultiValue> {
    let node = crate::classes::node_of(host).ok_or_else(|| Mistake::new("a host is needed"))?;
    let cc = opts.raw_get::<Option<String>>("cc")?.map(|name| congestion::kind_of(sim, &name)).transpose()?;
    let mut world = sim.world()?;
    let socket = match world.udp(node, port.unwrap_or(0)) {
        Ok(socket) => socket,
        Err(why) => return super::tcp::refused(lua, why),
    };
    // RFC 9000 section 14.
    world.set_dont_fragment(node, socket, Some(true));
    let mut tcp: TcpConfig = (*world.tcp_config(node)).clone();
    tcp.cc = cc.unwrap_or(tcp.cc);
    if let Some(n) = opts.raw_get::<Option<u32>>("init_cwnd")? {
        tcp.init_cwnd = n;
    }
    let usual = QuicConfig::default();
    let config = QuicConfig {
        tcp: Arc::new(tcp),
        certificate: opts.raw_get::<Option<u32>>("certificate")?.unwrap_or(usual.certificate),
        accept_early: opts.raw_get::<Option<bool>>("early")?.unwrap_or(true),
        stream_window: opts.raw_get::<Option<u64>>("stream_window")?.unwrap_or(usual.stream_window),
        window: opts.raw_get::<Option<u64>>("window")?.unwrap_or(usual.window),
        probe_datagram: opts.raw_get::<Option<u16>>("max_datagram")?.unwrap_or(usual.probe_datagram),
        schedule: match opts.raw_get::<Option<String>>("schedule")?.as_deref() {
            Some("in_order") => Schedule::InOrder,
            _ => Schedule::Turns,
        },
        idle: opts.raw_get::<Option<f64>>("idle")?.map_or(usual.idle, Span::from_secs_f64),
        ..usual
    };
    let name = sim.plan.borrow().node(node).name.clone();
    let random = world.streams().stream(Purpose::Transport, &format!("quic {name} {}", socket.0));
    let mut shape = Shape::new(node, socket, config, port.is_some(), random);
    shape.flow = opts.raw_get::<Option<String>>("flow")?;
    let shape = Rc::new(RefCell::new(shape));
    if shape.borrow().flow.is_some() {
        sim.quic_flows.borrow_mut().push(shape.clone());
    }
    lua.create_userdata(QuicEndpoint(shape))?.into_lua_multi(lua)
}
