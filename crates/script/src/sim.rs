//! One run of a script: everything that its Lua functions act on.

use crate::bind::congestion::{Controls, Vars};
use crate::bind::work::{Cores, Memory};
use crate::mistake::{Mistake, Sources, Unwind};
use crate::output::{Output, SharedOutput};
use crate::sched::{Failure, Sched};
use crate::state::raw::current_frame;
use crate::state::watchdog::Watch;
use crate::state::{Files, Prelude};
use crate::{Experiment, Place, Point};
use mlua::{AnyUserData, Lua, Table, Value, WeakLua};
use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidewire_l4_transport::TcpConfig;
use tidewire_topology::import::Sought;
use tidewire_topology::{Plan, Prefix, Via};
use tidewire_units::{Instant, NodeId, Purpose, Span, Stream, Streams};
use tidewire_world::{RoutingSpec, World};

/// Numbers the runs of the process.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Why the chunk is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// To find its `experiment{}`; ends there, or where the chunk begins to build something.
    Plan,
    /// To build the network; ends where time would start.
    Build,
    /// To run.
    Run,
}

/// How the run is to end, once that is certain.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Ending {
    /// `stop([reason])`.
    Stopped(Option<String>),
    /// The plan, or the network, is complete.
    Complete,
}

/// One execution of a script.
pub(crate) struct Sim {
    pub mode: Mode,
    /// The parameters of this run.
    pub point: Point,
    /// What `experiment{}` declared; in a plan, what it declares.
    pub experiment: RefCell<Experiment>,
    pub sources: Sources,
    pub files: Files,
    pub plan: RefCell<Plan>,
    /// The plan has grown since the world was last told.
    pub grown: Cell<bool>,
    /// Why the plan cannot be built.
    pub unbuilt: RefCell<Option<Mistake>>,
    pub world: RefCell<World>,
    pub sched: RefCell<Sched>,
    pub out: SharedOutput,
    pub prelude: OnceCell<Prelude>,
    pub watch: OnceCell<Watch>,
    pub ending: RefCell<Option<Ending>>,
    /// Something was built: `experiment{}` comes too late from here on.
    touched: Cell<bool>,
    /// `experiment{}` was called.
    pub declared: Cell<bool>,
    /// The first print or random draw before `experiment{}`.
    before: RefCell<Option<(&'static str, Option<Place>)>>,
    streams: RefCell<BTreeMap<String, Stream>>,
    /// Where each node was made, by node id.
    pub places: RefCell<Vec<Option<Place>>>,
    /// Networks that were read from files.
    pub loaded: RefCell<Vec<String>>,
    /// Where routes were entered by hand.
    pub route_places: RefCell<Vec<RoutePlace>>,
    /// Where policies between BGP routers were given.
    pub policy_places: RefCell<Vec<(NodeId, NodeId, Option<Place>)>>,
    /// Where subnets were given.
    pub subnet_places: RefCell<Vec<(Prefix, Option<Place>)>>,
    /// TCP options of hosts that the world does not know yet.
    pub host_tcp: RefCell<Vec<(NodeId, TcpConfig)>>,
    /// The same of their options for addresses and errors.
    pub host_ip: RefCell<Vec<(NodeId, tidewire_world::IpOptions)>>,
    /// How routers find their routes, in the order in which it was said.
    pub routing: RefCell<Vec<Chosen>>,
    /// Changes of routes become events.
    pub log_routes: Cell<bool>,
    /// Values of parameters that replace the script's own, in a plan.
    pub overrides: RefCell<Vec<(String, Vec<tidewire_metrics::Value>)>>,
    /// The results of a sweep, when the script is executed for its `after_all`.
    pub after: RefCell<Option<crate::SweepTables>>,
    /// The last operation that gave nil and a reason: what, why, where.
    pub refused: RefCell<Option<(String, String, Option<Place>)>>,
    /// Flows without an end, and where they were started.
    pub endless: RefCell<Vec<(tidewire_world::FlowId, Option<Place>)>>,
    /// What native applications will send, while a network is only built.
    pub offered: RefCell<Vec<crate::bind::offered::Offered>>,
    /// Makes the files of captures.
    pub open_capture: RefCell<Box<crate::OpenCapture>>,
    /// Random delay of the start of native applications.
    pub jitter: Cell<Span>,
    /// How often each name of a flow was asked for.
    pub flow_names: RefCell<BTreeMap<String, u32>>,
    /// Endpoints of QUIC whose connections have rows in `flows.csv`.
    pub quic_flows: crate::bind::quic_flows::Measured,
    /// Workloads: their names, and where they were asked for.
    pub traffic: RefCell<Vec<crate::bind::traffic::Begun>>,
    /// Processor cores that are in use, by node id.
    pub cores: RefCell<BTreeMap<u32, Cores>>,
    /// Memory of hosts that have a limit or use some, by node id.
    pub memory: RefCell<BTreeMap<u32, Memory>>,
    /// How fast the cores of hosts are, where it was said.
    pub cpus: RefCell<BTreeMap<u32, f64>>,
    /// What devices do with frames, by node id.
    pub devices: RefCell<BTreeMap<u32, Vec<mlua::Function>>>,
    /// What looks at packets.
    pub taps: RefCell<crate::bind::taps::Taps>,
    /// What runs when a node boots, by node id.
    pub boots: RefCell<BTreeMap<u32, Vec<mlua::Function>>>,
    /// Somebody answers for names.
    pub names: Cell<bool>,
    /// Tells this run from others of its thread.
    pub number: u64,
    /// What a congestion control of the script sees, while one of its functions runs: the world cannot be used then.
    pub controller: RefCell<Option<Vars>>,
    /// The error of a congestion control.
    pub cc_failure: RefCell<Option<Failure>>,
    /// The state, for code that the world calls.
    pub lua: OnceCell<WeakLua>,
    /// Stops the world.
    pub halt: Arc<AtomicBool>,
    streams_of: Streams,
    pub handles: RefCell<Handles>,
}

/// How these routers (none: all) find their routes.
pub(crate) type Chosen = (Option<Vec<NodeId>>, Option<RoutingSpec>);

/// Lua values that Rust keeps; all must be gone before the state is closed.
#[derive(Default)]
pub(crate) struct Handles {
    /// By node id, counted from 1.
    pub nodes: Option<Table>,
    /// By link id, counted from 1.
    pub links: Option<Table>,
    /// The free table `host.data` of each node that asked for it.
    pub data: BTreeMap<u32, Table>,
    /// One value for each address and port, so that they work as keys of tables.
    pub peers: BTreeMap<(u32, u16), AnyUserData>,
    /// One handle for each port of a device.
    pub ports: BTreeMap<(u32, u32), AnyUserData>,
    /// Congestion controls of the script.
    pub controls: Controls,
    /// Functions for the end of the run.
    pub at_end: Vec<(mlua::Function, Option<Place>)>,
}

impl Sim {
    pub fn new(
        mode: Mode,
        script: &crate::Script,
        point: Point,
        experiment: Experiment,
        world: World,
        out: Output,
    ) -> Sim {
        let streams_of = world.streams();
        Sim {
            mode,
            point,
            experiment: RefCell::new(experiment),
            sources: Sources::default(),
            files: Files::beside(&script.path),
            plan: RefCell::default(),
            grown: Cell::new(false),
            unbuilt: RefCell::default(),
            world: RefCell::new(world),
            sched: RefCell::default(),
            out: SharedOutput::new(out),
            prelude: OnceCell::new(),
            watch: OnceCell::new(),
            ending: RefCell::new(None),
            touched: Cell::new(false),
            declared: Cell::new(false),
            before: RefCell::new(None),
            streams: RefCell::default(),
            places: RefCell::default(),
            loaded: RefCell::default(),
            route_places: RefCell::default(),
            subnet_places: RefCell::default(),
            policy_places: RefCell::default(),
            host_tcp: RefCell::default(),
            host_ip: RefCell::default(),
            routing: RefCell::default(),
            log_routes: Cell::new(true),
            overrides: RefCell::default(),
            after: RefCell::default(),
            refused: RefCell::new(None),
            endless: RefCell::default(),
            offered: RefCell::default(),
            open_capture: RefCell::new(Box::new(|_| Ok(Box::new(std::io::sink())))),
            jitter: Cell::new(Span::ZERO),
            flow_names: RefCell::default(),
            quic_flows: RefCell::default(),
            traffic: RefCell::default(),
            cores: RefCell::default(),
            memory: RefCell::default(),
            cpus: RefCell::default(),
            boots: RefCell::default(),
            devices: RefCell::default(),
            taps: RefCell::default(),
            names: Cell::new(false),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            controller: RefCell::new(None),
            cc_failure: RefCell::new(None),
            lua: OnceCell::new(),
            halt: Arc::default(),
            streams_of,
            handles: RefCell::default(),
        }
    }

