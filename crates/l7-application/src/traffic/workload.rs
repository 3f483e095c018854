//! Who sends what to whom, and when: flows one way, questions with answers, questions to many at once that wait for all answers.

use super::Sizes;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use tidewire_units::{Instant, Refusal, Span, Stream};

/// An end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// Who opened it.
    Client,
    /// Who accepted it.
    Server,
}

/// Gaps between arrivals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gaps {
    /// Exponential: a Poisson process.
    Exponential,
    /// All the same.
    Constant,
}

/// When questions are asked.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// By chance or clock, whatever the answers: the mean time between two, of all clients together.
    Open(Span, Gaps),
    /// Each client asks the next so long after the last was answered.
    Closed(Span),
}

/// Who is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pick {
    /// So many different ones by chance.
    Random(u32),
    /// Everyone at once.
    Everyone,
    /// Client `i` always asks the server that stands at place `i` here.
    Fixed(Vec<u32>),
}

/// What a workload is.
#[derive(Clone, PartialEq, Debug)]
pub struct Spec {
    /// Hosts that open connections.
    pub clients: u32,
    /// Hosts that accept them.
    pub servers: u32,
    /// Clients and servers are the same hosts, and nobody asks himself.
    pub same: bool,
    /// When.
    pub pace: Pace,
    /// How often each client asks by an open pace, in proportion; empty: equally often.
    pub weights: Vec<u64>,
    /// To whom.
    pub pick: Pick,
    /// Bytes from client to server.
    pub up: Sizes,
    /// Bytes from server to client once all of the former are there; none for flows that go one way.
    pub down: Option<Sizes>,
    /// Sizes are those of all that one question brings about, in equal parts for everyone who is asked.
    pub split: bool,
    /// A connection between two hosts is used again.
    pub keep: bool,
    /// The first question is not before this.
    pub start: Instant,
    /// No question from here on.
    pub stop: Instant,
    /// At most so many questions.
    pub count: Option<u64>,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Open a connection, the next by number, from a client to a server.
    Open {
        /// By position.
        client: u32,
        /// By position.
        server: u32,
    },
    /// Send bytes on a connection, and say when the other side has received `goal` bytes in all.
    Send {
        /// By number.
        connection: u32,
        /// Who sends.
        from: Side,
        /// How many.
        bytes: u64,
        /// What the receiver then has.
        goal: u64,
    },
    /// The client closes a connection.
    Close {
        /// By number.
        connection: u32,
    },
}

/// What one client and one server have, or had, to say to each other.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exchange {
    /// The question that it belongs to.
    pub query: u32,
    /// Who asked.
    pub client: u32,
    /// Who was asked.
    pub server: u32,
    /// Bytes to the server and back.
    pub bytes: (u64, u64),
    /// When it began.
    pub started: Instant,
    /// When the last byte was received.
    pub ended: Option<Instant>,
    /// Why it failed, if it did.
    pub failure: Option<Refusal>,
    /// It began with a handshake.
    pub fresh: bool,
}

/// A question: done when all its exchanges are.
#[derive(Clone, Copy, Debug)]
struct Query {
    client: u32,
    open: u32,
}

#[derive(Debug, Default)]
struct Connection {
    pair: (u32, u32),
    /// Bytes to be received in all, and the exchange that is then complete, by side that receives: client, server.
    due: [VecDeque<(u64, u32)>; 2],
    /// Bytes asked to be sent in all, by side that receives.
    total: [u64; 2],
    dead: bool,
}

/// A workload: it says what to do, is told what was received, and knows nothing of sockets.
#[derive(Debug)]
pub struct Workload {
    spec: Spec,
    /// Sums of the weights up to each client.
    up_to: Vec<u64>,
    connections: Vec<Connection>,
    kept: BTreeMap<(u32, u32), u32>,
    queries: Vec<Query>,
    exchanges: Vec<Exchange>,
    actions: VecDeque<Action>,
    /// When who asks next; an open workload has one entry.
    due: BinaryHeap<Reverse<(Instant, u32)>>,
    asked: u64,
    under_way: u64,
    stopped: bool,
    /// Clients whose host does not run, and those of them whose turn has come meanwhile (of an open workload, the first, when all are
    /// down): they ask when it boots.
    down: BTreeSet<u32>,
    missed: BTreeSet<u32>,
}

impl Workload {
    /// A workload that has not begun.
    pub fn new(spec: Spec, stream: &mut Stream) -> Workload {
        let mut due = BinaryHeap::new();
        match spec.pace {
            Pace::Open(..) => due.push(Reverse((spec.start + gap(spec.pace, stream), 0))),
            Pace::Closed(_) => due.extend((0..spec.clients).map(|client| Reverse((spec.start, client)))),
        }
        let sum = |sum: &mut u64, weight: &u64| {
            *sum += weight;
            Some(*sum)
        };
        Workload {
            up_to: spec.weights.iter().scan(0, sum).collect(),
            spec,
            connections: Vec::new(),
            kept: BTreeMap::new(),
            queries: Vec::new(),
            exchanges: Vec::new(),
            actions: VecDeque::new(),
            due,
            asked: 0,
            under_way: 0,
            stopped: false,
            down: BTreeSet::new(),
            missed: BTreeSet::new(),
        }
    }

