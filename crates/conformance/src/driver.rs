//! Runs a script's events in order against the host, in simulated time.

mod waiting;

use crate::assertion::{Outcome, Statement};
use crate::command::{self, Effect};
use crate::compare::{Checks, Expected, StampRule, inbound, seconds, show_segment, show_spec};
use crate::host::{Conn, Host, Sent};
use crate::report::{Report, Score, Verdict};
use crate::script::{Action, Event, IcmpSpec, OptionSpec, PacketSpec, Script, When};
use crate::settings::Settings;
use crate::{Options, tcpi};
use std::collections::VecDeque;
use tidewire_l4_transport::Unreachable;
use tidewire_wire::{Ecn, TcpFlags};
use waiting::Waiting;

/// Tolerance of times when neither script nor caller says anything, in microseconds.
const TOLERANCE_US: i64 = 4_000;
/// How far beyond an expected segment's time to look for what comes instead.
const LOOK_AHEAD_US: i64 = 130_000_000;
/// Timers that may expire in one run.
const MAX_TIMERS: u32 = 1_000_000;

/// Why a run ends early.
type Stop = Verdict;

struct Driver<'a> {
    host: Host,
    checks: Checks,
    tolerance: i64,
    strict: bool,
    tick_us: i64,
    psh: Score,
    waiting: Option<Waiting<'a>>,
    /// The script's own clock, which the events do not keep to the microsecond.
    nominal: i64,
    /// Time of the last event, and whether that was an inbound segment: then as scheduled.
    last_scheduled: i64,
    last_inbound: bool,
    /// When the last event was due, and its tolerance.
    last_due: (i64, i64),
    trace: VecDeque<String>,
    traced: usize,
    timers: u32,
    line: u32,
}

/// Runs `script`.
pub(crate) fn run(script: &Script, name: &str, options: &Options) -> Report {
    let mut driver = Driver {
        host: Host::new(Settings::new(options.profile)),
        checks: options.checks,
        tolerance: options.tolerance_us.unwrap_or(TOLERANCE_US),
        strict: false,
        tick_us: 0,
        psh: Score::default(),
        waiting: None,
        nominal: 0,
        last_scheduled: 0,
        last_inbound: false,
        last_due: (0, 0),
        trace: VecDeque::new(),
        traced: 0,
        timers: 0,
        line: 0,
    };
    let verdict = match driver.script(script, options) {
        Ok(()) => Verdict::Pass,
        Err(stop) => stop,
    };
    let left_over = match verdict {
        Verdict::Pass => driver.host.out.iter().map(|sent| driver.show(sent)).collect(),
        _ => Vec::new(),
    };
    driver.trace_sent();
    Report { name: name.to_owned(), verdict, psh: driver.psh, left_over, trace: driver.trace.into() }
}

impl<'a> Driver<'a> {
    fn script(&mut self, script: &'a Script, options: &Options) -> Result<(), Stop> {
        for option in &script.options {
            self.line = option.line;
            self.option(&option.name, &option.value, options)?;
        }
        for (line, text) in &script.setup {
            self.line = *line;
            self.command(text)?;
        }
        self.host.now = 0;
        for event in &script.events {
            self.line = event.line;
            self.event(event)?;
            if self.host.runaway {
                return Err(self.fail("an endpoint that waits".to_owned(), "it sends without end".to_owned()));
            }
        }
        self.finish_call()?;
        if let Some(sent) = self.host.out.iter().find(|sent| sent.at < self.last_scheduled) {
            let actual = self.show(sent);
            return Err(self.fail("no further segment before the last event".to_owned(), actual));
        }
        Ok(())
    }

    fn fail(&self, expected: String, actual: String) -> Stop {
        Verdict::Fail { line: self.line, expected, actual }
    }

    fn unsupported(&self, what: impl Into<String>) -> Stop {
        Verdict::Unsupported { line: self.line, what: what.into() }
    }

