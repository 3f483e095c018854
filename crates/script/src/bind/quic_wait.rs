//! Programs that wait for something of a QUIC connection: each is woken when that is there, and for nothing else.

use super::ping::HOST_DOWN;
use super::quic_conn::{Shape, word};
use crate::sched::Op;
use crate::sim::{Shared, Sim};
use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use tidewire_units::{Instant, Span};
use tidewire_world::{ProcessId, World};

/// What can be waited for: of a connection, of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum What {
    Connected,
    Stream,
    Readable,
    Delivered,
    Room,
}

impl What {
    pub fn named(name: &str) -> Option<What> {
        match name {
            "connected" => Some(What::Connected),
            "accept" | "stream" => Some(What::Stream),
            "readable" => Some(What::Readable),
            "delivered" => Some(What::Delivered),
            "room" => Some(What::Room),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            What::Connected => "connected",
            What::Stream => "stream",
            What::Readable => "readable",
            What::Delivered => "delivered",
            What::Room => "room",
        }
    }
}

/// Who waits for what of a connection. They leave when they go on, not when they are woken.
#[derive(Default)]
pub(super) struct Waiting(BTreeSet<(What, u64, ProcessId)>);

impl Waiting {
    fn of(&self, what: What, stream: u64) -> impl Iterator<Item = ProcessId> + '_ {
        let range = (what, stream, ProcessId(0))..=(what, stream, ProcessId(u32::MAX));
        self.0.range(range).map(|(_, _, process)| *process)
    }

    pub fn has(&self, what: What, stream: u64) -> bool {
        self.of(what, stream).next().is_some()
    }

    pub fn wake(&self, world: &mut World, what: What, stream: u64) {
        self.of(what, stream).for_each(|process| world.wake(process));
    }

    /// So many of those who wait for what each of them takes away.
    pub fn wake_first(&self, world: &mut World, n: usize) {
        self.of(What::Stream, 0).take(n).for_each(|process| world.wake(process));
    }

    pub fn wake_all(&self, world: &mut World) {
        self.0.iter().for_each(|(_, _, process)| world.wake(*process));
    }
}

/// A program that waits: for a connection without an `id`, or for `what` of one.
pub(super) struct Await {
    pub shape: Rc<RefCell<Shape>>,
    pub id: Option<u64>,
    pub what: What,
    pub stream: u64,
    pub deadline: Instant,
}

impl Await {
    /// What it waits for, or why that does not come.
    fn answer(&self, lua: &Lua, shape: &mut Shape) -> mlua::Result<Option<MultiValue>> {
        let no = |why: &str| (Value::Nil, why).into_lua_multi(lua).map(Some);
        if shape.gone {
            return no(HOST_DOWN);
        }
        let Some(id) = self.id else {
            return shape.incoming.pop_front().map(|id| id.into_lua_multi(lua)).transpose();
        };
        let Some(conn) = shape.connections.get_mut(&id) else { return no("closed") };
        if conn.has(self.what, self.stream) {
            return match self.what {
                What::Stream => conn.opened.pop_front().into_lua_multi(lua),
                _ => true.into_lua_multi(lua),
            }
            .map(Some);
        }
        conn.quic.error().map_or(Ok(None), |why| no(word(why)))
    }

    fn waiting<'a>(&self, shape: &'a mut Shape) -> Option<&'a mut Waiting> {
        match self.id {
            None => Some(&mut shape.accepting),
            Some(id) => shape.connections.get_mut(&id).map(|conn| &mut conn.waiting),
        }
    }

    fn place(&self, me: ProcessId) -> (What, u64, ProcessId) {
        (self.what, self.stream, me)
    }
}

impl Op for Await {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut shape = self.shape.borrow_mut();
        let mut world = sim.world()?;
        let mut answer = self.answer(lua, &mut shape)?;
        if answer.is_none() && world.now() >= self.deadline {
            answer = Some((Value::Nil, "timeout").into_lua_multi(lua)?);
        }
        let place = self.place(me);
        let waiting = self.waiting(&mut shape);
        if answer.is_some() {
            waiting.map(|waiting| waiting.0.remove(&place));
            return Ok(answer);
        }
        waiting.map(|waiting| waiting.0.insert(place));
        world.wait(me, self.deadline, &[]);
        Ok(None)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("quic".to_owned(), format!("for {}", if self.id.is_none() { "accept" } else { self.what.name() }))
    }

    fn patience(&self, sim: &Sim) -> Option<Span> {
        let shape = self.shape.borrow();
        let conn = shape.connections.get(&self.id?)?;
        let idle = conn.quic.ends_at();
        // A server may wait for the next stream for as long as it likes.
        let asks = !(shape.is_server && self.what == What::Stream) && idle < Instant::MAX;
        asks.then(|| idle.max(sim.world.borrow().now()).since(sim.world.borrow().now()) + Span::from_ms(1))
    }

    /// It was woken for something, perhaps, that another one may take now.
    fn cancel(&mut self, sim: &Sim, me: ProcessId) {
        let mut shape = self.shape.borrow_mut();
        let place = self.place(me);
        self.waiting(&mut shape).map(|waiting| waiting.0.remove(&place));
        let Ok(mut world) = sim.world() else { return };
        match self.id.map(|id| shape.connections.get(&id)) {
            None => shape.accepting.wake_first(&mut world, shape.incoming.len()),
            Some(conn) => conn.into_iter().for_each(|conn| conn.pass_on(&mut world)),
        }
    }
}
