//! What ends a run before its time, as messages: errors, deadlocks, runaway scripts, limits.

use crate::mistake::{Culprit, Mistake, mistake_of, render};
use crate::run::Run;
use crate::sched::{self, Failure};
use crate::state::raw;
use crate::state::watchdog::Watch;
use crate::{Fault, Place, ScriptError};
use tidewire_units::{Instant, NodeId};

impl Run {
    /// Errors of a process become messages; a wanted end is none.
    pub fn outcome(&self, result: Result<(), Failure>) -> Result<(), ScriptError> {
        let Err(failure) = result else { return Ok(()) };
        if self.sim.watch.get().is_some_and(Watch::is_short) {
            return Err(self.short_of_memory());
        }
        if self.sim.watch.get().is_some_and(Watch::has_fired) {
            return Err(self.runaway(&failure));
        }
        if self.sim.ending.borrow().is_some() {
            return Ok(());
        }
        let who = failure.record.who(&self.sim);
        Err(self.error_of(&failure.error, &failure.frames, Some(who)))
    }

    pub fn error_of(&self, error: &mlua::Error, frames: &[raw::Frame], who: Option<String>) -> ScriptError {
        let mut mistake = mistake_of(error, frames).unwrap_or_else(|| Mistake::new("the run was ended"));
        if let Some(limit) = mistake.message.starts_with("not enough memory").then_some(self.memory) {
            mistake.message = format!("{}: a run may use {}", mistake.message, tidewire_units::Bytes(limit));
        }
        if let Some((what, why, at)) = &*self.sim.refused.borrow() {
            let because = meaning(why).map(|meaning| format!(": {meaning}")).unwrap_or_default();
            if mistake.message == *why {
                mistake.message = format!("{what} failed, \"{why}\"{because}");
            } else if mistake.message.starts_with("attempt to")
                && mistake.message.contains("a nil value")
                && let Some(at) = at
            {
                mistake = mistake
                    .note(format!("{}:{}: {what} returned nil, \"{why}\"{because}", at.file, at.line))
                    .note("wrap that call in assert(...) to stop there");
            }
        }
        let culprit = Culprit { who: who.unwrap_or_default(), frames: frames.to_vec() };
        render(&mistake, &self.sim.sources, Some(&culprit))
    }

    fn runaway(&self, failure: &Failure) -> ScriptError {
        let now = self.sim.world.borrow().now();
        let mut frames = raw::stopped_at();
        if frames.is_empty() {
            frames.clone_from(&failure.frames);
        }
        let frame = frames.first();
        let place = frame.map(|frame| Place { file: frame.chunk.clone(), line: frame.line });
        let at = place.as_ref().map_or_else(String::new, |place| format!("{}:{} ", place.file, place.line));
        let mut mistake = Mistake::new(format!("{at}{}; simulated time stands at {now}", raw::RUNAWAY))
            .note("a process must wait (sleep, recv, accept ...) for time to pass; --script-timeout 10s allows more")
            .fault(Fault::Limit);
        mistake.place = place;
        let culprit = Culprit { who: failure.record.who(&self.sim), frames };
        render(&mistake, &self.sim.sources, Some(&culprit))
    }

    /// The lines, samples and rows of the run are more than its memory.
    pub fn kept_too_much(&self, place: Option<Place>) -> ScriptError {
        let mut mistake = Mistake::new(format!(
            "not enough memory at t = {}: the lines, samples and rows that the run keeps take more than {}",
            self.sim.now(),
            tidewire_units::Bytes(self.memory)
        ))
        .note("print and sample less often, or use a histogram; --memory 2GiB allows more")
        .fault(Fault::Limit);
        mistake.place = place;
        render(&mistake, &self.sim.sources, None)
    }

    /// The machine has no memory left for the program.
    pub fn short_of_memory(&self) -> ScriptError {
        let mistake = Mistake::new(format!(
            "not enough memory on this machine: the run was ended at t = {} with what it had recorded",
            self.sim.now()
        ))
        .note("fewer runs at a time (-j 1), fewer hosts or connections, or smaller buffers take less")
        .fault(Fault::Limit);
        render(&mistake, &self.sim.sources, None)
    }

    pub fn deadlock(&self) -> ScriptError {
        let now = self.sim.world.borrow().now();
        let mistake = Mistake::new(format!(
            "deadlock at t = {now}: nothing will ever happen again, and the main program still waits"
        ));
        self.with_waiting(mistake, sched::main_place(&self.sim))
    }