    /// When it wants to be woken; [`Instant::MAX`] for never.
    pub fn next_timeout(&self) -> Instant {
        let next = self.next_question();
        // Until it stops, a host may boot and ask.
        if self.may_go_on() { next.min(self.spec.stop) } else { next }
    }

    fn next_question(&self) -> Instant {
        match self.due.peek() {
            Some(Reverse((at, _))) if self.may_ask(*at) => *at,
            _ => Instant::MAX,
        }
    }

    /// Somebody would ask if its host ran.
    fn may_go_on(&self) -> bool {
        !self.missed.is_empty() && self.may_ask(Instant::ZERO)
    }

    /// Nothing will be asked any more, and nothing is under way.
    pub fn is_over(&self) -> bool {
        self.under_way == 0 && self.next_timeout() == Instant::MAX && !self.may_go_on()
    }

    /// Nothing is under way, and who is to ask next is on a host that does not run.
    pub fn is_stalled(&self) -> bool {
        self.under_way == 0 && self.next_timeout() == Instant::MAX && self.may_go_on()
    }

    /// The host of a client has crashed or booted. What was under way is told by [`Workload::handle_end`].
    pub fn set_up(&mut self, now: Instant, client: u32, up: bool, stream: &mut Stream) {
        if !up {
            self.down.insert(client);
            return;
        }
        self.down.remove(&client);
        match self.spec.pace {
            Pace::Closed(_) if self.missed.remove(&client) => self.due.push(Reverse((now, client))),
            pace @ Pace::Open(..) if self.missed.remove(&0) => {
                self.due.push(Reverse((now + gap(pace, stream), 0)));
            }
            _ => {}
        }
    }

    /// A connection is over, for whatever reason.
    pub fn is_dead(&self, connection: u32) -> bool {
        self.connections[connection as usize].dead
    }

    /// It has an end of its own.
    pub fn is_finite(&self) -> bool {
        self.spec.count.is_some() || self.spec.stop < Instant::MAX || self.stopped
    }

    /// It was told to ask nothing more.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Asks nothing from now on.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// What was asked, in order.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// What it is.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// It is `now`: asks what is due.
    pub fn handle_timeout(&mut self, now: Instant, stream: &mut Stream) {
        if now >= self.spec.stop {
            self.missed.clear();
        }
        while self.next_question() <= now {
            let Some(Reverse((at, client))) = self.due.pop() else { return };
            match self.spec.pace {
                Pace::Closed(_) if self.down.contains(&client) => {
                    self.missed.insert(client);
                }
                Pace::Closed(_) => self.ask(now, client, stream),
                Pace::Open(..) if self.down.len() == self.spec.clients as usize => {
                    self.missed.insert(0);
                }
                pace @ Pace::Open(..) => {
                    self.due.push(Reverse((at + gap(pace, stream), 0)));
                    let client = self.next_client(stream);
                    if !self.down.contains(&client) {
                        self.ask(now, client, stream);
                    }
                }
            }
        }
    }

    /// One side of a connection has received what was its goal.
    pub fn handle_received(
        &mut self,
        now: Instant,
        connection: u32,
        by: Side,
        total: u64,
        stream: &mut Stream,
    ) {
        while let Some((goal, exchange)) =
            self.connections[connection as usize].due[by as usize].front().copied()
        {
            if goal > total {
                break;
            }
            self.connections[connection as usize].due[by as usize].pop_front();
            let down = self.exchanges[exchange as usize].bytes.1;
            if by == Side::Server && down > 0 {
                self.send(connection, Side::Server, down, exchange);
            } else {
                self.complete(now, connection, exchange, None, stream);
            }
        }
        self.repeat_goal(connection, by);
    }

    /// A connection has failed, or is over before all was received.
    pub fn handle_end(&mut self, now: Instant, connection: u32, why: Refusal, stream: &mut Stream) {
        let of = &mut self.connections[connection as usize];
        if std::mem::replace(&mut of.dead, true) {
            return;
        }
        let pair = of.pair;
        let [client, server] = std::mem::take(&mut of.due);
        if self.kept.get(&pair) == Some(&connection) {
            self.kept.remove(&pair);
        }
        for (_, exchange) in client.into_iter().chain(server) {
            self.complete(now, connection, exchange, Some(why), stream);
        }
    }

    fn may_ask(&self, at: Instant) -> bool {
        !self.stopped && at < self.spec.stop && self.spec.count.is_none_or(|count| self.asked < count)
    }

    fn next_client(&self, stream: &mut Stream) -> u32 {
        match self.up_to.last() {
            None => stream.between(0, u64::from(self.spec.clients) - 1) as u32,
            Some(total) => {
                let drawn = stream.between(0, total - 1);
                self.up_to.partition_point(|up_to| *up_to <= drawn) as u32
            }
        }
    }

