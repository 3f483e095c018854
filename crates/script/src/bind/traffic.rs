//! Traffic of many hosts, and the quality of calls.

use super::ping::HOST_DOWN;
use super::sizes::{classes, sizes};
use super::tcp_options::tcp_config;
use super::traffic_asks::Asks;
use super::traffic_load::{Aim, Beginnings, Flow, beginnings};
use super::traffic_results::{fields, rounds, rows, save, summary};
use crate::Place;
use crate::call::{Call, Opts};
use crate::classes::{Registry, wrong_this};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim, here};
use crate::spec::traffic as spec;
use crate::values::Val;
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, UserDataRef, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::traffic::{Gaps, Pace, Pick, Sizes, Spec, Workload};
use tidewire_l7_application::voice::{Codec, EModel, mos};
use tidewire_units::{Instant, NodeId, Purpose};
use tidewire_world::{ProcessId, WorkloadId, WorkloadSpec};

/// A workload, as scripts hold it.
pub(crate) struct TrafficHandle {
    pub id: WorkloadId,
    pub name: String,
    pub classes: Vec<u64>,
    pub mean: f64,
}

/// A workload that was begun, where, and the link that its load is a share of, if one was named.
pub(crate) struct Begun {
    pub id: WorkloadId,
    pub name: String,
    pub place: Option<Place>,
    pub aim: Option<Aim>,
    pub asks: Asks,
}

/// First port of workloads.
const FIRST_PORT: u16 = 7000;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::NET_TRAFFIC, |lua, sim, call| traffic(lua, sim, &call))?;
    registry.add(&spec::NET_INCAST, |lua, sim, call| incast(lua, sim, &call))?;
    registry.add(&spec::WAIT, |lua, sim, call| {
        let id = this(&call)?.id;
        let deadline = call.deadline(sim.world.borrow().now(), None);
        if !sim.world()?.workload(id).is_finite() {
            let mistake = Mistake::new("this traffic has no end, so that waiting would be for ever");
            return Err(mistake.at_word("wait").note("give it a count or a stop").into());
        }
        block_on(lua, sim, Box::new(Wait { id, deadline }))
    })?;
    registry.add(&spec::STOP, |_, sim, call| {
        let id = this(&call)?.id;
        sim.world()?.stop_workload(id);
        Ok(())
    })?;
    registry.add(&spec::SUMMARY, |lua, sim, call| summary(lua, sim, &*this(&call)?))?;
    registry.add(&spec::ROWS, |lua, sim, call| rows(lua, sim, &*this(&call)?))?;
    registry.add(&spec::ROUNDS, |lua, sim, call| rounds(lua, sim, &*this(&call)?))?;
    registry.add(&spec::SAVE, |_, sim, call| {
        let this_one = this(&call)?;
        save(sim, &this_one, call.text(0) == Some("all"))?;
        Ok(call.this.clone())
    })?;
    registry.add(&spec::EMODEL, |lua, _, call| emodel(lua, &call))?;
    fields(registry)
}

fn this(call: &Call) -> mlua::Result<UserDataRef<TrafficHandle>> {
    let this = call.this.as_ref().and_then(|this| this.borrow::<TrafficHandle>().ok());
    Ok(this.ok_or_else(|| wrong_this(call))?)
}

