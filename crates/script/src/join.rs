//! Waiting for processes to end.

use crate::sched::{Op, Outcome, Record};
use crate::sim::{Shared, Sim};
use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use std::rc::Rc;
use tidewire_units::Instant;
use tidewire_world::ProcessId;

/// `proc:join{}` and `wait_all{}`.
pub(crate) struct Join {
    pub all: Vec<Rc<Record>>,
    pub deadline: Instant,
    /// `join` gives what the process returned; `wait_all` only whether all ended.
    pub gives_results: bool,
}

impl Op for Join {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let alive: Vec<&Rc<Record>> = self.all.iter().filter(|record| record.is_alive()).collect();
        let mut world = sim.world()?;
        if alive.is_empty() {
            let mut values = MultiValue::new();
            let killed = self.all.iter().any(|record| matches!(*record.outcome.borrow(), Outcome::Killed));
            if killed {
                return (Value::Nil, "cancelled").into_lua_multi(lua).map(Some);
            }
            values.push_back(Value::Boolean(true));
            if self.gives_results
                && let Outcome::Returned(results) = &*self.all[0].outcome.borrow()
            {
                results.iter().for_each(|value| values.push_back(value.clone()));
            }
            return Ok(Some(values));
        }
        if world.now() >= self.deadline {
            return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
        }
        for record in alive {
            record.tell(me);
        }
        world.wait(me, self.deadline, &[]);
        Ok(None)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        let names: Vec<&str> =
            self.all.iter().filter(|record| record.is_alive()).map(|record| &*record.name).collect();
        ("join()".to_owned(), format!("for {}", names.join(", ")))
    }
}