    fn ask(&mut self, now: Instant, client: u32, stream: &mut Stream) {
        let servers = self.pick(client, stream);
        if servers.is_empty() {
            return;
        }
        self.asked += 1;
        let query = self.queries.len() as u32;
        self.queries.push(Query { client, open: servers.len() as u32 });
        let parts = if self.spec.split { servers.len() as u64 } else { 1 };
        let mut sizes = self.draw(stream);
        for server in servers {
            if !self.spec.split && query_has_begun(&self.exchanges, query) {
                sizes = self.draw(stream);
            }
            self.begin(now, query, (client, server), (sizes.0.div_ceil(parts), sizes.1.div_ceil(parts)));
        }
    }

    fn draw(&self, stream: &mut Stream) -> (u64, u64) {
        let up = self.spec.up.draw(stream);
        (up, self.spec.down.as_ref().map_or(0, |down| down.draw(stream)))
    }

    fn pick(&self, client: u32, stream: &mut Stream) -> Vec<u32> {
        let other = |server: &u32| !(self.spec.same && *server == client);
        match &self.spec.pick {
            Pick::Everyone => (0..self.spec.servers).filter(other).collect(),
            Pick::Fixed(of) => of.get(client as usize).copied().into_iter().collect(),
            Pick::Random(1) => {
                // The last takes the place of the one that is left out.
                let n = self.spec.servers - u32::from(self.spec.same);
                let drawn = stream.between(0, u64::from(n) - 1) as u32;
                vec![if other(&drawn) { drawn } else { n }]
            }
            Pick::Random(some) => {
                let mut all: Vec<u32> = (0..self.spec.servers).filter(other).collect();
                let some = (*some as usize).min(all.len());
                for i in 0..some {
                    let j = stream.between(i as u64, all.len() as u64 - 1) as usize;
                    all.swap(i, j);
                }
                all.truncate(some);
                all
            }
        }
    }

    fn begin(&mut self, now: Instant, query: u32, pair: (u32, u32), bytes: (u64, u64)) {
        let kept = self.kept.get(&pair).copied().filter(|_| self.spec.keep);
        let connection = kept.unwrap_or_else(|| {
            self.connections.push(Connection { pair, ..Connection::default() });
            self.actions.push_back(Action::Open { client: pair.0, server: pair.1 });
            self.connections.len() as u32 - 1
        });
        if self.spec.keep {
            self.kept.insert(pair, connection);
        }
        let exchange = self.exchanges.len() as u32;
        let (ended, failure, fresh) = (None, None, kept.is_none());
        let (client, server) = pair;
        self.exchanges.push(Exchange { query, client, server, bytes, started: now, ended, failure, fresh });
        self.under_way += 1;
        self.send(connection, Side::Client, bytes.0, exchange);
    }

    fn send(&mut self, connection: u32, from: Side, bytes: u64, exchange: u32) {
        let of = &mut self.connections[connection as usize];
        let to = 1 - from as usize;
        of.total[to] += bytes;
        of.due[to].push_back((of.total[to], exchange));
        let goal = of.due[to][0].0;
        self.actions.push_back(Action::Send { connection, from, bytes, goal });
    }

    /// Several exchanges wait on one connection: the receiver's next goal must be said again.
    fn repeat_goal(&mut self, connection: u32, by: Side) {
        if let Some((goal, _)) = self.connections[connection as usize].due[by as usize].front().copied() {
            let from = if by == Side::Client { Side::Server } else { Side::Client };
            self.actions.push_back(Action::Send { connection, from, bytes: 0, goal });
        }
    }

    fn complete(
        &mut self,
        now: Instant,
        connection: u32,
        exchange: u32,
        failure: Option<Refusal>,
        stream: &mut Stream,
    ) {
        let of = &mut self.exchanges[exchange as usize];
        of.failure = failure;
        of.ended = failure.is_none().then_some(now);
        let query = of.query as usize;
        self.under_way -= 1;
        // Only now: closing while the handshake is under way would give the connection up.
        if failure.is_none() && !self.spec.keep {
            self.actions.push_back(Action::Close { connection });
        }
        let query = &mut self.queries[query];
        query.open -= 1;
        if let (0, Pace::Closed(think)) = (query.open, self.spec.pace) {
            let client = query.client;
            let pause = Span::from_secs_f64(stream.exponential(think.as_secs_f64()));
            // A failure at once must not be followed by another at once, for ever.
            let least = if failure.is_some() { Span::from_ms(1) } else { Span::ZERO };
            self.due.push(Reverse((now + pause.max(least), client)));
        }
    }
}

fn query_has_begun(exchanges: &[Exchange], query: u32) -> bool {
    exchanges.last().is_some_and(|last| last.query == query)
}

fn gap(pace: Pace, stream: &mut Stream) -> Span {
    match pace {
        Pace::Open(mean, Gaps::Exponential) => Span::from_secs_f64(stream.exponential(mean.as_secs_f64())),
        Pace::Open(mean, Gaps::Constant) => mean,
        Pace::Closed(_) => Span::ZERO,
    }
}

#[cfg(test)]
#[path = "workload_tests.rs"]
mod tests;
