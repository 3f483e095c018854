//! `congestion("mine", {...})`: a congestion control written in Lua.
//!
//! The transport calls an algorithm while the world runs, so that its functions can only compute: what they see of the sender is
//! copied into [`Vars`] before a call and back after it. What they keep between calls are fields of their own table `c`.

use crate::Place;
use crate::call::Call;
use crate::classes::{Registry, located};
use crate::mistake::{Mistake, did_you_mean};
use crate::sched::{CONTROL, Failure, nobody};
use crate::sim::{Shared, Sim, here};
use crate::spec::{Kind, congestion as spec};
use crate::state::raw;
use crate::values::{Val, convert, number};
use mlua::{Function, IntoLua, Lua, Table, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering;
use tidewire_l4_transport::CaState;
use tidewire_l4_transport::congestion::{
    CcKind, CongestionControl, CustomCc, INFINITE_SSTHRESH, RateSample, Sender,
};
use tidewire_units::{Instant, Span};

thread_local! {
    /// The runs of this thread: algorithms find their functions here.
    static RUNS: RefCell<BTreeMap<u64, Weak<Sim>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A control that a script declared.
pub(crate) struct Declared {
    name: String,
    functions: BTreeMap<&'static str, Function>,
    place: Option<Place>,
}

/// Everything that is known of controls in a run. Holds Lua values: gone before the state is closed.
#[derive(Default)]
pub(crate) struct Controls {
    declared: Vec<Declared>,
    /// The table `c` of each connection.
    instances: BTreeMap<u64, Table>,
    next: u64,
    meta: Option<Table>,
}

/// What the functions see of the sender, while one of them runs.
pub(crate) struct Vars {
    pub now: Instant,
    cwnd: f64,
    cwnd_cnt: u32,
    ssthresh: u32,
    /// Bytes per second.
    pacing_rate: u64,
    mss: u32,
    srtt_us: u32,
    min_rtt_us: u32,
    in_flight: u32,
    packets_out: u32,
    delivered: u32,
    prior_cwnd: u32,
    state: CaState,
    limited: bool,
}

/// Fields of `c`: those of the sender. The first four can be set.
const FIELDS: [&str; 15] = [
    "cwnd",
    "ssthresh",
    "pacing_rate",
    "cwnd_cnt",
    "mss",
    "srtt",
    "min_rtt",
    "in_flight",
    "packets_out",
    "delivered",
    "prior_cwnd",
    "state",
    "cwnd_limited",
    "in_slow_start",
    "now",
];

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::CONGESTION, declare)?;
    let (lua, sim) = (registry.lua, registry.sim);
    let meta = lua.create_table()?;
    let shared = sim.clone();
    let methods = methods(lua, sim)?;
    let index = lua.create_function(move |lua, (_, key): (Value, Value)| {
        get(lua, &shared, &methods, &key).map_err(|error| located(lua, error))
    })?;
    meta.raw_set("__index", index)?;
    let shared = sim.clone();
    let newindex = lua.create_function(move |lua, (this, key, value): (Table, Value, Value)| {
        set(lua, &shared, &this, key, value).map_err(|error| located(lua, error))
    })?;
    meta.raw_set("__newindex", newindex)?;
    meta.raw_set("__metatable", false)?;
    meta.raw_set("__name", "congestion control")?;
    sim.handles.borrow_mut().controls.meta = Some(meta);
    RUNS.with_borrow_mut(|runs| {
        runs.retain(|_, run| run.strong_count() > 0);
        runs.insert(sim.number, Rc::downgrade(sim));
    });
    Ok(())
}

fn declare(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<()> {
    let name = call.text(0).unwrap_or_default().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        let message = format!("'{name}' cannot be the name of a congestion control");
        return Err(Mistake::new(message)
            .at_word(name)
            .note("letters, digits, '_' and '-' make good names")
            .into());
    }
    let taken = sim.handles.borrow().controls.declared.iter().any(|known| known.name == name);
    if taken || CcKind::from_name(&name).is_some() {
        return Err(Mistake::new(format!("there is already a congestion control named '{name}'"))
            .at_word(name)
            .into());
    }
    let mut functions = BTreeMap::new();
    for opt in spec::FUNCTIONS {
        if let Some(Val::Function(function)) = call.opts().get(opt.name) {
            functions.insert(opt.name, function.clone());
        }
    }
    if !functions.contains_key("on_ack") && !functions.contains_key("control") {
        return Err(Mistake::new(format!(
            "the congestion control '{name}' needs on_ack: without it no window grows"
        ))
        .at_word(name)
        .note("write on_ack = function(c, sample) c.cwnd = c.cwnd + sample.acked / c.cwnd end")
        .into());
    }
    sim.handles.borrow_mut().controls.declared.push(Declared { name, functions, place: here(lua) });
    Ok(())
}

