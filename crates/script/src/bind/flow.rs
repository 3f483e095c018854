//! Native applications and the flows that they send.

use super::info::info;
use super::link::watch;
use super::sizes::length;
use super::tcp::own_config;
use crate::call::Opts;
use crate::call::{Call, placed};
use crate::classes::{Histogram, HistogramOf, Registry, this_node, wrong_this};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim, here};
use crate::spec::host as spec;
use crate::values::{Peer, Val};
use mlua::{AnyUserData, IntoLuaMulti, Lua, MultiValue, UserDataRef, Value};
use std::net::{IpAddr, Ipv4Addr};
use tidewire_l7_application::traffic::Sizes;
use tidewire_l7_application::{Bulk, Cbr, OnOff, Pattern, Process};
use tidewire_node::{IpStack, SocketView};
use tidewire_units::{Bytes, Instant, Interest, NodeId, Purpose, Rate, Refusal, Span};
use tidewire_wire::{Endpoint, UdpHeader};
use tidewire_world::{FlowId, FlowSpec, ProcessId, Transport, Watched, World};

/// A flow, as scripts hold it.
pub(crate) struct FlowHandle {
    pub(super) id: FlowId,
    process: ProcessId,
    start: Instant,
    stop: Instant,
    /// It has an end of its own.
    finite: bool,
}

impl FlowHandle {
    /// That waiting for its end makes sense.
    pub(super) fn must_end(&self) -> Result<(), Mistake> {
        if self.finite {
            return Ok(());
        }
        Err(Mistake::new("this flow has no end, so that waiting would be for ever")
            .note("give it a size, a count or a stop"))
    }

    /// Whether it has ended or failed.
    pub(super) fn is_over(&self, world: &World) -> bool {
        let flow = world.flow(self.id);
        let through = flow.spec.transport == Transport::Udp || flow.socket.is_none();
        let done = flow.ended.is_some() || (!world.is_alive(self.process) && through);
        flow.failure.is_some() || (done && !world.has_datagrams_under_way(flow))
    }

    /// When to look again: nothing says that a flow is over.
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        let soon = now + Span::from_ms(1);
        match self.stop {
            _ if now < self.start => self.start,
            stop if stop > now && stop != Instant::MAX => stop,
            _ => soon,
        }
    }
}

/// First port of the sinks that flows make for themselves.
const FIRST_SINK: u16 = 5001;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::BULK, bulk)?;
    registry.add(&spec::CBR, |lua, sim, call| {
        let jitter = call.opts().span("jitter").unwrap_or_default();
        datagrams(lua, sim, &call, 1.0, |pattern| Box::new(Cbr::new(Pattern { jitter, ..pattern })))
    })?;
    registry.add(&spec::ON_OFF, |lua, sim, call| {
        let ((on, bursts), (off, pauses)) = (length(sim, &call, "on")?, length(sim, &call, "off")?);
        if on.is_zero() {
            return Err(Mistake::new("on must be more than 0: nothing would be sent").at_word("on").into());
        }
        let exponential = !call.opts().flag("fixed").unwrap_or(false);
        let share = on.as_secs_f64() / (on + off).as_secs_f64();
        datagrams(lua, sim, &call, share, |pattern| {
            Box::new(OnOff::new(pattern, on, off, exponential).with_lengths(bursts, pauses))
        })
    })?;
    registry.add(&spec::POISSON, |lua, sim, call| {
        let spread = exponential_size(call.opts())?.is_some();
        let sizes = drawn_size(sim, call.opts())?;
        datagrams(lua, sim, &call, 1.0, |pattern| {
            // A burst of no length holds one datagram; the pauses between are exponential.
            let mean = pattern.rate.time_for(u64::from(pattern.size));
            let sender = OnOff::new(Pattern { rate: Rate::INFINITE, ..pattern }, Span::ZERO, mean, true);
            Box::new(match sizes {
                Some(sizes) => sender.with_sizes(sizes),
                None if spread => sender.with_exponential_sizes(),
                None => sender,
            })
        })
    })?;
    registry.add(&spec::SINK, |lua, sim, call| {
        let node = this_node(&call)?;
        let port = call.int(0).unwrap_or(0) as u16;
        let mut world = sim.world()?;
        let (tcp, udp) = (world.tcp_sink(node, port), world.udp_sink(node, port));
        drop(world);
        super::tcp::done(lua, tcp.and(udp).map(drop))
    })?;
    registry.add(&spec::FLOW_WAIT, |lua, sim, call| {
        let this = this(&call)?;
        this.must_end().map_err(|mistake| mistake.at_word("wait"))?;
        let deadline = call.deadline(sim.world.borrow().now(), None);
        let op =
            FlowWait { flow: this.id, process: this.process, start: this.start, stop: this.stop, deadline };
        drop(this);
        block_on(lua, sim, Box::new(op))
    })?;
    registry.add(&spec::FLOW_STOP, |_, sim, call| {
        let this = this(&call)?;
        sim.world()?.stop_flow(this.id, this.process);
        sim.endless.borrow_mut().retain(|(flow, _)| *flow != this.id);
        Ok(())
    })?;
    registry.add(&spec::FLOW_WATCH, |_, sim, call| {
        let id = this(&call)?.id;
        watch(sim, &call, &[Watched::Flow(id)])
    })?;
    registry.add(&spec::FLOW_ON, |_, _, call| this(&call)?.must_end().map_err(|m| m.at_word("on").into()))?;
    registry.later.wrap("flow", "on", |lua, later, check| {
        crate::state::compiled(lua, ON)?.call((check, later.get(lua, "flow", "wait")?))
    });
    fields(registry)
}

