//! The tasks, who has them, who waits for one; without sockets or clock.

use super::Command;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidewire_units::{Instant, Span};

/// What has happened so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Tasks taken in.
    pub put: u64,
    /// Tasks that could not be taken in.
    pub refused: u64,
    /// Times that a worker got a task.
    pub reserved: u64,
    /// Tasks done.
    pub done: u64,
    /// Times that a worker gave a task back.
    pub released: u64,
    /// Tasks that became ready again because their worker's time was over.
    pub timeouts: u64,
    /// Tasks that became ready again because their worker's connection ended, or the server died.
    pub orphaned: u64,
    /// Times that a worker got a task that another one had had before.
    pub redelivered: u64,
    /// Answers to workers who were too late.
    pub not_found: u64,
    /// Tasks that nobody is to get any more.
    pub buried: u64,
    /// Tasks that were gone after the server died.
    pub lost: u64,
}

/// Means over time, since the time that they are measured from.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Means {
    /// Tasks that wait for a worker.
    pub waiting: f64,
    /// Tasks that wait or that a worker has.
    pub present: f64,
    /// Seconds from when a task was first ready until a worker first got it.
    pub wait_s: f64,
    /// Tasks that this is the mean of.
    pub waits: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Ready,
    Delayed(Instant),
    Reserved { conn: u64, until: Instant },
    Buried,
}

#[derive(Debug)]
struct Task {
    body: Bytes,
    priority: u32,
    time_to_run: Span,
    state: State,
    deliveries: u32,
    ready_since: Instant,
}

/// The mean of a count over time.
#[derive(Debug, Default)]
struct Area {
    value: u64,
    since: Instant,
    area: u128,
}

impl Area {
    fn set(&mut self, now: Instant, value: u64) {
        self.area += u128::from(now.since(self.since).as_ps()) * u128::from(self.value);
        (self.since, self.value) = (self.since.max(now), value);
    }

    fn mean(&self, from: Instant, now: Instant) -> f64 {
        let all = self.area + u128::from(now.since(self.since).as_ps()) * u128::from(self.value);
        let span = now.since(from).as_ps();
        if span == 0 { 0.0 } else { all as f64 / span as f64 }
    }
}

/// The state of a queue server. Connections are numbers of the caller.
#[derive(Debug)]
pub struct Broker {
    tasks: BTreeMap<u64, Task>,
    ready: BTreeSet<(u32, u64)>,
    /// When a task is ready, or taken from its worker.
    timers: BTreeSet<(Instant, u64)>,
    /// Workers that wait, and until when.
    waiting: VecDeque<(u64, Instant)>,
    replies: VecDeque<(u64, Bytes)>,
    last: u64,
    capacity: usize,
    measured_from: Instant,
    reserved: u64,
    area_ready: Area,
    area_present: Area,
    waits: (u64, u128),
    counts: Counts,
}

impl Broker {
    /// A broker for so many tasks, whose means are measured from this time on.
    pub fn new(capacity: usize, measured_from: Instant) -> Broker {
        let area = || Area { since: measured_from, ..Area::default() };
        Broker {
            tasks: BTreeMap::new(),
            ready: BTreeSet::new(),
            timers: BTreeSet::new(),
            waiting: VecDeque::new(),
            replies: VecDeque::new(),
            last: 0,
            capacity,
            measured_from,
            reserved: 0,
            area_ready: area(),
            area_present: area(),
            waits: (0, 0),
            counts: Counts::default(),
        }
    }