    fn option(&mut self, name: &str, value: &str, options: &Options) -> Result<(), Stop> {
        let number = value.parse::<i64>().ok().filter(|number| (0..=100_000_000).contains(number));
        let unknown = self.unsupported(format!("option --{name}={value}"));
        match name {
            "tolerance_usecs" => {
                let own = number.ok_or(unknown)?;
                if options.tolerance_us.is_none() {
                    self.tolerance = own;
                }
            }
            "ip_version" => match value {
                "ipv4" | "ipv4-mapped-ipv6" => {}
                "ipv6" => self.host.settings.headers = 60,
                _ => return Err(unknown),
            },
            "mtu" => {
                let mtu = number.and_then(|number| u16::try_from(number).ok()).ok_or(unknown)?;
                self.host.settings.mtu = mtu;
            }
            "tcp_ts_tick_usecs" => self.tick_us = number.ok_or(unknown)?,
            "strict_segments" => self.strict = !matches!(value, "false" | "0"),
            // What they say about the machinery of a real run has no counterpart in a simulated one.
            "mss" | "speed" | "non_fatal" | "dry_run" | "verbose" | "debug" | "bind_port"
            | "connect_port" | "local_ip" | "remote_ip" | "gateway_ip" | "netmask_ip" | "init_scripts"
            | "send_omit_free" => {}
            _ => return Err(unknown),
        }
        Ok(())
    }

    fn event(&mut self, event: &'a Event) -> Result<(), Stop> {
        let is_inbound = matches!(event.action, Action::Inbound(_) | Action::Icmp(_));
        let base = if is_inbound && self.last_inbound { self.last_scheduled } else { self.host.now };
        let (due, end) = match event.when {
            When::Any => (base, i64::MAX / 2),
            When::Absolute(at) => (at, at),
            When::Relative(after) => (base + after, base + after),
            When::AbsoluteRange(from, to) => (from, to),
            When::RelativeRange(from, to) => (base + from, base + to),
        };
        let absolute = matches!(event.when, When::Absolute(_) | When::AbsoluteRange(..));
        if absolute && due < self.nominal {
            return Err(self.unsupported(format!("time goes backward, to {}", seconds(due))));
        }
        self.nominal = match event.when {
            When::Relative(after) => self.nominal + after,
            _ => due,
        };
        let mut tolerance = self.tolerance.max((due - base).max(0) / 8);
        if due == self.last_due.0 {
            // Several events at one absolute time are late together.
            tolerance = tolerance.max(self.last_due.1);
        }
        self.last_due = (due, tolerance);
        match &event.action {
            Action::Outbound(spec) => self.outbound(event, spec, due, end, tolerance)?,
            Action::Inbound(spec) => {
                self.advance(due)?;
                self.inbound(spec)?;
            }
            Action::Icmp(spec) => {
                self.advance(due)?;
                self.icmp(spec)?;
            }
            Action::Command(text) => {
                self.advance(due)?;
                self.command(text)?;
                self.host.settings_changed();
            }
            Action::Code(statements) => {
                self.advance(due)?;
                self.code(statements)?;
            }
            Action::Call(spec) => {
                self.advance(due)?;
                self.finish_call()?;
                let until = match event.when {
                    When::Relative(_) => spec.until.map(|until| base + until),
                    _ => spec.until,
                };
                let took = until.map_or(0, |until| until - base);
                self.call(spec, until, tolerance.max(took / 8))?;
            }
        }
        self.check_waiting()?;
        self.last_scheduled = if is_inbound { due } else { self.host.now };
        self.last_inbound = is_inbound;
        Ok(())
    }

    /// Goes to `to`; timers that are due before it expire on the way.
    fn advance(&mut self, to: i64) -> Result<(), Stop> {
        while let Some(next) = self.next_event().filter(|next| *next < to) {
            self.expire(next)?;
        }
        self.host.now = self.host.now.max(to);
        Ok(())
    }

