//! Colours and messages.

use crate::args::{Color, Globals};
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use tidewire_lab::{Line, Tone};

/// How to write to the two streams.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// Colours on stdout.
    pub out_color: bool,
    /// Colours on stderr.
    pub err_color: bool,
    /// stderr is a terminal that a progress bar can be drawn on.
    pub err_is_terminal: bool,
    /// Characters of a line of stdout.
    pub width: usize,
    /// Only errors.
    pub quiet: bool,
    /// Nothing but JSON on stdout.
    pub json: bool,
}

impl Term {
    pub fn new(globals: &Globals) -> Self {
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = env("TERM").is_some_and(|term| term == "dumb");
        let forced = env("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let color = |terminal: bool| match globals.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if env("NO_COLOR").is_some() => false,
            Color::Auto => forced || (terminal && !dumb),
        };
        Term {
            out_color: color(out),
            err_color: color(err),
            err_is_terminal: err && !dumb,
            width: if out { width_of_stdout().unwrap_or(100) } else { 120 },
            quiet: globals.quiet,
            json: globals.json,
        }
    }

    /// A line of the result: on stdout, or on stderr when that belongs to JSON.
    pub fn say(&self, line: &Line) {
        if self.json {
            self.write(&mut std::io::stderr().lock(), line, self.err_color);
        } else {
            lost(writeln!(std::io::stdout().lock(), "{}", painted(line, self.out_color)));
        }
    }

    /// The one JSON object, on stdout.
    pub fn json(&self, object: &serde_json::Value) {
        self.raw(&format!("{object}\n"));
    }

    /// Text on stdout as it is.
    pub fn raw(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        lost(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
    }

    /// A line of information on stderr, unless quiet.
    pub fn note(&self, tone: Tone, text: &str) {
        if !self.quiet {
            self.write(&mut std::io::stderr().lock(), &vec![(tone, text.to_owned())], self.err_color);
        }
    }

    /// An error or a warning on stderr: its kind in colour, then the message.
    pub fn complain(&self, kind: &str, message: &str) {
        let tone = if kind.starts_with("warning") { Tone::Strong } else { Tone::Bad };
        let mut lines = message.lines();
        let first =
            vec![(tone, kind.to_owned()), (Tone::Plain, format!(" {}", lines.next().unwrap_or_default()))];
        let mut stderr = std::io::stderr().lock();
        self.write(&mut stderr, &first, self.err_color);
        for line in lines {
            self.write(&mut stderr, &vec![(Tone::Plain, line.to_owned())], self.err_color);
        }
    }

    pub fn error(&self, message: &str) {
        self.complain("error:", message);
    }

    fn write(&self, stream: &mut dyn Write, line: &Line, color: bool) {
        // Nobody is left to be told.
        let _ = writeln!(stream, "{}", painted(line, color));
    }
}

/// Why standard output lost something.
static LOST: OnceLock<String> = OnceLock::new();

/// Remembers what could not be written. A closed pipe is no reason to fail: who reads has seen enough, and the results are in files.
fn lost(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error.to_string());
    }
}

/// Why standard output lost something, if it did.
pub fn output_lost() -> Option<&'static str> {
    lost(std::io::stdout().flush());
    LOST.get().map(String::as_str)
}

/// The line with its colours.
pub fn painted(line: &Line, color: bool) -> String {
    let code = |tone: Tone| match tone {
        Tone::Plain => "",
        Tone::Strong => "\x1b[1m",
        Tone::Faint => "\x1b[2m",
        Tone::Good => "\x1b[32m",
        Tone::Bad => "\x1b[1;31m",
    };
    line.iter()
        .map(|(tone, text)| match code(*tone) {
            code if color && !code.is_empty() => format!("{code}{text}\x1b[0m"),
            _ => text.clone(),
        })
        .collect()
}

#[cfg(unix)]
fn width_of_stdout() -> Option<usize> {
    // SAFETY: winsize is plain data that the kernel fills; the descriptor is stdout's own.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) == 0).then_some(size)?
    };
    (size.ws_col >= 20).then(|| usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn width_of_stdout() -> Option<usize> {
    None
}

/// Seconds as `0:38` or `1:02:03`.
pub fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

/// A short time for reading: `58 s`, `0.8 s`, `12 ms`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 120.0 => format!("{} min", clock(s)),
        s if s >= 9.95 => format!("{s:.0} s"),
        s if s >= 0.1 => format!("{s:.1} s"),
        s => format!("{:.0} ms", s * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_appear_only_where_allowed() {
        let line = vec![(Tone::Bad, "error:".to_owned()), (Tone::Plain, " no".to_owned())];
        assert_eq!(painted(&line, false), "error: no");
        assert_eq!(painted(&line, true), "\x1b[1;31merror:\x1b[0m no");
    }

    #[test]
    fn times_are_short() {
        assert_eq!([38.2, 3723.0].map(clock), ["0:38", "1:02:03"]);
        assert_eq!([0.0123, 0.82, 58.2, 200.0].map(duration), ["12 ms", "0.8 s", "58 s", "3:20 min"]);
    }
}