    /// The script does something that belongs to a run. Ends a plan.
    pub fn touch(&self) -> mlua::Result<()> {
        if self.after.borrow().is_some() {
            let mistake = Mistake::new("nothing can be simulated in after_all: all runs are over");
            return Err(mistake
                .note("it has results.runs and results:summary(); print() and check() say more")
                .into());
        }
        if self.mode == Mode::Plan {
            return Err(self.unwind(Ending::Complete));
        }
        self.touched.set(true);
        Ok(())
    }

    /// The simulated time.
    pub fn now(&self) -> Instant {
        match &*self.controller.borrow() {
            Some(vars) => vars.now,
            None => self.world.borrow().now(),
        }
    }

    /// Refuses what needs the network while a congestion control computes.
    pub fn outside_of_controller(&self, what: &str) -> Result<(), Mistake> {
        if self.controller.borrow().is_none() {
            return Ok(());
        }
        Err(Mistake::new(format!("{what} cannot be used inside a congestion control: it only computes"))
            .at_word(what.rsplit([':', '.']).next().unwrap_or(what))
            .note("c has the sender's variables; a field of c can be watched: flow:watch(\"mine.field\")"))
    }

    /// Whether anything was built.
    pub fn is_touched(&self) -> bool {
        self.touched.get()
    }

