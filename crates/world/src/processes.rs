//! Programs: native ones that run inside the world, and the script's, which the world only wakes.

use crate::{FlowId, Pause, World};
use std::collections::VecDeque;
use std::sync::Arc;
use tidewire_engine::{Agenda, Class, Key};
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::{Process, Resume, Wait};
use tidewire_units::{Instant, Interest, NodeId, Purpose, SocketId, Stream, WaitToken};

/// A process, by spawn number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProcessId(pub u32);

/// A native program and what it runs with.
struct Native {
    process: Box<dyn Process>,
    stream: Stream,
    host: u32,
    flow: Option<FlowId>,
    /// Options of its TCP sockets, instead of the host's.
    tcp: Option<Arc<TcpConfig>>,
}

struct Slot {
    /// None for the script's, for those that have ended, and while the program runs.
    native: Option<Box<Native>>,
    is_script: bool,
    generation: u32,
    /// Why it will go on; its key is in the agenda.
    ready: Option<Resume>,
    deadline: Instant,
    socket: SocketId,
    ended: bool,
    /// Sockets that were subscribed to and are ready, besides the one in `ready`.
    events: VecDeque<SocketId>,
    /// When a key of a wait for events is in the agenda.
    queued: Instant,
    /// It lets others go first at this instant.
    last: bool,
    /// Deadlines before it keep the run alive: all, or none.
    horizon: Instant,
}

#[derive(Default)]
pub(crate) struct Processes {
    slots: Vec<Slot>,
    /// How many will go on by themselves, now or at a deadline. Keys in the agenda may be stale and do not count.
    pending: usize,
}

impl Processes {
    /// A wait is over: its process goes on in this instant, unless it waits for something else by now.
    pub fn wake(&mut self, token: WaitToken, now: Instant, agenda: &mut Agenda) {
        let slot = &mut self.slots[token.process as usize];
        if let Some(socket) = token.subscribed() {
            if slot.ended {
                return;
            }
            if slot.ready.is_some() {
                return slot.events.push_back(socket);
            }
            slot.socket = socket;
        } else if slot.ended || slot.ready.is_some() || slot.generation != token.generation {
            return;
        }
        let was_pending = slot.is_pending();
        slot.ready = Some(Resume::Ready(slot.socket));
        self.pending += usize::from(!was_pending);
        agenda.push(process_key(now, token.process));
    }

    /// How many processes will go on by themselves.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Changes a slot and keeps count.
    fn update<T>(&mut self, id: u32, change: impl FnOnce(&mut Slot) -> T) -> T {
        let slot = &mut self.slots[id as usize];
        let before = slot.is_pending();
        let result = change(slot);
        let after = slot.is_pending();
        self.pending = self.pending + usize::from(after) - usize::from(before);
        result
    }

    /// A native process sleeps until `at`. It was not pending: it has just run.
    #[inline]
    fn sleep(&mut self, id: u32, native: Box<Native>, at: Instant) {
        let slot = &mut self.slots[id as usize];
        slot.native = Some(native);
        slot.generation += 1;
        slot.deadline = at;
        slot.ready = None;
        self.pending += 1;
    }

    fn add(&mut self, native: Option<Box<Native>>, is_script: bool) -> u32 {
        self.slots.push(Slot {
            is_script,
            native,
            generation: 0,
            ready: Some(Resume::Start),
            deadline: Instant::MAX,
            socket: SocketId(u32::MAX),
            ended: false,
            events: VecDeque::new(),
            queued: Instant::MAX,
            last: false,
            horizon: Instant::MAX,
        });
        self.pending += 1;
        self.slots.len() as u32 - 1
    }
}

impl Slot {
    fn is_pending(&self) -> bool {
        !self.ended && (self.ready.is_some() || self.deadline < self.horizon)
    }
}

/// Behind every process: 32 bits number them, and a key has room for more.
const LAST: u64 = 1 << 32;

/// Keys of processes are in the background: whether a process keeps the run alive is counted, not queued.
fn process_key(at: Instant, process: u32) -> Key {
    Key::new(at, Class::Process, u64::from(process)).background()
}

impl World {
    /// Registers a process of the script; it starts in this instant, after everything that was spawned before.
    pub fn spawn_script(&mut self) -> ProcessId {
        let id = self.processes.add(None, true);
        self.agenda.push(process_key(self.now, id));
        ProcessId(id)
    }

    /// Starts a native process on a host. `name` keys its random stream.
    pub fn spawn_native(
        &mut self,
        node: NodeId,
        process: Box<dyn Process>,
        flow: Option<FlowId>,
        name: &str,
    ) -> ProcessId {
        self.spawn_native_with(node, process, flow, None, name)
    }