/// `flow:on("end", fn)`: a process that waits.
const ON: &str = r#"
local check, wait = ...
return function(self, event, f)
  check(self, event, f)
  spawn(function()
    local ok, why = wait(self)
    f(self, why)
  end)
end
"#;

fn this(call: &Call) -> mlua::Result<UserDataRef<FlowHandle>> {
    let this = call.this.as_ref().and_then(|this| this.borrow::<FlowHandle>().ok());
    Ok(this.ok_or_else(|| wrong_this(call))?)
}

/// Where a flow goes.
pub(super) struct Destination {
    pub node: NodeId,
    /// One of its addresses, if it was named by that.
    address: Option<Ipv4Addr>,
    pub port: Option<u16>,
}

/// Where a flow goes: the host, its address and port.
pub(super) fn destination(sim: &Shared, call: &Call) -> mlua::Result<Destination> {
    let peer = match call.opts().get("to") {
        Some(Val::Peer(peer)) => peer.clone(),
        _ => return Err(call.required::<Peer>("to", None).unwrap_err().into()),
    };
    let port = call.opts().int("port").map(|port| port as u16);
    let missing =
        |what: &str| Mistake::new(format!("{}: there is no host {what}", call.func.name)).at_word("to");
    let (node, address, own) = match peer {
        Peer::Node(node) => (node, None, None),
        Peer::Unknown(name) => return Err(missing(&format!("named '{name}'")).into()),
        Peer::Address(..) | Peer::Address6(..) => {
            let mut world = sim.world()?;
            let (ip, own) = match peer {
                Peer::Address6(ip, own) => (world.key_of(IpAddr::V6(ip)), own),
                Peer::Address(ip, own) => (ip, own),
                _ => unreachable!("the outer match says an address"),
            };
            let iface = world.owner_of(ip);
            let iface = iface.ok_or_else(|| missing(&format!("with the address {}", world.shown(ip))))?;
            (world.plan().node_of(iface), Some(ip), own)
        }
    };
    if sim.world()?.address_of(node).is_none() {
        let name = sim.plan.borrow().node(node).name.clone();
        return Err(Mistake::new(format!(
            "'{name}' has no address: it has no link, none was given to it, or it is a switch"
        ))
        .at_word("to")
        .note("join it to the network with net:link() or net:lan()")
        .into());
    }
    Ok(Destination { node, address, port: port.or(own) })
}