/// The congestion control of a name: a built-in one, or one of the script.
pub(super) fn kind_of(sim: &Shared, name: &str) -> Result<CcKind, Mistake> {
    if let Some(kind) = CcKind::from_name(name) {
        return Ok(kind);
    }
    let handles = sim.handles.borrow();
    let declared = &handles.controls.declared;
    if let Some(at) = declared.iter().position(|known| known.name == name) {
        let (run, name) = (sim.number, name.to_owned());
        let full = declared[at].functions.contains_key("control");
        let make = {
            let name = name.clone();
            move || -> Box<dyn CongestionControl> { Box::new(LuaCc::new(run, at, &name, full)) }
        };
        return Ok(CcKind::Custom(CustomCc::new(&name, make)));
    }
    let known = CcKind::ALL.iter().map(CcKind::name).chain(declared.iter().map(|known| known.name.as_str()));
    let meant = did_you_mean(name, known.clone());
    let list: Vec<&str> = known.collect();
    Err(Mistake::new(format!("unknown congestion control '{name}'{meant}"))
        .at_word(name)
        .note(format!("there is: {}; congestion(\"{name}\", ...) declares one", list.join(" "))))
}

/// Whether a script declared a control of this name.
pub(super) fn is_declared(sim: &Sim, name: &str) -> bool {
    sim.handles.borrow().controls.declared.iter().any(|known| known.name == name)
}

/// `c:slow_start(acked)` and `c:additive_increase(per, acked)`: what Linux's algorithms are made of.
fn methods(lua: &Lua, sim: &Shared) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let shared = sim.clone();
    let slow_start = lua.create_function(move |_, (_, acked): (Value, f64)| {
        with(&shared, |vars| {
            let acked = acked.max(0.0) as u32;
            let window = vars.cwnd as u32;
            let cwnd = window.saturating_add(acked).min(vars.ssthresh);
            vars.cwnd = f64::from(cwnd);
            i64::from(acked - cwnd.saturating_sub(window))
        })
    })?;
    table.raw_set("slow_start", slow_start)?;
    let shared = sim.clone();
    let increase = lua.create_function(move |_, (_, per, acked): (Value, f64, f64)| {
        with(&shared, |vars| {
            let (per, acked) = (per.max(1.0) as u32, acked.max(0.0) as u32);
            let mut cwnd = vars.cwnd as u32;
            if vars.cwnd_cnt >= per {
                vars.cwnd_cnt = 0;
                cwnd += 1;
            }
            vars.cwnd_cnt += acked;
            if vars.cwnd_cnt >= per {
                let delta = vars.cwnd_cnt / per;
                vars.cwnd_cnt -= delta * per;
                cwnd += delta;
            }
            vars.cwnd = f64::from(cwnd);
        })
    })?;
    table.raw_set("additive_increase", increase)?;
    Ok(table)
}

fn with<T>(sim: &Sim, f: impl FnOnce(&mut Vars) -> T) -> mlua::Result<T> {
    match &mut *sim.controller.borrow_mut() {
        Some(vars) => Ok(f(vars)),
        None => {
            Err(Mistake::new("the sender's variables can only be seen inside the functions of its control")
                .into())
        }
    }
}

