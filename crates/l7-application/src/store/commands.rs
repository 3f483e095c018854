//! What the commands do, as Redis documents them: <https://redis.io/docs/latest/commands/>.

use super::{Reply, Store};
use bytes::Bytes;
use tidewire_units::{Instant, Span};

impl Store {
    /// Executes a command; the words are its name and its arguments.
    pub fn execute(&mut self, now: Instant, words: &[Bytes]) -> Reply {
        self.counts.commands += 1;
        let Some((name, args)) = words.split_first() else { return error("ERR empty command") };
        let upper = name.to_ascii_uppercase();
        match (&upper[..], args) {
            (b"PING", []) => Reply::Simple("PONG".to_owned()),
            (b"PING" | b"ECHO", [text]) => Reply::Bulk(text.clone()),
            (b"GET", [key]) => self.get(now, key).map_or(Reply::Nil, Reply::Bulk),
            (b"MGET", [_, ..]) => Reply::Array(
                args.iter().map(|key| self.get(now, key).map_or(Reply::Nil, Reply::Bulk)).collect(),
            ),
            (b"SET", [key, value, options @ ..]) => self.command_set(now, key, value, options),
            (b"SETEX", [key, seconds, value]) => match span(seconds, 1_000_000_000_000) {
                Some(ttl) => self.stored(now, key, value, Some(ttl)),
                None => error("ERR invalid expire time in 'setex' command"),
            },
            (b"DEL", [_, ..]) => {
                let there = args.iter().filter(|key| self.expires(now, key).is_some()).count();
                args.iter().for_each(|key| {
                    self.remove(key);
                });
                Reply::Int(there as i64)
            }
            (b"EXISTS", [_, ..]) => {
                Reply::Int(args.iter().filter(|key| self.expires(now, key).is_some()).count() as i64)
            }
            (b"STRLEN", [key]) => Reply::Int(self.peek(now, key).map_or(0, |value| value.len() as i64)),
            (b"TTL", [key]) => self.ttl(now, key, 1_000_000_000_000),
            (b"PTTL", [key]) => self.ttl(now, key, 1_000_000_000),
            (b"EXPIRE", [key, time]) => self.command_expire(now, key, time, 1_000_000_000_000),
            (b"PEXPIRE", [key, time]) => self.command_expire(now, key, time, 1_000_000_000),
            (b"INCR", [key]) => self.add(now, key, 1),
            (b"DECR", [key]) => self.add(now, key, -1),
            (b"INCRBY", [key, by]) => match whole(by) {
                Some(by) => self.add(now, key, by),
                None => error("ERR value is not an integer or out of range"),
            },
            (b"DBSIZE", []) => Reply::Int(self.len() as i64),
            (b"FLUSHALL" | b"FLUSHDB", []) => {
                self.clear();
                ok()
            }
            (known, _) if COMMANDS.contains(&known) => {
                let name = String::from_utf8_lossy(name).to_lowercase();
                Reply::Error(format!("ERR wrong number of arguments for '{name}' command"))
            }
            _ => Reply::Error(format!("ERR unknown command '{}'", short(name))),
        }
    }

    /// `SET key value [NX | XX] [EX seconds | PX milliseconds]`.
    fn command_set(&mut self, now: Instant, key: &[u8], value: &Bytes, options: &[Bytes]) -> Reply {
        let (mut ttl, mut only) = (None, None);
        let mut rest = options.iter();
        while let Some(option) = rest.next() {
            match &option.to_ascii_uppercase()[..] {
                b"NX" => only = Some(false),
                b"XX" => only = Some(true),
                unit @ (b"EX" | b"PX") => {
                    let ps = if unit == b"EX" { 1_000_000_000_000 } else { 1_000_000_000 };
                    match rest.next().and_then(|text| span(text, ps)) {
                        Some(span) => ttl = Some(span),
                        None => return error("ERR invalid expire time in 'set' command"),
                    }
                }
                _ => return error("ERR syntax error"),
            }
        }
        if only.is_some_and(|there| there != self.expires(now, key).is_some()) {
            return Reply::Nil;
        }
        self.stored(now, key, value, ttl)
    }

    fn stored(&mut self, now: Instant, key: &[u8], value: &Bytes, ttl: Option<Span>) -> Reply {
        // A copy: what it was cut from would stay in memory with it.
        match self.set(now, key, Bytes::copy_from_slice(value), ttl) {
            true => ok(),
            false => error("OOM command not allowed when used memory > 'maxmemory'"),
        }
    }

    fn ttl(&self, now: Instant, key: &[u8], unit_ps: u64) -> Reply {
        Reply::Int(match self.expires(now, key) {
            None => -2,
            Some(Instant::MAX) => -1,
            Some(at) => at.since(now).as_ps().div_ceil(unit_ps) as i64,
        })
    }

    fn command_expire(&mut self, now: Instant, key: &[u8], time: &[u8], unit_ps: u64) -> Reply {
        match span(time, unit_ps) {
            Some(ttl) => Reply::Int(i64::from(self.expire(now, key, now + ttl))),
            None => error("ERR value is not an integer or out of range"),
        }
    }

    fn add(&mut self, now: Instant, key: &[u8], by: i64) -> Reply {
        let before = self.peek(now, key).map_or(Some(0), |value| whole(value));
        let Some(sum) = before.and_then(|before| before.checked_add(by)) else {
            return error("ERR value is not an integer or out of range");
        };
        let ttl = self.expires(now, key).filter(|at| *at < Instant::MAX).map(|at| at.since(now));
        match self.stored(now, key, &Bytes::from(sum.to_string()), ttl) {
            Reply::Error(why) => Reply::Error(why),
            _ => Reply::Int(sum),
        }
    }
}

const COMMANDS: &[&[u8]] = &[
    b"PING",
    b"ECHO",
    b"GET",
    b"MGET",
    b"SET",
    b"SETEX",
    b"DEL",
    b"EXISTS",
    b"STRLEN",
    b"TTL",
    b"PTTL",
    b"EXPIRE",
    b"PEXPIRE",
    b"INCR",
    b"DECR",
    b"INCRBY",
    b"DBSIZE",
    b"FLUSHALL",
    b"FLUSHDB",
];

fn ok() -> Reply {
    Reply::Simple("OK".to_owned())
}

fn error(text: &str) -> Reply {
    Reply::Error(text.to_owned())
}

fn short(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()
}

fn whole(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A positive whole number of these units.
fn span(text: &[u8], unit_ps: u64) -> Option<Span> {
    let n = u64::try_from(whole(text)?).ok().filter(|n| *n > 0)?;
    n.checked_mul(unit_ps).map(Span::from_ps)
}
