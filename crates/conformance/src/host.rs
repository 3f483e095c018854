//! The host under test: sockets, listeners and connections around the endpoint, with one interface and a clock.

use crate::settings::Settings;
use crate::socket::{Kind, Socket};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l4_transport::{Connection, TcpConfig, Unreachable, reset_for};
use tidewire_units::{Instant, Span};
use tidewire_wire::{Ecn, Endpoint, Seq, TcpSegment};

const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
const REMOTE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The port on which a script's server listens, and that its clients connect to.
const SERVER_PORT: u16 = 8080;
/// Where the ports of clients begin.
const CLIENT_PORT: u16 = 40_000;
/// The clock when a script begins: nothing in the endpoint sees the time zero. It lies late in a tick, so that a timer that waits
/// for the next tick is as little late as on a host whose ticks are short.
const START: Span = Span::from_ms(1003);
/// Segments that one event may cause before the run is given up.
const MAX_BURST: usize = 100_000;

/// A segment that left the host.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Microseconds since the script's beginning.
    pub at: i64,
    pub segment: TcpSegment,
    pub ecn: Ecn,
    /// The type-of-service byte without its ECN field.
    pub dscp: u8,
    /// The connection that sent it, if one did.
    pub conn: Option<usize>,
}

impl Sent {
    /// From the script's sequence numbers to those of this segment. A reset in answer to a segment without acknowledgment has
    /// the number zero, which is nobody's.
    pub fn offset(&self, conn: Option<&Conn>) -> u32 {
        if self.segment.flags.rst() && self.segment.seq == Seq(0) { 0 } else { conn.map_or(0, Conn::offset) }
    }
}

/// A connection and what the script calls its numbers.
pub(crate) struct Conn {
    pub connection: Connection,
    /// Sequence number of our SYN, as sent.
    pub isn: Seq,
    /// The same in the script.
    pub script_isn: u32,
    /// The script's timestamp values and those that were sent in their place.
    pub stamps: BTreeMap<u32, u32>,
    /// The first of these pairs.
    pub first_stamp: Option<(u32, u32)>,
    /// The listening socket that it waits in.
    pub listener: Option<i32>,
    /// The error has been reported to the application.
    pub error_taken: bool,
    pub dscp: u8,
    /// It has been established.
    pub ready: bool,
    /// Bytes that a blocking write took although the send buffer was full.
    pub backlog: u64,
}

impl Conn {
    /// From the script's sequence numbers to ours.
    pub fn offset(&self) -> u32 {
        self.isn.0.wrapping_sub(self.script_isn)
    }
}

/// The host.
pub(crate) struct Host {
    /// Microseconds since the script's beginning.
    pub now: i64,
    pub settings: Settings,
    pub sockets: BTreeMap<i32, Socket>,
    pub conns: Vec<Conn>,
    pub out: VecDeque<Sent>,
    /// Local and remote end of the connection that the script's segments belong to.
    pub tuple: (Endpoint, Endpoint),
    next_port: u16,
    /// The endpoint sends without end.
    pub runaway: bool,
}

impl Host {
    pub fn new(settings: Settings) -> Host {
        Host {
            now: 0,
            settings,
            sockets: BTreeMap::new(),
            conns: Vec::new(),
            out: VecDeque::new(),
            tuple: (Endpoint::new(LOCAL, SERVER_PORT), Endpoint::new(REMOTE, CLIENT_PORT)),
            next_port: CLIENT_PORT,
            runaway: false,
        }
    }

    /// The clock of the endpoint.
    pub fn instant(&self) -> Instant {
        Instant::from_ps(START.as_ps()) + Span::from_us(self.now.max(0) as u64)
    }

    /// A listener has appeared, or a connection begins: the script now speaks about this one.
    pub fn use_new_port(&mut self, active: bool) {
        let port = self.next_port;
        self.next_port += 1;
        let (mine, theirs) = if active { (port, SERVER_PORT) } else { (SERVER_PORT, port) };
        self.tuple = (Endpoint::new(LOCAL, mine), Endpoint::new(REMOTE, theirs));
    }

    /// The newest connection that the script's segments belong to, alive or not.
    pub fn current(&self) -> Option<usize> {
        let (local, remote) = self.tuple;
        let ours = |conn: &Conn| conn.connection.local() == local && conn.connection.remote() == remote;
        self.conns.iter().rposition(ours)
    }

    /// Begins a connection.
    pub fn connect(&mut self, config: Arc<TcpConfig>, dscp: u8) -> usize {
        self.use_new_port(true);
        let (isn, stamp) = self.numbers();
        let (local, remote) = self.tuple;
        let connection = Connection::connect(self.instant(), config, local, remote, isn, stamp);
        self.add(connection, isn, None, dscp)
    }

    fn add(&mut self, connection: Connection, isn: Seq, listener: Option<i32>, dscp: u8) -> usize {
        let mut connection = connection;
        connection.set_local_drop(self.settings.drop_all);
        self.conns.push(Conn {
            connection,
            isn,
            script_isn: 0,
            stamps: BTreeMap::new(),
            first_stamp: None,
            listener,
            error_taken: false,
            dscp,
            ready: false,
            backlog: 0,
        });
        self.flush(self.conns.len() - 1);
        self.conns.len() - 1
    }

