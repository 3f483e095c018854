//! What the module of swarms stands on: the native peers and what is to be seen of them.

use super::Natives;
use crate::classes::{Registry, node_of};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::services::Loader;
use crate::sim::{Shared, Sim};
use crate::spec::swarm as spec;
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l4_transport::congestion::CcKind;
use tidewire_l7_application::swarm::{
    Behaviour, Board, Choking, Disk, Event, Lifetime, Peer, PeerConfig, PeerReport, Policy, Program,
    SeedChoking, SharedBoard, Torrent, Tracker,
};
use tidewire_topology::sends_on;
use tidewire_units::{Instant, NodeId, Purpose, Rate, Span, stable_hash};
use tidewire_wire::Endpoint;
use tidewire_world::{ProcessId, World};

const TRACKER_PORT: u16 = 6969;

pub(super) fn install(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    services.add(registry, &spec::SWARM, "swarm")
}

type Swarms = Rc<RefCell<Vec<Rc<Swarm>>>>;

/// A swarm of this run.
struct Swarm {
    board: SharedBoard,
    seats: Vec<Seat>,
    torrent: Arc<Torrent>,
    port: u16,
    tracker: Endpoint,
    tracker_host: NodeId,
    /// It is its tracker that runs there, not another swarm's.
    has_tracker: bool,
    name: String,
}

/// What a peer is made of, each time that its host boots.
struct Seat {
    host: NodeId,
    config: PeerConfig,
    life: Lifetime,
    tcp: Option<Arc<TcpConfig>>,
    key: String,
}

/// Functions that only the module sees.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    let swarms = Swarms::default();
    let all = swarms.clone();
    native.add("swarm_new", move |_, sim, table: Table| {
        let swarm = start(sim, &table, &all.borrow())?;
        all.borrow_mut().push(Rc::new(swarm));
        Ok(all.borrow().len())
    })?;
    let all = swarms.clone();
    native.wait("swarm_next", move |lua, sim, id: usize| {
        let board = all.borrow()[id - 1].board.clone();
        block_on(lua, sim, Box::new(Next { board }))
    })?;
    let all = swarms.clone();
    native.add("swarm_peer", move |lua, _, (id, peer): (usize, usize)| {
        let swarm = all.borrow()[id - 1].clone();
        let board = swarm.board.borrow();
        report(lua, &board.peers[peer - 1])
    })?;
    let all = swarms.clone();
    native.add("swarm_wants_pieces", move |_, _, id: usize| {
        all.borrow()[id - 1].board.borrow_mut().wants_pieces = true;
        Ok(())
    })?;
    let all = swarms.clone();
    native.add("swarm_boot", move |_, sim, (id, peer): (usize, usize)| {
        let swarm = all.borrow()[id - 1].clone();
        swarm.boot(&mut *sim.world()?, peer - 1);
        Ok(())
    })?;
    let all = swarms.clone();
    native.add("swarm_boot_tracker", move |_, sim, id: usize| {
        let swarm = all.borrow()[id - 1].clone();
        swarm.boot_tracker(&mut *sim.world()?);
        Ok(())
    })?;
    native.add("swarm_announces", move |_, _, id: usize| Ok(swarms.borrow()[id - 1].board.borrow().announces))
}

/// The next thing that happens: time, number of the peer, word, detail.
struct Next {
    board: SharedBoard,
}

impl Op for Next {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut board = self.board.borrow_mut();
        let Some((at, peer, event)) = board.events.pop_front() else {
            board.waiting = Some(me.0);
            sim.world()?.wait(me, Instant::MAX, &[]);
            return Ok(None);
        };
        let (word, detail) = match event {
            Event::Piece(piece) => ("piece", Value::Integer(i64::from(piece) + 1)),
            Event::Complete => ("complete", Value::Nil),
            Event::Left => ("left", Value::Nil),
            Event::Back => ("back", Value::Nil),
            Event::Banned(address) => {
                let text = std::net::Ipv4Addr::from_bits(address).to_string();
                ("banned", Value::String(lua.create_string(text)?))
            }
        };
        (at.as_secs_f64(), peer + 1, word, detail).into_lua_multi(lua).map(Some)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("swarm".to_owned(), "for peers".to_owned())
    }
}

fn report(lua: &Lua, peer: &PeerReport) -> mlua::Result<Table> {
    let row = lua.create_table()?;
    row.raw_set("name", peer.name.as_str())?;
    row.raw_set("behaviour", peer.behaviour)?;
    for (name, at) in [("joined", peer.joined), ("complete", peer.complete), ("left", peer.left)] {
        row.raw_set(name, at.map(|at| at.as_secs_f64()))?;
    }
    for (name, count) in [
        ("downloaded", peer.downloaded),
        ("uploaded", peer.uploaded),
        ("wasted", peer.wasted),
        ("corrupt", peer.corrupt),
        ("banned", peer.banned),
        ("malformed", peer.malformed),
        ("floods", peer.floods),
        ("timeouts", peer.timeouts),
        ("unrequested", peer.unrequested),
        ("refused", peer.refused),
        ("pieces", u64::from(peer.pieces)),
        ("connections", u64::from(peer.connections)),
    ] {
        row.raw_set(name, count)?;
    }
    row.raw_set("hash", peer.hash.map(|hash| format!("{hash:016x}")))?;
    Ok(row)
}