    /// As [`World::spawn_native`]; the program's TCP sockets have these options instead of the host's.
    pub fn spawn_native_with(
        &mut self,
        node: NodeId,
        process: Box<dyn Process>,
        flow: Option<FlowId>,
        tcp: Option<Arc<TcpConfig>>,
        name: &str,
    ) -> ProcessId {
        let host = self.host_index(node).expect("processes run on hosts");
        let stream = self.streams.stream(Purpose::Application, name);
        let id = self.processes.add(Some(Box::new(Native { process, stream, host, flow, tcp })), false);
        self.agenda.push(process_key(self.now, id));
        ProcessId(id)
    }

    /// A process that stands for a workload; it starts in this instant.
    pub(crate) fn spawn_workload(&mut self) -> ProcessId {
        let id = self.processes.add(None, false);
        self.agenda.push(process_key(self.now, id));
        ProcessId(id)
    }

    /// A workload's process waits until then; for ever, and nothing keeps the run alive for it, at [`Instant::MAX`].
    pub(crate) fn sleep_until(&mut self, process: u32, at: Instant) {
        self.begin_wait(process, at);
        self.queue_deadline(process, at);
    }

    /// Lets a script's process wait until `deadline`, or until one of `sockets` is as wanted. True when one of them already is: then
    /// the process does not wait.
    pub fn wait(
        &mut self,
        process: ProcessId,
        deadline: Instant,
        sockets: &[(NodeId, SocketId, Interest)],
    ) -> bool {
        let generation = self.begin_wait(process.0, deadline);
        let token = WaitToken { process: process.0, generation };
        for (node, socket, interest) in sockets {
            let host = self.host_index(*node).expect("sockets belong to hosts");
            let (_, all) = self.hosts[host as usize].parts();
            if all.wait(*socket, *interest, token) {
                self.processes.update(process.0, |slot| {
                    slot.generation += 1;
                    slot.deadline = Instant::MAX;
                });
                return true;
            }
        }
        self.queue_deadline(process.0, deadline);
        false
    }

    /// As [`World::wait`], but the deadline keeps no run alive.
    pub fn wait_in_background(
        &mut self,
        process: ProcessId,
        deadline: Instant,
        sockets: &[(NodeId, SocketId, Interest)],
    ) -> bool {
        let ready = self.wait(process, deadline, sockets);
        self.processes
            .update(process.0, |slot| slot.horizon = if ready { Instant::MAX } else { Instant::ZERO });
        ready
    }

    /// Lets a script's process wait until all others that can go on at this instant have done so once.
    pub fn give_way(&mut self, process: ProcessId) {
        self.begin_wait(process.0, self.now);
        let at = self.now;
        self.processes.update(process.0, |slot| (slot.deadline, slot.last) = (at, true));
        self.agenda.push(Key::new(at, Class::Process, u64::from(process.0) | LAST).background());
    }

    /// Begins a wait that something else than a socket may end.
    pub(crate) fn wait_token(&mut self, process: ProcessId, deadline: Instant) -> WaitToken {
        let generation = self.begin_wait(process.0, deadline);
        self.queue_deadline(process.0, deadline);
        WaitToken { process: process.0, generation }
    }

    /// Ends whatever a script's process waits for: it goes on in this instant (a signal was fired, a queue was filled).
    pub fn wake(&mut self, process: ProcessId) {
        let generation = self.processes.slots[process.0 as usize].generation;
        let token = WaitToken { process: process.0, generation };
        self.processes.wake(token, self.now, &mut self.agenda);
    }

    /// Forgets a process: nothing wakes it any more. A native one is stopped where it stands.
    pub fn end_process(&mut self, process: ProcessId) {
        self.processes.update(process.0, |slot| {
            slot.ended = true;
            slot.native = None;
            slot.generation += 1;
        });
    }

    /// Ends the native programs of a host that has crashed.
    pub(crate) fn end_natives_of(&mut self, host: u32) {
        let is_there = |slot: &Slot| slot.native.as_ref().is_some_and(|native| native.host == host);
        let ids: Vec<u32> = (0..self.processes.slots.len() as u32)
            .filter(|id| is_there(&self.processes.slots[*id as usize]))
            .collect();
        for id in ids {
            let mut native = self.processes.slots[id as usize].native.take().expect("it is there");
            let wakes = native.process.crash(self.now);
            self.end_process(ProcessId(id));
            if let Some(process) = wakes {
                self.wake(ProcessId(process));
            }
        }
    }

    /// Whether a process has not ended.
    pub fn is_alive(&self, process: ProcessId) -> bool {
        !self.processes.slots[process.0 as usize].ended
    }