fn get(lua: &Lua, sim: &Sim, methods: &Table, key: &Value) -> mlua::Result<Value> {
    let Some(name) = key.as_string().map(|key| key.to_string_lossy()) else { return Ok(Value::Nil) };
    if let method @ Value::Function(_) = methods.raw_get::<Value>(name.as_str())? {
        return Ok(method);
    }
    if !FIELDS.contains(&name.as_str()) {
        misspelt(&name)?;
        return Ok(Value::Nil);
    }
    let value = with(sim, |vars| {
        let seconds = |us: u32| Value::Number(f64::from(us) / 1e6);
        let int = |n: u32| Value::Integer(i64::from(n));
        match name.as_str() {
            "cwnd" if vars.cwnd.fract() == 0.0 => Value::Integer(vars.cwnd as i64),
            "cwnd" => Value::Number(vars.cwnd),
            "ssthresh" if vars.ssthresh >= INFINITE_SSTHRESH => Value::Number(f64::INFINITY),
            "ssthresh" => int(vars.ssthresh),
            "pacing_rate" if vars.pacing_rate == u64::MAX => Value::Nil,
            "pacing_rate" => Value::Number(vars.pacing_rate as f64 * 8.0),
            "cwnd_cnt" => int(vars.cwnd_cnt),
            "mss" => int(vars.mss),
            "srtt" if vars.srtt_us == 0 => Value::Nil,
            "srtt" => seconds(vars.srtt_us),
            "min_rtt" if vars.min_rtt_us == u32::MAX => Value::Nil,
            "min_rtt" => seconds(vars.min_rtt_us),
            "in_flight" => int(vars.in_flight),
            "packets_out" => int(vars.packets_out),
            "delivered" => int(vars.delivered),
            "prior_cwnd" => int(vars.prior_cwnd),
            "cwnd_limited" => Value::Boolean(vars.limited),
            "in_slow_start" => Value::Boolean(vars.cwnd < f64::from(vars.ssthresh)),
            "now" => Value::Number(vars.now.as_secs_f64()),
            _ => Value::Nil,
        }
    })?;
    match name.as_str() {
        "state" => with(sim, |vars| vars.state.name())?.into_lua(lua),
        _ => Ok(value),
    }
}

fn set(lua: &Lua, sim: &Shared, this: &Table, key: Value, value: Value) -> mlua::Result<()> {
    let name = key.as_string().map(|key| key.to_string_lossy()).unwrap_or_default();
    if !FIELDS.contains(&name.as_str()) {
        misspelt(&name)?;
        return this.raw_set(key, value);
    }
    let finite = || {
        number(&value).filter(|x| !x.is_nan() && *x >= 0.0).ok_or_else(|| {
            let got = value.to_string().unwrap_or_default();
            Mistake::new(format!("c.{name} is a number of packets, 0 or more, got {got}")).at_word(&name)
        })
    };
    match name.as_str() {
        "cwnd" => {
            let cwnd = finite()?.clamp(1.0, 1e9);
            with(sim, |vars| vars.cwnd = cwnd)
        }
        "ssthresh" => {
            let ssthresh = finite()?;
            let packets =
                if ssthresh >= f64::from(INFINITE_SSTHRESH) { INFINITE_SSTHRESH } else { ssthresh as u32 };
            with(sim, |vars| vars.ssthresh = packets)
        }
        "cwnd_cnt" => {
            let count = finite()? as u32;
            with(sim, |vars| vars.cwnd_cnt = count)
        }
        "pacing_rate" if value.is_nil() => with(sim, |vars| vars.pacing_rate = u64::MAX),
        "pacing_rate" => {
            let Val::Rate(rate) = convert(lua, sim, Kind::Rate, &value, "pacing_rate", "c.pacing_rate")?
            else {
                unreachable!("the kind is a rate")
            };
            with(sim, |vars| vars.pacing_rate = rate.bits_per_s() / 8)
        }
        _ => Err(Mistake::new(format!("c.{name} cannot be set; c.cwnd, c.ssthresh and c.pacing_rate can"))
            .at_word(name)
            .into()),
    }
}

/// Names that are one letter off a field are mistakes; all others are the script's own.
fn misspelt(name: &str) -> Result<(), Mistake> {
    let near = FIELDS
        .iter()
        .find(|known| strsim::damerau_levenshtein(known, name) == 1 && known.len() > 3 && name.len() > 3);
    match near {
        Some(known) => Err(Mistake::new(format!("c has no '{name}'; did you mean '{known}'?")).at_word(name)),
        None => Ok(()),
    }
}