    /// The program is over, and all that was left were probes of connections whose other ends do not read.
    pub fn note_stuck(&self) {
        let rows = sched::stuck(&self.sim);
        let Some([name, what, place, details]) = rows.first() else { return };
        let more = rows.len() - 1;
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let text = format!(
            "the run ended while {name} waited for somebody who does not read: {what} at {place}, {details}{more}\n  read at the other end, or give up: c:send(data, {{ timeout = \"60s\" }})"
        );
        self.sim.out.borrow_mut().warn(text, None);
    }

    /// Time is counted in 64 bits.
    pub fn end_of_clock(&self) -> ScriptError {
        let now = self.sim.world.borrow().now();
        let mistake = Mistake::new(format!(
            "the clock ends here, at t = {now}: a run lasts {} days at most, and this one was not over",
            Instant::MAX.since(Instant::ZERO).as_secs_f64() as u64 / 86_400
        ))
        .fault(Fault::Limit)
        .note("write experiment{ duration = \"30s\" } at the top, or let what goes on for ever end");
        self.with_waiting(mistake, None)
    }

    /// A message with those who wait, each in a line.
    fn with_waiting(&self, mut mistake: Mistake, place: Option<Place>) -> ScriptError {
        let rows = sched::waiting(&self.sim);
        let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        for [name, what, place, details] in rows.iter().take(20) {
            let [a, b, c] = widths;
            let line = format!("{name:a$}  {what:b$}  {place:c$}  {details}");
            mistake = mistake.note(line.trim_end());
        }
        if rows.len() > 20 {
            mistake = mistake.note(format!("... and {} more", rows.len() - 20));
        }
        mistake.place = place;
        render(&mistake, &self.sim.sources, None)
    }

    /// Processes go on and on, and no time passes.
    pub fn standstill(&self, steps: u64, place: Option<Place>) -> ScriptError {
        let now = self.sim.world.borrow().now();
        let mut mistake = Mistake::new(format!(
            "time stands still at t = {now}: processes went on {steps} times and none of them lets time pass"
        ))
        .fault(Fault::Limit)
        .note("sleep(0) and spawn() take no time; a loop must wait for something that does, such as sleep \"1ms\"");
        mistake.place = place;
        render(&mistake, &self.sim.sources, None)
    }

    pub fn endless(&self, place: Option<Place>) -> ScriptError {
        let mut mistake = Mistake::new(
            "the run would never end: this flow has no end, and the run has no duration",
        )
        .note(
            "write experiment{ duration = \"30s\" } at the top, or give the flow a size, a count or a stop",
        );
        mistake.place = place;
        render(&mistake, &self.sim.sources, None)
    }

    /// Frames go round.
    pub fn storm(&self, switch: NodeId) -> ScriptError {
        let world = self.sim.world.borrow();
        let name = &world.plan().node(switch).name;
        if world.switch(switch).is_none_or(|switch| switch.floods() == 0) {
            let text =
                format!("a storm: by t = {} device '{name}' has got the same frame 10000 times", world.now());
            let mistake = Mistake::new(text)
                .fault(Fault::Limit)
                .note("devices send it to each other for ever: lower the time to live, or send nothing back where it came from");
            return render(&mistake, &self.sim.sources, None);
        }
        let findings = tidewire_topology::check(world.plan());
        let around =
            findings.iter().find(|finding| finding.problem == tidewire_topology::Problem::SwitchLoop);
        let frames = world.switch(switch).map_or(0, |switch| switch.floods());
        let mut mistake = Mistake::new(format!(
            "a broadcast storm: by t = {} switch '{name}' has sent {frames} frames to all its ports",
            world.now()
        ))
        .fault(Fault::Limit);
        if let Some(around) = around {
            mistake = mistake.note(around.to_string());
        }
        mistake = mistake.note("leave out stp = false, or break the loop");
        render(&mistake, &self.sim.sources, None)
    }

    pub fn event_limit(&self, events: u64) -> ScriptError {
        let now = self.sim.world.borrow().now();
        let mistake =
            Mistake::new(format!("{events} events were handled by t = {now}, the limit of --max-events"))
                .fault(Fault::Limit);
        render(&mistake, &self.sim.sources, None)
    }
}

/// What the words that functions of sockets return with nil stand for.
fn meaning(word: &str) -> Option<&'static str> {
    Some(match word {
        "in use" => "another socket of this host has the port; close that one first, or take another port",
        "host is down" => "it has crashed; host:boot() starts it again",
        "unreachable" => "there is no way to that host: a link is missing or down",
        "refused" => "nobody listens on that port of that host",
        "timeout" => "nobody answered in time",
        "reset" => "the other side ended the connection at once",
        "closed" => "the connection has ended, or there never was one",
        "too big" => "larger than a packet can be on the way there",
        _ => return None,
    })
}
