//! Commands: <https://github.com/beanstalkd/beanstalkd/blob/master/doc/protocol.txt>. Times are seconds, and may have a fraction here.

use bytes::{Bytes, BytesMut};
use tidewire_units::Span;

/// A task has at most so many bytes (`-z`).
const LARGEST: usize = 65_535;
/// A command line has at most so many bytes.
const LONGEST_LINE: usize = 224;

/// What a client says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A new task.
    Put {
        /// The smallest goes first.
        priority: u32,
        /// How long it is not ready.
        delay: Span,
        /// How long a worker may take.
        time_to_run: Span,
        /// What is to be done.
        body: Bytes,
    },
    /// A worker wants a task; it waits for one at most so long.
    Reserve(Option<Span>),
    /// A task is done.
    Delete(u64),
    /// A task goes back.
    Release {
        /// Which.
        id: u64,
        /// The smallest goes first.
        priority: u32,
        /// How long it is not ready.
        delay: Span,
    },
    /// The worker needs more time.
    Touch(u64),
    /// Nobody is to get this task any more.
    Bury(u64),
    /// Counts.
    Stats,
    /// The connection ends.
    Quit,
}

/// Bytes that are no command: what is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No such command, or a bad argument.
    BadFormat,
    /// There is no such command.
    Unknown,
    /// The task is too long.
    TooBig,
    /// The task is not followed by a line end.
    NoLineEnd,
}

impl Fault {
    /// As it is sent.
    pub fn line(self) -> &'static str {
        match self {
            Fault::BadFormat => "BAD_FORMAT\r\n",
            Fault::Unknown => "UNKNOWN_COMMAND\r\n",
            Fault::TooBig => "JOB_TOO_BIG\r\n",
            Fault::NoLineEnd => "EXPECTED_CRLF\r\n",
        }
    }
}

/// The next command, if it is there wholly. After a fault the connection is of no more use: what follows may be part of a task.
pub fn read_command(input: &mut BytesMut) -> Result<Option<Command>, Fault> {
    let within = &input[..input.len().min(LONGEST_LINE)];
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return if input.len() >= LONGEST_LINE { Err(Fault::BadFormat) } else { Ok(None) };
    };
    let line = std::str::from_utf8(&input[..end]).map_err(|_| Fault::BadFormat)?;
    let words: Vec<&str> = line.trim_end_matches('\r').split(' ').collect();
    let (command, used) = match words[..] {
        ["put", priority, delay, ttr, size] => {
            let size: usize = size.parse().map_err(|_| Fault::BadFormat)?;
            if size > LARGEST {
                return Err(Fault::TooBig);
            }
            let (from, to) = (end + 1, end + 1 + size);
            let (priority, delay, time_to_run) = (whole(priority)?, span(delay)?, span(ttr)?);
            if input.len() < to + 2 {
                return Ok(None);
            }
            if &input[to..to + 2] != b"\r\n" {
                return Err(Fault::NoLineEnd);
            }
            let body = Bytes::copy_from_slice(&input[from..to]);
            (Command::Put { priority, delay, time_to_run, body }, to + 2)
        }
        ["reserve"] => (Command::Reserve(None), end + 1),
        ["reserve-with-timeout", timeout] => (Command::Reserve(Some(span(timeout)?)), end + 1),
        ["delete", id] => (Command::Delete(id.parse().map_err(|_| Fault::BadFormat)?), end + 1),
        ["release", id, priority, delay] => {
            let id = id.parse().map_err(|_| Fault::BadFormat)?;
            (Command::Release { id, priority: whole(priority)?, delay: span(delay)? }, end + 1)
        }
        ["touch", id] => (Command::Touch(id.parse().map_err(|_| Fault::BadFormat)?), end + 1),
        ["bury", id, _] => (Command::Bury(id.parse().map_err(|_| Fault::BadFormat)?), end + 1),
        ["stats"] => (Command::Stats, end + 1),
        ["quit"] => (Command::Quit, end + 1),
        ["put" | "reserve" | "delete" | "release" | "touch" | "bury" | "reserve-with-timeout", ..] => {
            return Err(Fault::BadFormat);
        }
        _ => return Err(Fault::Unknown),
    };
    let _ = input.split_to(used);
    Ok(Some(command))
}

fn whole(text: &str) -> Result<u32, Fault> {
    text.parse().map_err(|_| Fault::BadFormat)
}

/// Seconds, up to a thousand days.
fn span(text: &str) -> Result<Span, Fault> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = text.parse().map_err(|_| Fault::BadFormat)?;
    if plain && (0.0..=86_400e3).contains(&seconds) {
        Ok(Span::from_secs_f64(seconds))
    } else {
        Err(Fault::BadFormat)
    }
}