    fn expire(&mut self, at: i64) -> Result<(), Stop> {
        self.host.expire(at);
        self.timers += 1;
        if self.timers > MAX_TIMERS || self.host.runaway {
            return Err(
                self.fail("timers that come to an end".to_owned(), "they expire without end".to_owned())
            );
        }
        self.check_waiting()
    }

    fn inbound(&mut self, spec: &PacketSpec) -> Result<(), Stop> {
        if !crate::parse_packet::fits_one_packet(spec) {
            return Err(self.unsupported(format!("a packet of {} bytes", spec.len)));
        }
        let ecn = match spec.tos {
            Some(tos) => [Ecn::NotCapable, Ecn::Ect1, Ecn::Ect0, Ecn::Congestion][usize::from(tos & 3)],
            None => match spec.ecn {
                None | Some(crate::script::EcnSpec::NotCapable) => Ecn::NotCapable,
                Some(crate::script::EcnSpec::Ect1) => Ecn::Ect1,
                Some(crate::script::EcnSpec::Ect0 | crate::script::EcnSpec::Ect01) => Ecn::Ect0,
                Some(crate::script::EcnSpec::Congestion) => Ecn::Congestion,
            },
        };
        self.trace_sent();
        self.trace.push_back(format!("{} < {}", seconds(self.host.now), show_spec(spec)));
        let conn = self.host.current().map(|at| &self.host.conns[at]);
        let ports = (self.host.tuple.1.port, self.host.tuple.0.port);
        let segment = inbound(spec, conn, ports);
        self.host.inject(&segment, ecn);
        Ok(())
    }

    fn icmp(&mut self, spec: &IcmpSpec) -> Result<(), Stop> {
        let kind = match spec.code.as_str() {
            "net_unreachable"
            | "host_unreachable"
            | "source_route_failed"
            | "net_unknown"
            | "host_unknown"
            | "source_host_isolated"
            | "net_prohibited"
            | "host_prohibited"
            | "net_unreachable_for_tos"
            | "host_unreachable_for_tos" => Unreachable::Host,
            "protocol_unreachable" | "port_unreachable" => Unreachable::Port,
            "frag_needed" => Unreachable::FragmentationNeeded(spec.mtu.unwrap_or(0)),
            other => return Err(self.unsupported(format!("ICMP code `{other}`"))),
        };
        self.host.unreachable(kind);
        Ok(())
    }

    fn command(&mut self, text: &str) -> Result<(), Stop> {
        let effects = command::run(text, &mut self.host.settings).map_err(|what| self.unsupported(what))?;
        for effect in effects {
            if let Effect::Sleep(us) = effect {
                self.advance(self.host.now + us)?;
            }
        }
        Ok(())
    }

    fn code(&mut self, statements: &[Statement]) -> Result<(), Stop> {
        for statement in statements {
            self.line = statement.line;
            if let Some(name) = statement.names().into_iter().find(|name| !tcpi::is_known(name)) {
                return Err(self.unsupported(format!("field `{name}`")));
            }
        }
        if self.host.current().is_none() {
            return Err(
                self.fail("a connection to make assertions about".to_owned(), "there is none".to_owned())
            );
        }
        for statement in statements {
            self.line = statement.line;
            match statement.check(&|name| tcpi::lookup(&self.host, name)) {
                Outcome::Holds => {}
                Outcome::Fails(actual) => return Err(self.fail(statement.text.clone(), actual)),
                Outcome::Unknown(what) => return Err(self.unsupported(what)),
            }
        }
        Ok(())
    }