/// All that the module has checked and gathered.
struct Plan {
    torrent: Arc<Torrent>,
    table: Table,
    port: u16,
    tracker: Endpoint,
    name: String,
    /// Instead of the hosts'.
    cc: Option<CcKind>,
}

fn start(sim: &Shared, table: &Table, others: &[Rc<Swarm>]) -> mlua::Result<Swarm> {
    let board: SharedBoard = Rc::new(RefCell::new(Board::default()));
    let tracker: NodeId = node(table.raw_get::<Value>("tracker")?)?;
    let mut world = sim.world()?;
    let name: String = table.raw_get("name")?;
    let cc: Option<String> = table.raw_get("cc")?;
    let seed = stable_hash(&[b"swarm", name.as_bytes()]);
    let torrent = Torrent::new(table.raw_get("size")?, table.raw_get("piece")?, seed);
    table.raw_set("hash", format!("{:016x}", torrent.file_hash()))?;
    let plan = Plan {
        torrent: Arc::new(torrent),
        port: table.raw_get("port")?,
        tracker: Endpoint::new(address(&world, tracker)?, TRACKER_PORT),
        table: table.clone(),
        name,
        cc: cc.map(|name| super::congestion::kind_of(sim, &name)).transpose()?,
    };
    // A tracker knows the members of many files.
    let has_tracker = !others.iter().any(|other| other.has_tracker && other.tracker_host == tracker);
    if has_tracker && world.listener_on(tracker, TRACKER_PORT, tidewire_world::Transport::Udp).is_some() {
        return Err(in_use(&world, TRACKER_PORT, tracker).into());
    }
    let mut swarm = Swarm {
        board,
        seats: Vec::new(),
        torrent: plan.torrent.clone(),
        port: plan.port,
        tracker: plan.tracker,
        tracker_host: tracker,
        has_tracker,
        name: plan.name.clone(),
    };
    let seeds: Table = table.raw_get("seeds")?;
    let peers: Table = table.raw_get("peers")?;
    for (is_seed, list) in [(true, seeds), (false, peers)] {
        for (i, value) in list.sequence_values::<Value>().enumerate() {
            let seat = plan.seat(&world, node(value?)?, is_seed, i + 1, swarm.seats.len() + 1)?;
            if others.iter().any(|other| other.port == plan.port && other.is_at(seat.host)) {
                return Err(in_use(&world, plan.port, seat.host).into());
            }
            swarm.seats.push(seat);
        }
    }
    if has_tracker {
        swarm.start_tracker(&mut world);
    }
    (0..swarm.seats.len()).try_for_each(|index| swarm.add(&mut world, index))?;
    Ok(swarm)
}

impl Swarm {
    /// Whether one of its peers is, or will be, at a host.
    fn is_at(&self, host: NodeId) -> bool {
        let board = self.board.borrow();
        self.seats.iter().zip(&board.peers).any(|(seat, peer)| seat.host == host && peer.left.is_none())
    }

    /// Its port is taken now, so that whoever wants it in the same instant hears of it.
    fn start_tracker(&self, world: &mut World) {
        let Ok(socket) = world.udp(self.tracker_host, TRACKER_PORT) else { return };
        let program = Tracker::new(socket, self.board.clone());
        world.spawn_native(self.tracker_host, Box::new(program), None, &format!("{}/tracker", self.name));
    }

    fn boot_tracker(&self, world: &mut World) {
        if self.board.borrow().tracker_disk.is_some() {
            self.start_tracker(world);
        }
    }

    /// A peer as the swarm begins.
    fn add(&self, world: &mut World, index: usize) -> mlua::Result<()> {
        let seat = &self.seats[index];
        let name = world.plan().node(seat.host).name.clone();
        self.board.borrow_mut().peers.push(PeerReport {
            name,
            address: address(world, seat.host)?.to_bits(),
            behaviour: seat.config.behaviour.name(),
            pieces: if seat.config.seed { self.torrent.piece_count() } else { 0 },
            ..PeerReport::default()
        });
        self.run(world, index, None);
        Ok(())
    }

    /// A peer whose host has booted goes on with what is on its disk.
    fn boot(&self, world: &mut World, index: usize) {
        let mut board = self.board.borrow_mut();
        let Some(disk) = board.disks.remove(&(index as u32)) else { return };
        board.peers[index].left = None;
        board.events.push_back((world.now(), index as u32, Event::Back));
        let waiting = board.waiting.take();
        drop(board);
        if let Some(process) = waiting {
            world.wake(ProcessId(process));
        }
        self.run(world, index, Some(&disk));
    }