fn traffic(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<Value> {
    let opts = call.opts();
    let list = |name| match opts.get(name) {
        Some(Val::Nodes(nodes)) => Some(nodes.clone()),
        _ => None,
    };
    let same = list("hosts").is_some();
    let (clients, servers) = match (list("hosts"), list("from"), list("to")) {
        (Some(hosts), None, None) => (hosts.clone(), hosts),
        (None, Some(from), Some(to)) => (from, to),
        _ => {
            return Err(Mistake::new("net:traffic needs the option 'hosts', or 'from' and 'to'")
                .at_word("traffic")
                .note("hosts = tree.hosts sends among them; from = {a, b}, to = {c} sends one way")
                .into());
        }
    };
    let least = 1 + usize::from(same);
    if clients.len() < least || servers.len() < least {
        return Err(Mistake::new(format!("traffic needs at least {least} hosts")).at_word("hosts").into());
    }
    if !same && clients.iter().any(|client| servers.contains(client)) {
        return Err(Mistake::new("a host stands in 'from' and in 'to'")
            .at_word("to")
            .note("hosts = {..} is for hosts that send to each other: none then sends to itself")
            .into());
    }
    for (word, nodes) in [(if same { "hosts" } else { "from" }, &clients), ("to", &servers)] {
        refuse_twice(sim, word, nodes)?;
    }
    let up = sizes(sim, "size", &call.required("size", opts.get("size"))?.clone())?;
    let down = opts.get("response").map(|value| sizes(sim, "response", value)).transpose()?;
    let name = free_name(sim, opts, "traffic");
    let pick = pick(sim, opts, &name, clients.len(), servers.len(), same)?;
    let each = match &pick {
        Pick::Everyone => servers.len() - usize::from(same),
        Pick::Random(n) => *n as usize,
        Pick::Fixed(_) => 1,
    };
    let mean = (up.mean() + down.as_ref().map_or(0.0, Sizes::mean)) * each as f64;
    let keep = opts.flag("keepalive").unwrap_or(false);
    let (start, stop) = times(sim, opts)?;
    let base = sim.world()?.tcp_config(clients[0]);
    let mut tcp = tcp_config(sim, opts, &base)?;
    // Requests on kept connections that waited for acknowledgments of others before would measure Nagle's algorithm.
    if keep && opts.flag("nodelay").is_none() {
        tcp.nodelay = true;
    }
    let flow = Flow {
        clients: &clients,
        servers: &servers,
        pick: &pick,
        same,
        up: &up,
        down: down.as_ref(),
        each,
        keep,
        gaps: match opts.text("arrivals") {
            Some("constant") => Gaps::Constant,
            _ => Gaps::Exponential,
        },
        tcp: &tcp,
    };
    let begins = beginnings(sim, opts, &flow)?;
    let asks = Asks::new(sim, &flow, &begins, (opts.int("count"), [start, stop]))?;
    asks.warn(lua, sim, &name)?;
    let Beginnings { pace, weights, aim } = begins;
    let what = Spec {
        clients: clients.len() as u32,
        servers: servers.len() as u32,
        same,
        pace,
        weights,
        pick,
        up,
        down,
        split: false,
        keep,
        start,
        stop,
        count: opts.int("count").map(|count| count as u64),
    };
    if what.count.is_none() && stop == Instant::MAX && sim.experiment.borrow().duration.is_none() {
        return Err(Mistake::new("this traffic never ends")
            .at_word("traffic")
            .note("give it count = 1000 or stop = \"1s\", or the experiment a duration")
            .into());
    }
    begin(lua, sim, call, (name, aim, asks), WorkloadHosts { clients, servers, tcp }, what, mean)
}

fn incast(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<Value> {
    let opts = call.opts();
    let Some(Val::Node(to)) = opts.get("to") else {
        return Err(call.required::<()>("to", None).unwrap_err().into());
    };
    let Some(Val::Nodes(from)) = opts.get("from") else {
        return Err(call.required::<()>("from", None).unwrap_err().into());
    };
    if from.is_empty() || from.contains(to) {
        return Err(Mistake::new("'from' must name at least one host, and not the one in 'to'")
            .at_word("from")
            .into());
    }
    refuse_twice(sim, "from", from)?;
    let (split, size) = match (opts.size("block"), opts.size("each")) {
        (Some(block), None) => (true, block),
        (None, Some(each)) => (false, each),
        _ => {
            return Err(Mistake::new("net:incast needs one of 'block' and 'each'")
                .at_word("incast")
                .note("block = \"1MB\" is divided among all who answer; each = \"256KiB\" is what each sends")
                .into());
        }
    };
    if size.0 == 0 {
        let word = if split { "block" } else { "each" };
        return Err(Mistake::new(format!("{word} must be more than 0")).at_word(word).into());
    }
    let request = opts.size("request").map_or(100.0, |size| size.0 as f64);
    // Sizes of a split question are divided too.
    let request = if split { request * from.len() as f64 } else { request };
    let (start, stop) = times(sim, opts)?;
    let what = Spec {
        clients: 1,
        servers: from.len() as u32,
        same: false,
        pace: Pace::Closed(opts.span("pause").unwrap_or_default()),
        weights: Vec::new(),
        pick: Pick::Everyone,
        up: Sizes::Fixed(request),
        down: Some(Sizes::Fixed(size.0 as f64)),
        split,
        keep: !opts.flag("fresh").unwrap_or(false),
        start,
        stop,
        count: Some(opts.int("rounds").unwrap_or(1) as u64),
    };
    let name = free_name(sim, opts, "incast");
    let mean = size.0 as f64 * if split { 1.0 } else { from.len() as f64 };
    let base = sim.world()?.tcp_config(*to);
    let tcp = tcp_config(sim, opts, &base)?;
    let hosts = WorkloadHosts { clients: vec![*to], servers: from.clone(), tcp };
    begin(lua, sim, call, (name, None, Asks::default()), hosts, what, mean)
}

fn refuse_twice(sim: &Shared, word: &str, nodes: &[NodeId]) -> mlua::Result<()> {
    let mut seen = BTreeSet::new();
    let Some(twice) = nodes.iter().find(|node| !seen.insert(**node)) else { return Ok(()) };
    let host = sim.plan.borrow().node(*twice).name.clone();
    Err(Mistake::new(format!("'{host}' stands twice in '{word}'")).at_word(word).into())
}

/// Who takes part, and the TCP options of both ends.
struct WorkloadHosts {
    clients: Vec<NodeId>,
    servers: Vec<NodeId>,
    tcp: TcpConfig,
}

fn begin(
    lua: &Lua,
    sim: &Shared,
    call: &Call,
    (name, aim, asks): (String, Option<Aim>, Asks),
    WorkloadHosts { clients, servers, tcp }: WorkloadHosts,
    what: Spec,
    mean: f64,
) -> mlua::Result<Value> {
    let opts = call.opts();
    let classes = classes(opts)?;
    let mut world = sim.world()?;
    for node in clients.iter().chain(&servers) {
        if world.address_of(*node).is_none() {
            let host = sim.plan.borrow().node(*node).name.clone();
            return Err(Mistake::new(format!(
                "'{host}' has no address: it has no link, none was given to it, or it is a switch"
            ))
            .at_word(opts.get("hosts").map_or("from", |_| "hosts"))
            .note("join it to the network with net:link() or net:lan()")
            .into());
        }
    }
    let own = opts.int("port").map(|port| port as u16);
    let tcp = Some(Arc::new(tcp));
    for port in own.map_or(FIRST_PORT..=u16::MAX, |port| port..=port) {
        let free = |node: &NodeId| world.listener_on(*node, port, tidewire_world::Transport::Tcp).is_none();
        if !servers.iter().all(free) {
            continue;
        }
        let spec = WorkloadSpec { name: name.clone(), clients, servers, port, tcp };
        let id = world.add_workload(spec, what);
        let id = id.map_err(|(_, why)| Mistake::new(format!("the servers cannot listen: {why}")))?;
        drop(world);
        sim.traffic.borrow_mut().push(Begun { id, name: name.clone(), place: here(lua), aim, asks });
        return Ok(Value::UserData(lua.create_userdata(TrafficHandle { id, name, classes, mean })?));
    }
    let port = own.unwrap_or(FIRST_PORT);
    Err(Mistake::new(format!("port {port} is in use at a server")).at_word("port").into())
}

fn free_name(sim: &Shared, opts: &Opts, kind: &str) -> String {
    let wanted = opts.text("name").unwrap_or(kind).to_owned();
    let mut names = sim.flow_names.borrow_mut();
    let n = names.entry(wanted.clone()).or_insert(0);
    *n += 1;
    if *n == 1 { wanted } else { format!("{wanted}#{n}") }
}

fn times(sim: &Shared, opts: &Opts) -> mlua::Result<(Instant, Instant)> {
    let now = sim.world()?.now();
    let at = |name| opts.span(name).map(|span| Instant::ZERO + span);
    let (start, stop) = (at("start").unwrap_or(now).max(now), at("stop").unwrap_or(Instant::MAX));
    if stop <= start {
        return Err(Mistake::new(format!("it stops at {stop}, before it starts at {start}"))
            .at_word("stop")
            .into());
    }
    Ok((start, stop))
}

fn pick(
    sim: &Shared,
    opts: &Opts,
    name: &str,
    clients: usize,
    servers: usize,
    same: bool,
) -> mlua::Result<Pick> {
    let others = servers - usize::from(same);
    let fan = opts.int("fan").unwrap_or(1) as usize;
    match opts.text("pattern") {
        Some("everyone") => Ok(Pick::Everyone),
        Some("permutation") if clients != servers => Err(Mistake::new(format!(
            "a permutation needs as many in 'from' as in 'to', here {clients} and {servers}"
        ))
        .at_word("permutation")
        .into()),
        Some("permutation") => {
            let mut stream =
                sim.world.borrow().streams().stream(Purpose::Application, &format!("permutation of {name}"));
            let mut of: Vec<u32> = (0..servers as u32).collect();
            // Sattolo's algorithm: one cycle, so that nobody is his own partner.
            for i in (1..of.len()).rev() {
                let below = if same { i - 1 } else { i };
                of.swap(i, stream.between(0, below as u64) as usize);
            }
            Ok(Pick::Fixed(of))
        }
        _ if fan > others => {
            Err(Mistake::new(format!("fan = {fan}: there are {others} others")).at_word("fan").into())
        }
        _ => Ok(Pick::Random(fan as u32)),
    }
}

struct Wait {
    id: WorkloadId,
    deadline: Instant,
}

impl Op for Wait {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let now = world.now();
        let workload: &Workload = world.workload(self.id);
        if workload.is_over() {
            return true.into_lua_multi(lua).map(Some);
        }
        if workload.is_stalled() {
            return (Value::Nil, HOST_DOWN).into_lua_multi(lua).map(Some);
        }
        if now >= self.deadline {
            return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
        }
        world.wait_workload(me, self.id, self.deadline);
        Ok(None)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("wait()".to_owned(), "for traffic".to_owned())
    }
}

fn emodel(lua: &Lua, call: &Call) -> mlua::Result<Table> {
    let opts = call.opts();
    let codec = Codec::named(opts.text("codec").unwrap_or("g711")).expect("a name of the table of functions");
    let delay = opts.span("delay").unwrap_or_default().as_ms_f64();
    let loss = match opts.get("loss") {
        Some(Val::Probability(p)) => p.get(),
        _ => 0.0,
    };
    let burst = opts.number("burst").unwrap_or(1.0);
    if burst < 1.0 {
        return Err(Mistake::new("burst is at least 1, for random losses").at_word("burst").into());
    }
    let model = EModel {
        telr: opts.number("echo").unwrap_or(65.0),
        a: opts.number("advantage").unwrap_or(0.0),
        ..EModel::over_packets(&codec, delay, loss, burst)
    };
    rating_table(lua, model.rating())
}

/// A rating as scripts see it.
pub(super) fn rating_table(lua: &Lua, rating: tidewire_l7_application::voice::Rating) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let parts =
        [("ro", rating.ro), ("is", rating.is), ("id", rating.id), ("ie_eff", rating.ie_eff), ("r", rating.r)];
    for (name, x) in parts {
        table.raw_set(name, x)?;
    }
    table.raw_set("mos", mos(rating.r))?;
    Ok(table)
}