    /// A command of a connection. Answers are in [`Broker::poll_reply`].
    pub fn handle(&mut self, now: Instant, conn: u64, command: Command) {
        self.advance(now);
        match command {
            Command::Put { priority, delay, time_to_run, body } => {
                self.put(now, conn, Task::new(now, priority, time_to_run, body), delay);
            }
            Command::Reserve(timeout) => {
                let until = timeout.map_or(Instant::MAX, |timeout| now + timeout);
                self.waiting.push_back((conn, until));
            }
            Command::Delete(id) => match self.held(conn, id) || self.is_free(id) {
                true => {
                    self.take_out(id);
                    self.tasks.remove(&id);
                    self.counts.done += 1;
                    self.reply(conn, "DELETED\r\n");
                }
                false => self.not_found(conn),
            },
            Command::Release { id, priority, delay } => match self.held(conn, id) {
                true => {
                    self.tasks.get_mut(&id).expect("who holds it").priority = priority;
                    self.counts.released += 1;
                    self.make_ready(now, id, delay);
                    self.reply(conn, "RELEASED\r\n");
                }
                false => self.not_found(conn),
            },
            Command::Touch(id) => match self.held(conn, id) {
                true => {
                    self.take_out(id);
                    self.hold(now, conn, id);
                    self.reply(conn, "TOUCHED\r\n");
                }
                false => self.not_found(conn),
            },
            Command::Bury(id) => match self.held(conn, id) {
                true => {
                    self.take_out(id);
                    self.tasks.get_mut(&id).expect("who holds it").state = State::Buried;
                    self.counts.buried += 1;
                    self.reply(conn, "BURIED\r\n");
                }
                false => self.not_found(conn),
            },
            Command::Stats => self.stats(conn),
            Command::Quit => {}
        }
        self.match_up(now);
        self.give_up(now);
    }

    /// A connection is gone: what it had is ready again.
    pub fn disconnect(&mut self, now: Instant, conn: u64) {
        self.advance(now);
        self.waiting.retain(|(who, _)| *who != conn);
        self.orphan(now, |holder| holder == conn);
        self.match_up(now);
    }