    pub(crate) fn resume_process(&mut self, key: Key) -> Option<Pause> {
        let id = key.source() as u32;
        let mut later = None;
        let mut wake = |slot: &mut Slot| {
            if slot.ended {
                return None;
            }
            if slot.queued == key.time() {
                // The deadline may have moved on since this key was queued.
                slot.queued = if slot.deadline > key.time() { slot.deadline } else { Instant::MAX };
                later = Some(slot.queued).filter(|at| *at < Instant::MAX);
            }
            // Without a reason, the wait that this was the deadline of has ended otherwise.
            let in_turn = slot.last == (key.source() >= LAST);
            let due = (slot.deadline == key.time() && in_turn).then_some(Resume::Timer);
            let why = slot.ready.take().or(due)?;
            slot.deadline = Instant::MAX;
            slot.generation += 1;
            Some(why)
        };
        let slot = &mut self.processes.slots[id as usize];
        let before = slot.is_pending();
        let why = wake(slot);
        // Who goes on waits for nothing now.
        let after = why.is_none() && slot.is_pending();
        self.processes.pending = self.processes.pending + usize::from(after) - usize::from(before);
        if let Some(at) = later {
            self.agenda.push(process_key(at, id));
        }
        let why = why?;
        let slot = &mut self.processes.slots[id as usize];
        self.now = key.time();
        if slot.is_script {
            return Some(Pause::Process(ProcessId(id), why));
        }
        let Some(mut native) = slot.native.take() else {
            self.resume_workload(id);
            return None;
        };
        let Native { process, stream, host, flow, tcp } = &mut *native;
        let tcp = tcp.as_ref();
        let mut api =
            crate::sockets::NativeSockets { world: self, host: *host, flow: *flow, process: id, stream, tcp };
        let wait = process.resume(key.time(), why, &mut api);
        self.settle(native.host);
        self.continue_native(id, native, wait);
        None
    }

    fn continue_native(&mut self, id: u32, native: Box<Native>, wait: Wait) {
        let host = native.host;
        match wait {
            Wait::Until(Instant::MAX) => {
                self.begin_wait(id, Instant::MAX);
                self.processes.slots[id as usize].native = Some(native);
            }
            Wait::Until(at) => {
                self.processes.sleep(id, native, at.max(self.now));
                self.agenda.push(process_key(at.max(self.now), id));
            }
            Wait::Socket(socket, interest, deadline) => {
                let generation = self.begin_wait(id, deadline);
                let slot = &mut self.processes.slots[id as usize];
                (slot.native, slot.socket) = (Some(native), socket);
                let token = WaitToken { process: id, generation };
                let (_, all) = self.hosts[host as usize].parts();
                if all.wait(socket, interest, token) {
                    return self.processes.wake(token, self.now, &mut self.agenda);
                }
                self.queue_deadline(id, deadline);
            }
            Wait::Events(deadline) => self.await_events(id, native, deadline),
            Wait::Done => self.end_process(ProcessId(id)),
        }
    }

    /// A process waits for what it has subscribed to. What became ready while it ran is there already; its deadlines mostly stay
    /// the same from wait to wait, so that one key serves many.
    fn await_events(&mut self, id: u32, native: Box<Native>, deadline: Instant) {
        let now = self.now;
        self.processes.slots[id as usize].native = Some(native);
        let (ready, queue) = self.processes.update(id, |slot| {
            slot.generation = (slot.generation + 1) % (1 << 31);
            slot.deadline = if deadline < Instant::MAX { deadline.max(now) } else { deadline };
            let next = if slot.ready.is_none() { slot.events.pop_front() } else { None };
            if let Some(socket) = next {
                (slot.ready, slot.socket) = (Some(Resume::Ready(socket)), socket);
            }
            let queue = slot.deadline < slot.queued;
            if queue {
                slot.queued = slot.deadline;
            }
            (next.is_some(), queue.then_some(slot.deadline))
        });
        if ready {
            self.agenda.push(process_key(now, id));
        }
        if let Some(at) = queue {
            self.agenda.push(process_key(at, id));
        }
    }

    fn begin_wait(&mut self, id: u32, deadline: Instant) -> u32 {
        self.processes.update(id, |slot| {
            slot.generation += 1;
            slot.deadline = deadline;
            slot.ready = None;
            (slot.last, slot.horizon) = (false, Instant::MAX);
            slot.generation
        })
    }

    fn queue_deadline(&mut self, id: u32, deadline: Instant) {
        if deadline < Instant::MAX {
            let at = deadline.max(self.now);
            self.processes.update(id, |slot| slot.deadline = at);
            self.agenda.push(process_key(at, id));
        }
    }
}