/// Begin and end of a flow; `experiment{ jitter = ... }` moves the begin.
fn times(sim: &Shared, call: &Call, name: &str) -> mlua::Result<(Instant, Instant)> {
    let opts = call.opts();
    let now = sim.world()?.now();
    let mut start = opts.span("start").map_or(now, |start| Instant::ZERO + start);
    if start < now {
        let text = format!("start = {start} is in the past: it is t = {now}");
        return Err(Mistake::new(text).at_word("start").note("leave start out, and it starts now").into());
    }
    let stop = opts.span("stop").map_or(Instant::MAX, |stop| Instant::ZERO + stop);
    let jitter = sim.jitter.get();
    if !jitter.is_zero() {
        let mut stream =
            sim.world.borrow().streams().stream(Purpose::Application, &format!("start of {name}"));
        start += Span::from_ps(stream.between(0, jitter.as_ps()));
    }
    if stop <= start {
        return Err(Mistake::new(format!("{} stops at {stop}, before it starts at {start}", call.func.name))
            .at_word("stop")
            .into());
    }
    Ok((start, stop))
}

/// A name that no other flow has.
pub(super) fn free_name(sim: &Shared, wanted: String) -> String {
    let mut names = sim.flow_names.borrow_mut();
    let n = names.entry(wanted.clone()).or_insert(0);
    *n += 1;
    if *n == 1 { wanted } else { format!("{wanted}#{n}") }
}

fn flow_name(sim: &Shared, call: &Call, src: NodeId, dst: NodeId, kind: &str) -> String {
    let wanted = match call.opts().text("name") {
        Some(name) => name.to_owned(),
        None => {
            let plan = sim.plan.borrow();
            format!("{kind} {}>{}", plan.node(src).name, plan.node(dst).name)
        }
    };
    free_name(sim, wanted)
}

/// Declares a flow, on a port of its own unless one was asked for.
fn declare(world: &mut World, spec: FlowSpec, port: Option<u16>) -> Result<FlowId, Refusal> {
    if let Some(dport) = port {
        return world.add_flow(FlowSpec { dport, ..spec });
    }
    let own = spec.tcp.as_ref().is_some_and(|tcp| tcp.rcvbuf.is_some());
    for dport in FIRST_SINK..=49_151 {
        // What has a receive buffer of its own has a port of its own.
        if own && world.listener_on(spec.dst, dport, spec.transport).is_some() {
            continue;
        }
        // Ports of the script's own sockets are skipped, ports of other flows' sinks can be shared.
        match world.add_flow(FlowSpec { dport, ..spec.clone() }) {
            Err(Refusal::InUse) => {}
            other => return other,
        }
    }
    Err(Refusal::InUse)
}

/// Remembers where a flow without an end was started.
fn note_endless(lua: &Lua, sim: &Shared, flow: FlowId, finite: bool) {
    if !finite {
        sim.endless.borrow_mut().push((flow, here(lua)));
    }
}