    fn run(&self, world: &mut World, index: usize, disk: Option<&Disk>) {
        let seat = &self.seats[index];
        let mut life = seat.life;
        let key = match disk {
            None => seat.key.clone(),
            Some(disk) => format!("{}/{}", seat.key, disk.starts),
        };
        let random = world.streams().stream(Purpose::Application, &format!("{key}/choices")).bits();
        let mut peer = Peer::new(seat.config.clone(), index as u32, self.board.clone(), random);
        if let Some(disk) = disk {
            peer = peer.restart(disk);
            life.join = disk.join.max(world.now());
        }
        let program = Program::new(peer, life, self.tracker, self.port);
        world.spawn_native_with(seat.host, Box::new(program), None, seat.tcp.clone(), &key);
    }
}

fn in_use(world: &World, port: u16, host: NodeId) -> Mistake {
    let name = &world.plan().node(host).name;
    let note = "close what has it, or take another host; peers may have another port";
    Mistake::new(format!("net:swarm: port {port} of {name} is in use")).at_word("swarm").note(note)
}

impl Plan {
    fn seat(&self, world: &World, host: NodeId, is_seed: bool, i: usize, place: usize) -> mlua::Result<Seat> {
        let behaviour = self.behaviour(place)?;
        address(world, host)?;
        let config = PeerConfig {
            torrent: self.torrent.clone(),
            seed: is_seed,
            behaviour,
            policy: match self.table.raw_get::<String>("policy")?.as_str() {
                "random" => Policy::Random,
                "sequential" => Policy::Sequential,
                _ => Policy::RarestFirst,
            },
            slots: self.table.raw_get(if is_seed { "seed_slots" } else { "slots" })?,
            choking: match self.table.raw_get::<String>("choking")?.as_str() {
                "balanced" => Choking::Balanced,
                _ => Choking::TitForTat,
            },
            seed_choking: match self.table.raw_get::<String>("seed_choking")?.as_str() {
                "fastest" => SeedChoking::Fastest,
                "neediest" => SeedChoking::Neediest,
                _ => SeedChoking::RoundRobin,
            },
            interval: self.span("interval")?.unwrap_or(Span::from_secs(10)),
            pipeline: self.table.raw_get("pipeline")?,
            neighbours: self.table.raw_get(if is_seed { "seed_neighbours" } else { "neighbours" })?,
            super_seed: self.table.raw_get("super_seed")?,
            end_game: self.table.raw_get("end_game")?,
            patience: self.span("patience")?.unwrap_or(Span::from_secs(30)),
            upload: self.upload(world, host, if is_seed { "seed_upload" } else { "upload" })?,
        };
        let join = if is_seed { 0.0 } else { self.table.raw_get::<Table>("joins")?.raw_get::<f64>(i)? };
        let life = Lifetime {
            join: world.now() + Span::from_secs_f64(join),
            stay: if is_seed { None } else { self.span("stay")? },
            away_after: if is_seed { None } else { self.span("away_after")? },
            back_after: self.span("back_after")?,
            gives_up: self.span("gives_up")?.unwrap_or(Span::from_secs(600)),
        };
        let key = format!("{}/{}", self.name, world.plan().node(host).name);
        let with = |cc: &CcKind| Arc::new(TcpConfig { cc: cc.clone(), ..(*world.tcp_config(host)).clone() });
        let tcp = self.cc.as_ref().map(with);
        Ok(Seat { host, config, life, tcp, key })
    }

    /// A share of the line as it is now.
    fn upload(&self, world: &World, host: NodeId, name: &str) -> mlua::Result<Option<Rate>> {
        let Some(share) = self.table.raw_get::<Option<f64>>(name)? else { return Ok(None) };
        let line = world.plan().node(host).ifaces.first().map(|iface| world.port(sends_on(*iface)).rate());
        Ok(line.and_then(|line| Rate::from_bits_per_s((line.bits_per_s() as f64 * share) as u64)))
    }

    fn behaviour(&self, place: usize) -> mlua::Result<Behaviour> {
        let words: Table = self.table.raw_get("behaviours")?;
        let word = words.raw_get::<Option<String>>(place)?;
        Ok(match word.as_deref() {
            Some("free_rider") => Behaviour::FreeRider,
            Some("corrupt") => Behaviour::Corrupt,
            Some("liar") => Behaviour::Liar,
            Some("flood") => Behaviour::Flood,
            Some("garbage") => Behaviour::Garbage,
            _ => Behaviour::Honest,
        })
    }

    fn span(&self, name: &str) -> mlua::Result<Option<Span>> {
        Ok(self.table.raw_get::<Option<f64>>(name)?.map(Span::from_secs_f64))
    }
}

fn node(value: Value) -> Result<NodeId, Mistake> {
    node_of(&value).ok_or_else(|| Mistake::new("net:swarm: a seed and peers are hosts").at_word("swarm"))
}

fn address(world: &World, host: NodeId) -> Result<std::net::Ipv4Addr, Mistake> {
    world.address_of(host).ok_or_else(|| {
        let name = &world.plan().node(host).name;
        Mistake::new(format!("net:swarm: {name} has no address")).at_word("swarm").note("link it first")
    })
}