    /// Times that are over.
    pub fn advance(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            let task = &self.tasks[&id];
            if matches!(task.state, State::Reserved { .. }) {
                self.counts.timeouts += 1;
            }
            self.make_ready(at, id, Span::ZERO);
        }
        self.match_up(now);
        self.give_up(now);
    }

    /// When [`Broker::advance`] has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|(_, until)| *until).min().filter(|at| *at < Instant::MAX);
        self.timers.first().map(|(at, _)| *at).into_iter().chain(waiting).min()
    }

    /// The server died and is there again. What it had on disk is still there; without, everything is lost.
    pub fn restart(&mut self, now: Instant, durable: bool) {
        self.waiting.clear();
        self.replies.clear();
        self.advance(now);
        if durable {
            self.orphan(now, |_| true);
        } else {
            self.counts.lost += self.tasks.len() as u64;
            self.tasks.clear();
            self.ready.clear();
            self.timers.clear();
            self.reserved = 0;
            self.measure(now);
        }
    }

    /// The next answer, and for whom.
    pub fn poll_reply(&mut self) -> Option<(u64, Bytes)> {
        self.replies.pop_front()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Tasks that are ready, that workers have, and that are delayed or buried.
    pub fn present(&self) -> (u64, u64, u64) {
        let ready = self.ready.len() as u64;
        (ready, self.reserved, self.tasks.len() as u64 - ready - self.reserved)
    }

    /// Means over time.
    pub fn means(&self, now: Instant) -> Means {
        let (waits, sum) = self.waits;
        Means {
            waiting: self.area_ready.mean(self.measured_from, now),
            present: self.area_present.mean(self.measured_from, now),
            wait_s: if waits == 0 { 0.0 } else { sum as f64 / waits as f64 / 1e12 },
            waits,
        }
    }

    /// Workers that will not wait any longer (a timeout of 0 does not wait at all).
    fn give_up(&mut self, now: Instant) {
        let late: Vec<u64> =
            self.waiting.iter().filter(|(_, until)| *until <= now).map(|(conn, _)| *conn).collect();
        self.waiting.retain(|(_, until)| *until > now);
        for conn in late {
            self.reply(conn, "TIMED_OUT\r\n");
        }
    }

    fn put(&mut self, now: Instant, conn: u64, task: Task, delay: Span) {
        if self.tasks.len() >= self.capacity {
            self.counts.refused += 1;
            self.reply(conn, "OUT_OF_MEMORY\r\n");
            return;
        }
        self.last += 1;
        let id = self.last;
        self.tasks.insert(id, task);
        self.counts.put += 1;
        self.make_ready(now, id, delay);
        self.reply(conn, &format!("INSERTED {id}\r\n"));
    }

    fn held(&self, conn: u64, id: u64) -> bool {
        self.tasks
            .get(&id)
            .is_some_and(|task| matches!(task.state, State::Reserved { conn: holder, .. } if holder == conn))
    }

    /// Whether no worker has it.
    fn is_free(&self, id: u64) -> bool {
        self.tasks.get(&id).is_some_and(|task| !matches!(task.state, State::Reserved { .. }))
    }

    /// Out of the sets that its state puts it into.
    fn take_out(&mut self, id: u64) {
        let task = &self.tasks[&id];
        match task.state {
            State::Ready => {
                self.ready.remove(&(task.priority, id));
            }
            State::Delayed(at) => {
                self.timers.remove(&(at, id));
            }
            State::Reserved { until, .. } => {
                self.timers.remove(&(until, id));
                self.reserved -= 1;
            }
            State::Buried => {}
        }
    }

    fn make_ready(&mut self, now: Instant, id: u64, delay: Span) {
        self.take_out(id);
        let task = self.tasks.get_mut(&id).expect("a task that is there");
        if delay.is_zero() {
            task.state = State::Ready;
            task.ready_since = now;
            self.ready.insert((task.priority, id));
        } else {
            task.state = State::Delayed(now + delay);
            self.timers.insert((now + delay, id));
        }
        self.measure(now);
    }

    fn hold(&mut self, now: Instant, conn: u64, id: u64) {
        let task = self.tasks.get_mut(&id).expect("a task that is there");
        // beanstalkd: at least one second; here, where seconds have fractions, a millisecond.
        let until = now + task.time_to_run.max(Span::from_ms(1));
        task.state = State::Reserved { conn, until };
        self.timers.insert((until, id));
        self.reserved += 1;
    }

    fn orphan(&mut self, now: Instant, whose: impl Fn(u64) -> bool) {
        let held = |task: &Task| matches!(task.state, State::Reserved { conn, .. } if whose(conn));
        let ids: Vec<u64> = self.tasks.iter().filter(|(_, task)| held(task)).map(|(id, _)| *id).collect();
        self.counts.orphaned += ids.len() as u64;
        ids.into_iter().for_each(|id| self.make_ready(now, id, Span::ZERO));
    }

    /// Gives ready tasks to workers that wait, in the order in which they came.
    fn match_up(&mut self, now: Instant) {
        while let (Some((_, id)), Some((conn, _))) =
            (self.ready.first().copied(), self.waiting.front().copied())
        {
            self.waiting.pop_front();
            self.take_out(id);
            self.hold(now, conn, id);
            let task = self.tasks.get_mut(&id).expect("a task that is there");
            task.deliveries += 1;
            self.counts.reserved += 1;
            if task.deliveries > 1 {
                self.counts.redelivered += 1;
            } else if task.ready_since >= self.measured_from {
                self.waits.0 += 1;
                self.waits.1 += u128::from(now.since(task.ready_since).as_ps());
            }
            let mut text = format!("RESERVED {id} {}\r\n", task.body.len()).into_bytes();
            text.extend_from_slice(&task.body);
            text.extend_from_slice(b"\r\n");
            self.replies.push_back((conn, text.into()));
        }
        self.measure(now);
    }

    fn measure(&mut self, now: Instant) {
        let now = now.max(self.measured_from);
        let ready = self.ready.len() as u64;
        self.area_ready.set(now, ready);
        self.area_present.set(now, ready + self.reserved);
    }

    fn not_found(&mut self, conn: u64) {
        self.counts.not_found += 1;
        self.reply(conn, "NOT_FOUND\r\n");
    }

    fn stats(&mut self, conn: u64) {
        let (ready, reserved, _) = self.present();
        let text = format!(
            "---\ncurrent-jobs-ready: {ready}\ncurrent-jobs-reserved: {reserved}\ntotal-jobs: {}\ncurrent-waiting: {}\n",
            self.counts.put,
            self.waiting.len()
        );
        self.reply(conn, &format!("OK {}\r\n{text}\r\n", text.len()));
    }

    fn reply(&mut self, conn: u64, text: &str) {
        self.replies.push_back((conn, Bytes::copy_from_slice(text.as_bytes())));
    }
}

impl Task {
    fn new(now: Instant, priority: u32, time_to_run: Span, body: Bytes) -> Task {
        Task { body, priority, time_to_run, state: State::Buried, deliveries: 0, ready_since: now }
    }
}