/// The algorithm of one connection.
struct LuaCc {
    run: u64,
    declared: usize,
    instance: u64,
    name: String,
    /// It sets window and pacing itself.
    full: bool,
    /// The part of the window that is less than a segment, and the window that it belongs to.
    fraction: (f64, u32),
    rtt_us: i64,
    ece: bool,
}

impl LuaCc {
    fn new(run: u64, declared: usize, name: &str, full: bool) -> LuaCc {
        let instance = find(run).map_or(0, |sim| {
            let mut handles = sim.handles.borrow_mut();
            handles.controls.next += 1;
            handles.controls.next
        });
        LuaCc {
            run,
            declared,
            instance,
            name: name.to_owned(),
            full,
            fraction: (0.0, 0),
            rtt_us: -1,
            ece: false,
        }
    }

    /// Calls a function of the script, if there is one and none has failed.
    fn call(
        &mut self,
        tcp: &mut Sender,
        what: &'static str,
        sample: Option<&RateSample>,
        acked: u32,
    ) -> Option<Value> {
        let sim = find(self.run)?;
        if sim.cc_failure.borrow().is_some() {
            return None;
        }
        let function =
            sim.handles.borrow().controls.declared.get(self.declared)?.functions.get(what)?.clone();
        *sim.controller.borrow_mut() = Some(self.vars(tcp));
        let lua = sim.lua.get()?.try_upgrade()?;
        let result = self.table(&lua, &sim).and_then(|c| {
            let sample = self.sample(&lua, sample, acked)?;
            watched(&sim, &lua, || function.call::<Value>((c, sample)))
        });
        let vars = sim.controller.borrow_mut().take().expect("it was put there above");
        match result {
            Ok(value) => {
                self.store(tcp, &vars);
                Some(value)
            }
            Err(error) => {
                self.fail(&sim, error);
                None
            }
        }
    }

    fn fail(&self, sim: &Sim, error: mlua::Error) {
        let frames = raw::stopped_at();
        let mut record = nobody(&format!("{CONTROL}{}", self.name), None);
        if let Some(record) = Rc::get_mut(&mut record) {
            record.started =
                sim.handles.borrow().controls.declared.get(self.declared).and_then(|d| d.place.clone());
        }
        sim.cc_failure.borrow_mut().get_or_insert(Failure { error, frames, record });
        sim.halt.store(true, Ordering::Relaxed);
    }

    /// The table `c` of this connection.
    fn table(&self, lua: &Lua, sim: &Sim) -> mlua::Result<Table> {
        if let Some(table) = sim.handles.borrow().controls.instances.get(&self.instance) {
            return Ok(table.clone());
        }
        let table = lua.create_table()?;
        table.set_metatable(sim.handles.borrow().controls.meta.clone())?;
        sim.handles.borrow_mut().controls.instances.insert(self.instance, table.clone());
        Ok(table)
    }

    fn sample(&self, lua: &Lua, sample: Option<&RateSample>, acked: u32) -> mlua::Result<Table> {
        let table = lua.create_table()?;
        table.raw_set("acked", acked)?;
        if self.rtt_us >= 0 {
            table.raw_set("rtt", self.rtt_us as f64 / 1e6)?;
        }
        table.raw_set("ece", self.ece)?;
        if let Some(sample) = sample {
            table.raw_set("losses", sample.losses)?;
            table.raw_set("delivered", sample.delivered.max(0))?;
            table.raw_set("prior_in_flight", sample.prior_in_flight)?;
            table.raw_set("app_limited", sample.is_app_limited)?;
            if sample.interval_us > 0 && sample.delivered >= 0 {
                table.raw_set("interval", sample.interval_us as f64 / 1e6)?;
            }
        }
        Ok(table)
    }

    fn vars(&self, tcp: &Sender) -> Vars {
        let (fraction, of) = self.fraction;
        Vars {
            now: Instant::ZERO + Span::from_us(tcp.now_us()),
            cwnd: f64::from(tcp.cwnd) + if of == tcp.cwnd { fraction } else { 0.0 },
            cwnd_cnt: tcp.cwnd_cnt,
            ssthresh: tcp.ssthresh,
            pacing_rate: tcp.pacing_rate,
            mss: tcp.mss(),
            srtt_us: tcp.srtt_us(),
            min_rtt_us: tcp.min_rtt_us(),
            in_flight: tcp.in_flight(),
            packets_out: tcp.packets_out(),
            delivered: tcp.delivered(),
            prior_cwnd: tcp.prior_cwnd(),
            state: tcp.ca_state(),
            limited: tcp.is_cwnd_limited(),
        }
    }