    /// Waits for the segments of `spec`, and compares them.
    fn outbound(
        &mut self,
        event: &Event,
        spec: &PacketSpec,
        due: i64,
        end: i64,
        tolerance: i64,
    ) -> Result<(), Stop> {
        let wanted = format!("{} > {}", show_when(event.when), show_spec(spec));
        let mut expected = Expected { spec, done: 0 };
        loop {
            let limit = end.saturating_add(tolerance);
            let Some(sent) = self.next_sent(limit.saturating_add(LOOK_AHEAD_US))? else {
                return Err(self.fail(wanted, "nothing was sent".to_owned()));
            };
            self.learn(spec, &sent);
            let conn = sent.conn.map(|at| &self.host.conns[at]);
            let drift = (sent.at - self.nominal).abs();
            let rule = StampRule { tick_us: self.tick_us, tolerance_us: self.tolerance + drift };
            let len = match expected.matches(&sent, conn, self.strict, rule) {
                Ok(len) => len,
                Err(what) => {
                    let actual = format!("{} ({what})", self.show(&sent));
                    return Err(self.fail(wanted, actual));
                }
            };
            if sent.at < due - tolerance || sent.at > limit {
                let early = if sent.at < due { "early" } else { "late" };
                let off = if sent.at < due { due - sent.at } else { sent.at - end };
                let actual = format!("{} ({} s {early})", self.show(&sent), seconds(off));
                return Err(self.fail(wanted, actual));
            }
            let psh = expected.psh_matches(&sent.segment);
            if self.checks.psh && !psh {
                return Err(self.fail(wanted, format!("{} (PSH)", self.show(&sent))));
            }
            if spec.len > 0 {
                self.psh.add(psh);
            }
            expected.done += len;
            if expected.done >= spec.len {
                return Ok(());
            }
        }
    }

    /// The next segment that leaves, until `limit`; the clock follows.
    fn next_sent(&mut self, limit: i64) -> Result<Option<Sent>, Stop> {
        loop {
            self.trace_sent();
            if let Some(sent) = self.host.out.pop_front() {
                self.traced -= 1;
                return Ok(Some(sent));
            }
            match self.next_event().filter(|next| *next <= limit) {
                Some(next) => self.expire(next)?,
                None => return Ok(None),
            }
        }
    }

    /// The script's names for our initial sequence number and for our timestamps.
    fn learn(&mut self, spec: &PacketSpec, sent: &Sent) {
        let Some(at) = sent.conn else { return };
        let conn: &mut Conn = &mut self.host.conns[at];
        let is_syn = |flags: u8| flags & TcpFlags::SYN.0 != 0;
        if is_syn(spec.flags) && sent.segment.flags.syn() {
            conn.script_isn = spec.seq;
        }
        let stamps = spec.options.iter().flatten().find_map(|option| match option {
            OptionSpec::Timestamps(value, _) => Some(*value),
            _ => None,
        });
        if let (Some(script), Some(stamps)) = (stamps, sent.segment.options.timestamps) {
            conn.stamps.insert(script, stamps.value);
            conn.first_stamp.get_or_insert((script, stamps.value));
        }
    }

    /// A sent segment with its time, in the script's numbers.
    fn show(&self, sent: &Sent) -> String {
        let ours = sent.offset(sent.conn.map(|at| &self.host.conns[at]));
        format!("{} > {}", seconds(sent.at), show_segment(&sent.segment, sent.ecn, ours, 0))
    }

    /// Writes down what was sent since the last time.
    fn trace_sent(&mut self) {
        let new: Vec<String> = self.host.out.iter().skip(self.traced).map(|sent| self.show(sent)).collect();
        self.traced = self.host.out.len();
        self.trace.extend(new);
    }
}

fn show_when(when: When) -> String {
    match when {
        When::Any => "*".to_owned(),
        When::Absolute(at) => seconds(at),
        When::Relative(after) => format!("+{}", seconds(after)),
        When::AbsoluteRange(from, to) => format!("{}~{}", seconds(from), seconds(to)),
        When::RelativeRange(from, to) => format!("+{}~+{}", seconds(from), seconds(to)),
    }
}
