//! Programs: native ones that run inside the world, and the script's, which the world only wakes.

use crate::{FlowId, Pause, World};
use tidewire_engine::{Agenda, Class, Key};
use tidewire_l7_application::{Process, Resume, Wait};
use tidewire_units::{Instant, Interest, NodeId, Purpose, SocketId, Stream, WaitToken};

/// A process, by spawn number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProcessId(pub u32);

enum Program {
    Native { process: Box<dyn Process>, host: u32, flow: Option<FlowId>, stream: Box<Stream> },
    Script,
}

struct Slot {
    /// None once it has ended, and while it runs.
    program: Option<Program>,
    generation: u32,
    /// Why it will go on; its key is in the agenda.
    ready: Option<Resume>,
    deadline: Instant,
    socket: SocketId,
    ended: bool,
}

#[derive(Default)]
pub(crate) struct Processes {
    slots: Vec<Slot>,
}

impl Processes {
    /// A wait is over: its process goes on in this instant, unless it waits for something else by now.
    pub fn wake(&mut self, token: WaitToken, now: Instant, agenda: &mut Agenda) {
        let slot = &mut self.slots[token.process as usize];
        if slot.ended || slot.ready.is_some() || slot.generation != token.generation {
            return;
        }
        slot.ready = Some(Resume::Ready(slot.socket));
        agenda.push(Key::new(now, Class::Process, u64::from(token.process)));
    }

    fn add(&mut self, program: Program) -> u32 {
        self.slots.push(Slot {
            program: Some(program),
            generation: 0,
            ready: Some(Resume::Start),
            deadline: Instant::MAX,
            socket: SocketId(u32::MAX),
            ended: false,
        });
        self.slots.len() as u32 - 1
    }
}

impl World {
    /// Registers a process of the script; it starts in this instant, after everything that was spawned before.
    pub fn spawn_script(&mut self) -> ProcessId {
        let id = self.processes.add(Program::Script);
        self.agenda.push(Key::new(self.now, Class::Process, u64::from(id)));
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
        let host = self.host_index(node).expect("processes run on hosts");
        let stream = Box::new(self.streams.stream(Purpose::Application, name));
        let id = self.processes.add(Program::Native { process, host, flow, stream });
        self.agenda.push(Key::new(self.now, Class::Process, u64::from(id)));
        ProcessId(id)
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
                self.processes.slots[process.0 as usize].generation += 1;
                self.processes.slots[process.0 as usize].deadline = Instant::MAX;
                return true;
            }
        }
        if deadline < Instant::MAX {
            let at = deadline.max(self.now);
            self.processes.slots[process.0 as usize].deadline = at;
            self.agenda.push(Key::new(at, Class::Process, u64::from(process.0)));
        }
        false
    }

    /// Ends whatever a script's process waits for: it goes on in this instant (a signal was fired, a queue was filled).
    pub fn wake(&mut self, process: ProcessId) {
        let generation = self.processes.slots[process.0 as usize].generation;
        let token = WaitToken { process: process.0, generation };
        self.processes.wake(token, self.now, &mut self.agenda);
    }

    /// Forgets a process: nothing wakes it any more. A native one is stopped where it stands.
    pub fn end_process(&mut self, process: ProcessId) {
        let slot = &mut self.processes.slots[process.0 as usize];
        slot.ended = true;
        slot.program = None;
        slot.generation += 1;
    }

    /// Whether a process has not ended.
    pub fn is_alive(&self, process: ProcessId) -> bool {
        !self.processes.slots[process.0 as usize].ended
    }

    pub(crate) fn resume_process(&mut self, key: Key) -> Option<Pause> {
        let id = key.source() as u32;
        let slot = &mut self.processes.slots[id as usize];
        if slot.ended {
            return None;
        }
        let why = match slot.ready.take() {
            Some(why) => why,
            None if slot.deadline == key.time() => Resume::Timer,
            // The wait that this was the deadline of has ended otherwise.
            None => return None,
        };
        slot.deadline = Instant::MAX;
        slot.generation += 1;
        self.now = key.time();
        match slot.program.take() {
            None => None,
            Some(Program::Script) => {
                slot.program = Some(Program::Script);
                Some(Pause::Process(ProcessId(id), why))
            }
            Some(Program::Native { mut process, host, flow, mut stream }) => {
                let mut api = crate::sockets::NativeSockets { world: self, host, flow, stream: &mut stream };
                let wait = process.resume(key.time(), why, &mut api);
                self.settle(host);
                self.continue_native(id, Program::Native { process, host, flow, stream }, wait, host);
                None
            }
        }
    }

    fn continue_native(&mut self, id: u32, program: Program, wait: Wait, host: u32) {
        let (deadline, on) = match wait {
            Wait::Until(at) => (at, None),
            Wait::Socket(socket, interest, deadline) => (deadline, Some((socket, interest))),
            Wait::Done => {
                self.processes.slots[id as usize].ended = true;
                return;
            }
        };
        let generation = self.begin_wait(id, deadline);
        let slot = &mut self.processes.slots[id as usize];
        slot.program = Some(program);
        if let Some((socket, interest)) = on {
            slot.socket = socket;
            let token = WaitToken { process: id, generation };
            let (_, all) = self.hosts[host as usize].parts();
            if all.wait(socket, interest, token) {
                return self.processes.wake(token, self.now, &mut self.agenda);
            }
        }
        if deadline < Instant::MAX {
            let at = deadline.max(self.now);
            self.processes.slots[id as usize].deadline = at;
            self.agenda.push(Key::new(at, Class::Process, u64::from(id)));
        }
    }

    fn begin_wait(&mut self, id: u32, deadline: Instant) -> u32 {
        let slot = &mut self.processes.slots[id as usize];
        slot.generation += 1;
        slot.deadline = deadline;
        slot.ready = None;
        slot.generation
    }
}