    /// Initial sequence number and timestamp offset of the next connection.
    fn numbers(&self) -> (Seq, u32) {
        let n = self.conns.len() as u32;
        (Seq(0x5EED_0000u32.wrapping_add(n.wrapping_mul(0x0101_0101))), 0x0010_0000 + n * 77_777)
    }

    /// A segment arrives.
    pub fn inject(&mut self, segment: &TcpSegment, ecn: Ecn) {
        let now = self.instant();
        if let Some(at) = self.current() {
            let conn = &mut self.conns[at];
            let gone = conn.connection.is_closed() || conn.connection.yields_to(segment);
            if !gone {
                self.conns[at].connection.handle_segment(now, segment, ecn);
                self.flush(at);
                return;
            }
        }
        let listener = self.sockets.iter().find(|(_, socket)| matches!(socket.kind, Kind::Listening { .. }));
        let Some((&fd, socket)) = listener else { return self.refuse(segment) };
        let Kind::Listening { backlog } = socket.kind else { return };
        let flags = segment.flags;
        if flags.ack() && !flags.rst() {
            return self.refuse(segment);
        }
        let full = self.accept_queue(fd).count() > backlog;
        if flags.rst() || !flags.syn() || flags.fin() || full {
            return;
        }
        let (config, dscp) = (socket.config(&self.settings), socket.dscp());
        let (isn, stamp) = self.numbers();
        let (local, remote) = self.tuple;
        let connection = Connection::accept(now, config, local, remote, segment, ecn, isn, stamp);
        self.add(connection, isn, Some(fd), dscp);
    }

    fn refuse(&mut self, segment: &TcpSegment) {
        if let Some(segment) = reset_for(segment) {
            let conn = self.current();
            self.leave(Sent { at: self.now, segment, ecn: Ecn::NotCapable, dscp: 0, conn });
        }
    }

    /// An ICMP message about the current connection arrives.
    pub fn unreachable(&mut self, kind: Unreachable) {
        let now = self.instant();
        if let Some(at) = self.current() {
            self.conns[at].connection.handle_unreachable(now, kind);
            self.flush(at);
        }
    }

    /// Connections that wait in a listener, oldest first.
    pub fn accept_queue(&self, fd: i32) -> impl Iterator<Item = usize> + '_ {
        self.conns
            .iter()
            .enumerate()
            .filter_map(move |(at, conn)| (conn.listener == Some(fd) && conn.ready).then_some(at))
    }

    /// Sends what a connection has to send now.
    pub fn flush(&mut self, at: usize) {
        let now = self.instant();
        for _ in 0..MAX_BURST {
            let conn = &mut self.conns[at];
            conn.ready |= conn.connection.state().is_synchronized();
            if conn.backlog > 0 {
                let payload = tidewire_wire::Payload::Zeros(conn.backlog.min(u64::from(u32::MAX)) as u32);
                conn.backlog -= conn.connection.send(now, payload) as u64;
            }
            let Some(transmit) = conn.connection.poll_transmit(now) else { return };
            let sent = Sent {
                at: self.now,
                segment: transmit.segment,
                ecn: transmit.ecn,
                dscp: conn.dscp,
                conn: Some(at),
            };
            self.leave(sent);
        }
        self.runaway = true;
    }

    fn leave(&mut self, sent: Sent) {
        if !self.settings.drop_all {
            self.out.push_back(sent);
        }
    }

    /// When a timer expires next, in microseconds.
    pub fn next_timeout(&self) -> Option<i64> {
        let next = self.conns.iter().map(|conn| conn.connection.next_timeout()).min()?;
        if next == Instant::MAX {
            return None;
        }
        let since = next.since(Instant::from_ps(START.as_ps()));
        Some(((since.as_ps().div_ceil(1_000_000)) as i64).max(self.now))
    }

    /// Goes to `now`, and lets the timers that are due expire.
    pub fn expire(&mut self, now: i64) {
        self.now = self.now.max(now);
        let instant = self.instant();
        for at in 0..self.conns.len() {
            if self.conns[at].connection.next_timeout() <= instant {
                self.conns[at].connection.handle_timeout(instant);
                self.flush(at);
                // A timer that stays due would stop the clock.
                self.runaway |= self.conns[at].connection.next_timeout() < instant;
            }
        }
    }

    /// A setting has changed: sockets and connections follow.
    pub fn settings_changed(&mut self) {
        let fds: Vec<i32> = self.sockets.keys().copied().collect();
        for fd in fds {
            self.socket_changed(fd);
        }
        for at in 0..self.conns.len() {
            self.conns[at].connection.set_local_drop(self.settings.drop_all);
        }
    }

    /// An option of a socket has changed: its connection follows.
    pub fn socket_changed(&mut self, fd: i32) {
        let now = self.instant();
        let Some(socket) = self.sockets.get(&fd) else { return };
        let Kind::Connected { conn } = socket.kind else { return };
        let mut config = TcpConfig::clone(&socket.config(&self.settings));
        let current = self.conns[conn].connection.config();
        if socket.maxseg.is_none() {
            config.mss = current.mss;
        }
        self.conns[conn].dscp = socket.dscp();
        self.conns[conn].connection.reconfigure(now, Arc::new(config));
        self.flush(conn);
    }
}