fn bulk(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<MultiValue> {
    let src = this_node(&call)?;
    let Destination { node: dst, address, port } = destination(sim, &call)?;
    let opts = call.opts();
    let size = opts.size("size");
    let streams = opts.int("streams").unwrap_or(1);
    let mut flows = Vec::new();
    for _ in 0..streams {
        let name = flow_name(sim, &call, src, dst, "bulk");
        let (start, stop) = times(sim, &call, &name)?;
        let mut world = sim.world()?;
        let tcp = own_config(sim, &world.tcp_config(src), opts)?;
        let cc = tcp.as_ref().map(|tcp| tcp.cc.name().to_owned());
        let buffered = tcp.as_ref().is_some_and(|tcp| tcp.sndbuf.is_some());
        let spec = FlowSpec { name, transport: Transport::Tcp, cc, src, dst, dport: 0, tcp };
        let id = match declare(&mut world, spec, port) {
            Ok(id) => id,
            Err(why) => return super::tcp::refused(lua, why),
        };
        if let Some(to) = address {
            world.set_flow_address(id, to);
        }
        let to = world.flow_endpoint(id).ok_or_else(|| Mistake::new("the destination has no address"))?;
        let bulk = Bulk::new(to, size.map(|size| size.0), start, stop).buffered(buffered);
        let process = world.start_flow(id, Box::new(bulk));
        let finite = size.is_some() || stop < Instant::MAX;
        drop(world);
        note_endless(lua, sim, id, finite);
        flows.push(FlowHandle { id, process, start, stop, finite });
    }
    if streams == 1 {
        return lua.create_userdata(flows.remove(0))?.into_lua_multi(lua);
    }
    let handles: mlua::Result<Vec<AnyUserData>> =
        flows.into_iter().map(|flow| lua.create_userdata(flow)).collect();
    let list = lua.create_sequence_from(handles?)?;
    let meta = lua.create_table()?;
    let hint = lua.create_function(|lua, (_, key): (Value, Value)| match key {
        Value::String(key) => {
            let key = key.to_string_lossy();
            Err(placed(
                lua,
                Mistake::new(format!(
                    "bulk with several streams gives a list of flows, which has no '{key}'"
                ))
                .at_word(key.clone())
                .note(format!("for each of them: for _, flow in ipairs(flows) do flow:{key} ... end")),
            )
            .into())
        }
        _ => Ok(Value::Nil),
    })?;
    meta.raw_set("__index", hint)?;
    list.set_metatable(Some(meta))?;
    list.into_lua_multi(lua)
}

/// The mean of `size = { "exponential", mean = ... }`.
fn exponential_size(opts: &Opts) -> Result<Option<u64>, Mistake> {
    let Some(Val::Any(Value::Table(table))) = opts.get("size") else { return Ok(None) };
    if is_other(table) {
        return Ok(None);
    }
    let wrong = || Mistake::new("size is a size, or { \"exponential\", mean = 1000 }").at_word("size");
    let kind: Option<String> = table.raw_get(1).map_err(|_| wrong())?;
    let mean: Value = table.raw_get("mean").map_err(|_| wrong())?;
    let count = table.pairs::<Value, Value>().count();
    match (kind.as_deref(), super::sizes::size_of(&mean)) {
        (Some("exponential"), Some(mean)) if count == 2 => Ok(Some(mean.round() as u64)),
        _ => Err(wrong()),
    }
}

/// A distribution that is not exponential.
fn is_other(table: &mlua::Table) -> bool {
    let kind: Option<String> = table.raw_get(1).ok().flatten();
    kind.is_some_and(|kind| kind != "exponential")
}

/// Sizes of a distribution that is not exponential.
fn drawn_size(sim: &Shared, opts: &Opts) -> mlua::Result<Option<Sizes>> {
    match opts.get("size") {
        Some(value @ Val::Any(Value::Table(table))) if is_other(table) => {
            let sizes = super::sizes::sizes(sim, "size", value)?;
            if sizes.mean() > 65_507.0 {
                return Err(Mistake::new("size: a datagram has 65507 bytes at most, and the mean is more")
                    .at_word("size")
                    .into());
            }
            Ok(Some(sizes))
        }
        _ => Ok(None),
    }
}

fn plain_size(opts: &Opts) -> Result<u64, Mistake> {
    let Some(Val::Any(value)) = opts.get("size") else { return Ok(1000) };
    super::sizes::size_of(value).map(|size| size as u64).ok_or_else(|| {
        Mistake::new("size is a size such as \"1kB\", or { \"exponential\", mean = 1000 }").at_word("size")
    })
}

fn datagrams(
    lua: &Lua,
    sim: &Shared,
    call: &Call,
    share: f64,
    make: impl FnOnce(Pattern) -> Box<dyn Process>,
) -> mlua::Result<MultiValue> {
    let opts = call.opts();
    let rate = call.required("rate", opts.rate("rate"))?;
    let size = match opts.get("size") {
        Some(Val::Any(_)) => match (exponential_size(opts)?, drawn_size(sim, opts)?) {
            (Some(mean), _) => mean,
            (None, Some(sizes)) => (sizes.mean().round() as u64).max(1),
            (None, None) => plain_size(opts)?,
        },
        _ => opts.size("size").unwrap_or(Bytes(1000)).0,
    };
    if size == 0 || size > 65_507 {
        return Err(Mistake::new(format!("size = {size}: a datagram has 1 to 65507 bytes"))
            .at_word("size")
            .into());
    }
    let count = opts.int("count").map(|count| count as u64);
    let flow = udp_flow(lua, sim, call, size, count.is_some(), |to, start, stop| {
        make(Pattern { to, rate, size: size as u32, start, stop, count, jitter: Span::ZERO })
    })?;
    let flow = match flow {
        Ok(flow) => flow,
        Err(why) => return super::tcp::refused(lua, why),
    };
    if count.is_none() {
        let (ends, headers) = {
            let world = sim.world()?;
            let to = world.flow_endpoint(flow.id).map_or(Ipv4Addr::UNSPECIFIED, |to| to.addr);
            let spec = &world.flow(flow.id).spec;
            ([spec.src, spec.dst], u64::from(IpStack::header_len(to)) + UdpHeader::LEN as u64)
        };
        super::offered::note(lua, sim, ends, (rate, share), (size, headers), [flow.start, flow.stop]);
    }
    lua.create_userdata(flow)?.into_lua_multi(lua)
}

/// A flow of datagrams of up to `size` bytes; it ends by itself if `finite`, or has a stop.
pub(super) fn udp_flow(
    lua: &Lua,
    sim: &Shared,
    call: &Call,
    size: u64,
    finite: bool,
    make: impl FnOnce(Endpoint, Instant, Instant) -> Box<dyn Process>,
) -> mlua::Result<Result<FlowHandle, Refusal>> {
    let src = this_node(call)?;
    let Destination { node: dst, address, port } = destination(sim, call)?;
    let opts = call.opts();
    let name = flow_name(sim, call, src, dst, call.func.short());
    let (start, stop) = times(sim, call, &name)?;
    let mut world = sim.world()?;
    let spec = FlowSpec { name, transport: Transport::Udp, cc: None, src, dst, dport: 0, tcp: None };
    let id = match declare(&mut world, spec, port) {
        Ok(id) => id,
        Err(why) => return Ok(Err(why)),
    };
    if let Some(to) = address {
        world.set_flow_address(id, to);
    }
    world.set_flow_dscp(id, opts.int("dscp").unwrap_or(0) as u8);
    let to: Endpoint =
        world.flow_endpoint(id).ok_or_else(|| Mistake::new("the destination has no address"))?;
    let way = world.ip_node(src).and_then(|node| node.stack.source_for(to.addr));
    let whole = size + u64::from(IpStack::header_len(to.addr)) + UdpHeader::LEN as u64;
    if let Some((_, mtu)) = way.filter(|(_, mtu)| whole > u64::from(*mtu)) {
        let text = format!(
            "datagrams of {size} bytes do not fit the MTU of {mtu}: each is cut into fragments, and lost when one of them is"
        );
        sim.out.borrow_mut().warn(text, here(lua));
    }
    let process = world.start_flow(id, make(to, start, stop));
    let finite = finite || stop < Instant::MAX;
    drop(world);
    note_endless(lua, sim, id, finite);
    Ok(Ok(FlowHandle { id, process, start, stop, finite }))
}

/// A figure of a flow; `None` when it does not apply.
type Figure = fn(&World, &tidewire_world::Flow) -> Option<f64>;

const FIGURES: &[(&str, Figure)] = &[
    ("goodput", |world, flow| flow.goodput_bps(world.now(), world.warmup())),
    ("goodput_mbps", |world, flow| flow.goodput_bps(world.now(), world.warmup()).map(|bps| bps / 1e6)),
    ("throughput", |world, flow| flow.goodput_bps(world.now(), world.warmup())),
    ("throughput_mbps", |world, flow| flow.goodput_bps(world.now(), world.warmup()).map(|bps| bps / 1e6)),
    ("jitter", |_, flow| flow.jitter_mean()),
    ("jitter_ms", |_, flow| flow.jitter_mean().map(|mean| mean * 1e3)),
    ("fct", |_, flow| flow.completion_time().map(|span| span.as_secs_f64())),
    ("fct_s", |_, flow| flow.completion_time().map(|span| span.as_secs_f64())),
    ("fct_ms", |_, flow| flow.completion_time().map(|span| span.as_ms_f64())),
];

/// A count of a flow; `None` when it does not apply.
type Count = fn(&World, &tidewire_world::Flow) -> Option<u64>;

const COUNTS: &[(&str, Count)] = &[
    ("bytes_delivered", |_, flow| Some(flow.delivered_measured)),
    ("bytes_offered", |world, flow| Some(world.bytes_offered(flow))),
    ("packets_sent", |_, flow| (flow.spec.transport == Transport::Udp).then_some(flow.packets_measured.0)),
    ("packets_lost", |world, flow| (flow.spec.transport == Transport::Udp).then(|| world.packets_lost(flow))),
    ("retransmits", |world, flow| world.retransmits(flow)),
    ("rtos", |world, flow| world.rtos(flow)),
];

fn fields(registry: &mut Registry<'_>) -> mlua::Result<()> {
    for (name, figure) in FIGURES {
        registry.field("flow", name, move |_, sim, this| {
            let id = this.borrow::<FlowHandle>()?.id;
            let world = sim.world()?;
            Ok(figure(&world, world.flow(id)))
        })?;
    }
    for (name, count) in COUNTS {
        registry.field("flow", name, move |_, sim, this| {
            let id = this.borrow::<FlowHandle>()?.id;
            let world = sim.world()?;
            Ok(count(&world, world.flow(id)))
        })?;
    }
    for name in ["delay", "packet_delay", "rtt"] {
        registry.field("flow", name, move |lua, _, this| {
            let id = this.borrow::<FlowHandle>()?.id;
            lua.create_userdata(Histogram(HistogramOf::Flow(id, name)))
        })?;
    }
    super::media::fields(registry)?;
    registry.field("flow", "info", |lua, sim, this| {
        let id = this.borrow::<FlowHandle>()?.id;
        let world = sim.world()?;
        let flow = world.flow(id);
        let view = flow.socket.and_then(|socket| world.view(flow.spec.src, socket));
        match view {
            Some(SocketView::Tcp(_, _, conn)) => info(lua, &conn, world.now()).map(Some),
            _ => Ok(None),
        }
    })?;
    registry.field("flow", "name", |_, sim, this| {
        let id = this.borrow::<FlowHandle>()?.id;
        Ok(sim.world()?.flow(id).spec.name.clone())
    })?;
    registry.field("flow", "state", |_, sim, this| {
        let this = this.borrow::<FlowHandle>()?;
        let world = sim.world()?;
        let flow = world.flow(this.id);
        Ok(match (flow.started, flow.ended) {
            (_, Some(_)) if flow.failure.is_some() => "failed",
            (_, Some(_)) => "ended",
            (_, None) if !world.is_alive(this.process) => "ended",
            (None, None) => "waiting",
            (Some(_), None) => "running",
        })
    })?;
    registry.shows("flow", |sim, this| {
        let id = this.borrow::<FlowHandle>()?.id;
        let world = sim.world.borrow();
        let flow = world.flow(id);
        let rate = flow
            .goodput_bps(world.now(), world.warmup())
            .map_or_else(String::new, |bps| format!(" {:.2} Mbit/s", bps / 1e6));
        Ok(format!("flow {} {}{rate}", flow.spec.name, flow.spec.transport.label()))
    })
}

struct FlowWait {
    flow: FlowId,
    process: ProcessId,
    start: Instant,
    stop: Instant,
    deadline: Instant,
}

impl Op for FlowWait {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let now = world.now();
        let flow = world.flow(self.flow);
        let (src, socket, transport, ended) =
            (flow.spec.src, flow.socket, flow.spec.transport, flow.ended.is_some());
        if let Some(why) = flow.failure {
            return super::tcp::refused(lua, why).map(Some);
        }
        // A connection is over some time after its program: when the last FIN is acknowledged.
        let over = !world.is_alive(self.process) && (transport == Transport::Udp || socket.is_none());
        if (ended || over) && !world.has_datagrams_under_way(world.flow(self.flow)) {
            return true.into_lua_multi(lua).map(Some);
        }
        if now >= self.deadline {
            return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
        }
        // Nothing says that a flow is over but looking: what is left to wait for then is short.
        let soon = now + Span::from_ms(1);
        match socket {
            Some(socket) if transport == Transport::Tcp && world.is_alive(self.process) => {
                let until = self.deadline.min(self.stop.max(soon));
                if world.wait(me, until, &[(src, socket, Interest::Drained)]) {
                    world.wait(me, self.deadline.min(soon), &[]);
                }
            }
            _ => {
                let next = if now < self.start { self.start } else { soon };
                world.wait(me, self.deadline.min(next), &[]);
            }
        }
        Ok(None)
    }

    fn describe(&self, sim: &Sim) -> (String, String) {
        let world = sim.world.borrow();
        ("wait()".to_owned(), format!("for flow {}", world.flow(self.flow).spec.name))
    }
}