    fn store(&mut self, tcp: &mut Sender, vars: &Vars) {
        tcp.cwnd = vars.cwnd as u32;
        self.fraction = (vars.cwnd.fract(), tcp.cwnd);
        tcp.cwnd_cnt = vars.cwnd_cnt;
        tcp.ssthresh = vars.ssthresh;
        if vars.pacing_rate != tcp.pacing_rate {
            tcp.pacing_rate = vars.pacing_rate;
            tcp.pacing_needed = vars.pacing_rate != u64::MAX;
        }
    }

    /// A function that gives a window; without one, or where it gives nothing, `default`.
    fn window(&mut self, tcp: &mut Sender, what: &'static str, default: u32) -> u32 {
        match self.call(tcp, what, None, 0) {
            None | Some(Value::Nil) => default,
            Some(value) => match number(&value).filter(|x| x.is_finite() && *x >= 0.0) {
                Some(packets) => packets as u32,
                None => {
                    let got = value.to_string().unwrap_or_default();
                    let message = format!(
                        "{what} of the congestion control '{}' gives a number of packets, got {got}",
                        self.name
                    );
                    if let Some(sim) = find(self.run) {
                        let mut mistake = Mistake::new(message).at_word(what);
                        mistake.place = sim.handles.borrow().controls.declared[self.declared].place.clone();
                        self.fail(&sim, mistake.into());
                    }
                    default
                }
            },
        }
    }
}

impl Drop for LuaCc {
    fn drop(&mut self) {
        if let Some(sim) = find(self.run)
            && let Ok(mut handles) = sim.handles.try_borrow_mut()
        {
            handles.controls.instances.remove(&self.instance);
        }
    }
}

impl CongestionControl for LuaCc {
    fn name(&self) -> &str {
        &self.name
    }

    fn init(&mut self, tcp: &mut Sender) {
        self.call(tcp, "init", None, 0);
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        let half = (tcp.cwnd >> 1).max(2);
        self.window(tcp, "ssthresh", half).max(1)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        self.call(tcp, "on_ack", None, acked);
    }

    fn pkts_acked(&mut self, _: &mut Sender, _: u32, rtt_us: i64) {
        self.rtt_us = rtt_us;
    }

    fn in_ack_event(&mut self, _: &mut Sender, ece: bool) {
        self.ece = ece;
    }

    fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        let what = match state {
            CaState::Recovery | CaState::Cwr if tcp.ca_state() != state => "on_loss",
            CaState::Loss => "on_rto",
            _ => return,
        };
        self.call(tcp, what, None, 0);
    }

    fn undo_cwnd(&mut self, tcp: &mut Sender) -> u32 {
        let before = tcp.cwnd.max(tcp.prior_cwnd());
        self.window(tcp, "undo", before)
    }

    fn controls_all(&self) -> bool {
        self.full
    }

    fn cong_control(&mut self, tcp: &mut Sender, sample: &RateSample) {
        self.call(tcp, "control", Some(sample), sample.acked_sacked);
    }

    fn variable(&self, name: &str) -> Option<f64> {
        let sim = find(self.run)?;
        let table = sim.handles.borrow().controls.instances.get(&self.instance).cloned()?;
        match table.raw_get::<Value>(name).ok()? {
            Value::Boolean(flag) => Some(f64::from(u8::from(flag))),
            value => number(&value),
        }
    }
}

/// Calls into Lua from native code as a step that must not take too long.
fn watched<T>(sim: &Sim, lua: &Lua, call: impl FnOnce() -> T) -> T {
    let depth = raw::depth();
    raw::enter(lua.current_thread().state());
    let result = match sim.watch.get() {
        Some(watch) => watch.within(call),
        None => call(),
    };
    raw::leave_to(depth);
    result
}

fn find(run: u64) -> Option<Shared> {
    RUNS.with_borrow(|runs| runs.get(&run).and_then(Weak::upgrade))
}