    /// Ends the chunk here.
    pub fn unwind(&self, ending: Ending) -> mlua::Error {
        self.ending.borrow_mut().get_or_insert(ending);
        mlua::Error::external(Unwind)
    }

    /// Notes a print or a random draw, which may not come before `experiment{}`.
    pub fn note_before(&self, what: &'static str, lua: &Lua) {
        if !self.declared.get() && self.before.borrow().is_none() {
            *self.before.borrow_mut() = Some((what, here(lua)));
        }
    }

    /// What came before `experiment{}` and should not.
    pub fn before(&self) -> Option<(&'static str, Option<Place>)> {
        self.before.borrow().clone()
    }

    /// The plan, to change it with `what`.
    pub fn plan_mut(&self, what: &str) -> mlua::Result<RefMut<'_, Plan>> {
        self.touch()?;
        let world = self.world.borrow();
        if world.has_started() {
            let fix = match what {
                "net:link()" => "create the link before, and call link:disable() and link:enable()",
                _ => "call it before the first thing that waits",
            };
            return Err(Mistake::new(format!(
                "{what} at t = {}: the network is fixed once time has started; {fix}",
                world.now()
            ))
            .into());
        }
        self.grown.set(true);
        Ok(self.plan.borrow_mut())
    }

    /// The world, grown to what the plan says.
    pub fn world(&self) -> mlua::Result<RefMut<'_, World>> {
        self.touch()?;
        if let Some(mistake) = &*self.unbuilt.borrow() {
            return Err(mistake.clone().into());
        }
        let mut world = self.world.borrow_mut();
        if self.grown.replace(false) {
            crate::bind::routing::apply(self, &mut world);
            let result = self.unwatched(|| world.sync(&self.plan.borrow()));
            let wrong = result.err().map(|error| crate::bind::load::unbuildable(self, &error));
            if let Some(mistake) = wrong.or_else(|| self.duplicate_address(world.plan())) {
                // A script that catches this goes on with nothing, not with half a network.
                *self.unbuilt.borrow_mut() = Some(mistake.clone());
                return Err(mistake.into());
            }
            // No mistake for certain: proxy ARP may be on its way, or it is what is to be seen.
            for finding in tidewire_topology::doubts(world.plan()).into_iter().take(5) {
                self.out.borrow_mut().warn(finding.sentence, None);
            }
            self.host_tcp.take().into_iter().for_each(|(node, config)| world.set_tcp(node, config));
            self.host_ip.take().into_iter().for_each(|(node, options)| world.set_ip_options(node, &options));
        }
        Ok(world)
    }

    /// The complaint about a route entered by hand that leads nowhere, if there is one.
    pub fn unusable_route(&self) -> Option<Mistake> {
        let (node, prefix, via, sentence) = {
            let world = self.world.borrow();
            tidewire_topology::unusable_routes(world.plan()).into_iter().next()?
        };
        let mut mistake = Mistake::new(sentence)
            .at_word("route")
            .note("a route leads to a neighbour: a router on the same link or LAN, or its address there");
        let places = self.route_places.borrow();
        let known = places.iter().find(|(at, of, to, _)| (*at, *of, *to) == (node, prefix, via));
        mistake.place = known.and_then(|(.., place)| place.clone());
        Some(mistake)
    }

    /// The complaint about two interfaces with one address, if there are such.
    pub fn duplicate_address(&self, plan: &Plan) -> Option<Mistake> {
        let (ip, twice) = tidewire_topology::duplicate_addresses(plan).into_iter().next()?;
        let [a, b] = [twice[0], twice[1]].map(|id| &plan.node(id).name);
        let who = if a == b {
            format!("two interfaces of '{a}' have the address {ip}")
        } else {
            format!("'{a}' and '{b}' both have the address {ip}")
        };
        let who = crate::bind::load::with_place(self, Sought::Node(b), who);
        let overlap = tidewire_topology::overlapping_subnets(plan).into_iter().next();
        let mut mistake = Mistake::new(who).at_word(ip.to_string()).note(match overlap {
            Some(overlap) => overlap.sentence,
            None => "give one of them another ip, or none: addresses are assigned by themselves".to_owned(),
        });
        mistake.place = self.places.borrow().get(twice[1].index()).cloned().flatten();
        Some(mistake)
    }

    /// Does something long that is not the script's fault.
    pub fn unwatched<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.watch.get() {
            Some(watch) => watch.pause(work),
            None => work(),
        }
    }

    /// Draws from one of the script's random streams; each has its own name.
    pub fn draw<T>(&self, lua: &Lua, stream: &str, draw: impl FnOnce(&mut Stream) -> T) -> T {
        self.note_before("random numbers", lua);
        let mut streams = self.streams.borrow_mut();
        if let Some(found) = streams.get_mut(stream) {
            return draw(found);
        }
        let fresh = self.streams_of.stream(Purpose::Script, stream);
        draw(streams.entry(stream.to_owned()).or_insert(fresh))
    }

    /// Remembers that a function gave nil and a reason: what follows may trip over the nil.
    pub fn note_refusal(&self, lua: &Lua, what: &str, values: &mlua::MultiValue) {
        if let (Some(Value::Nil), Some(Value::String(why))) = (values.front(), values.get(1)) {
            *self.refused.borrow_mut() = Some((format!("{what}()"), why.to_string_lossy(), here(lua)));
        }
    }

    /// Lets go of every Lua value, so that the state can be closed.
    pub fn release(&self) {
        let handles = std::mem::take(&mut *self.handles.borrow_mut());
        drop(handles);
        *self.cc_failure.borrow_mut() = None;
        self.boots.borrow_mut().clear();
        self.devices.borrow_mut().clear();
        *self.taps.borrow_mut() = crate::bind::taps::Taps::default();
        self.sched.borrow_mut().release();
        self.out.borrow_mut().release();
    }

    /// What Rust uses of the prelude.
    pub fn prelude(&self) -> &Prelude {
        self.prelude.get().expect("the prelude is loaded before the script")
    }
}

impl Sim {
    /// Where in the statement that runs now a text stands; else the statement's first line.
    pub fn place_of(&self, lua: &Lua, text: &str) -> Option<Place> {
        let place = here(lua)?;
        let line = self.sources.find(&place, text).unwrap_or(place.line);
        Some(Place { line, ..place })
    }
}

/// Where the script is now.
pub(crate) fn here(lua: &Lua) -> Option<Place> {
    current_frame(lua).map(|frame| Place { file: frame.chunk, line: frame.line })
}

/// A route that was entered by hand, and where.
pub(crate) type RoutePlace = (NodeId, Prefix, Via, Option<Place>);

/// A shared simulation, as every Lua function holds it.
pub(crate) type Shared = Rc<Sim>;
