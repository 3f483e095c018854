//! Reading a script's text: blanks, comments, words, numbers and times, with the line for messages.

use std::fmt;

/// Why a script cannot be read or run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptError {
    /// Line, from 1.
    pub line: u32,
    /// What is not understood.
    pub what: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// The longest time a script may name: about four months.
const MAX_SECONDS: u64 = 10_000_000;

/// A position in the text of a script.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str, line: u32) -> Cursor<'a> {
        Cursor { text, at: 0, line }
    }

    pub fn line(&self) -> u32 {
        self.line
    }

    pub fn error<T>(&self, what: impl Into<String>) -> Result<T, ScriptError> {
        Err(ScriptError { line: self.line, what: what.into() })
    }

    /// What comes next, for messages.
    pub fn glimpse(&self) -> String {
        let rest: String = self.rest().chars().take_while(|c| *c != '\n').take(24).collect();
        if rest.is_empty() { "the end of the line".to_owned() } else { format!("`{}`", rest.trim()) }
    }

    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        self.line += u32::from(c == '\n');
        Some(c)
    }

    fn skip(&mut self, bytes: usize) {
        let skipped = &self.rest()[..bytes];
        self.line += skipped.matches('\n').count() as u32;
        self.at += bytes;
    }

    /// Skips white space and comments.
    pub fn blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.skip(rest.len() - trimmed.len());
            if trimmed.starts_with("//") || trimmed.starts_with('#') {
                self.skip(trimmed.find('\n').unwrap_or(trimmed.len()));
            } else if trimmed.starts_with("/*") {
                self.skip(trimmed.find("*/").map_or(trimmed.len(), |end| end + 2));
            } else {
                return;
            }
        }
    }

    pub fn at_end(&mut self) -> bool {
        self.blanks();
        self.rest().is_empty()
    }

    /// Takes `token` after blanks, if it comes next.
    pub fn eat(&mut self, token: &str) -> bool {
        self.blanks();
        self.eat_here(token)
    }

    /// Takes `token` if it comes next, without blanks before it.
    pub fn eat_here(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.skip(token.len());
        }
        found
    }

    pub fn expect(&mut self, token: &str) -> Result<(), ScriptError> {
        if self.eat(token) {
            Ok(())
        } else {
            self.error(format!("expected `{token}`, found {}", self.glimpse()))
        }
    }

    /// Takes the characters that satisfy `keep`.
    pub fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.skip(end);
        &rest[..end]
    }

    /// Takes everything up to `end`, and `end` itself.
    pub fn take_until(&mut self, end: &str) -> Result<&'a str, ScriptError> {
        let rest = self.rest();
        let Some(at) = rest.find(end) else { return self.error(format!("`{end}` is missing")) };
        self.skip(at + end.len());
        Ok(&rest[..at])
    }

    /// A name, after blanks; empty when something else comes.
    pub fn word(&mut self) -> &'a str {
        self.blanks();
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return "";
        }
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// A decimal, octal or hexadecimal integer, after blanks.
    pub fn integer(&mut self) -> Result<i64, ScriptError> {
        self.blanks();
        let negative = self.eat_here("-");
        let digits = self.take_while(|c| c.is_ascii_alphanumeric());
        let value = match digits.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        match value {
            Ok(value) => Ok(if negative { -value } else { value }),
            Err(_) => self.error(format!("`{digits}` is not a number")),
        }
    }

    /// An unsigned number of at most 32 bits, after blanks.
    pub fn u32(&mut self) -> Result<u32, ScriptError> {
        let value = self.integer()?;
        u32::try_from(value).or_else(|_| self.error(format!("{value} does not fit into 32 bits")))
    }

    /// Seconds with a fraction, in microseconds; `None` when no number comes.
    pub fn time(&mut self) -> Result<Option<i64>, ScriptError> {
        self.blanks();
        let whole = self.take_while(|c| c.is_ascii_digit());
        let mut fraction = "";
        if self.rest().starts_with('.') && !self.rest().starts_with("...") {
            self.bump();
            fraction = self.take_while(|c| c.is_ascii_digit());
            if whole.is_empty() && fraction.is_empty() {
                return self.error("expected a time");
            }
        } else if whole.is_empty() {
            return Ok(None);
        }
        let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
        if seconds > MAX_SECONDS {
            return self.error(format!("{whole} s is too long"));
        }
        let mut micros = 0;
        let mut digits = fraction.bytes().map(|digit| i64::from(digit - b'0'));
        for _ in 0..6 {
            micros = micros * 10 + digits.next().unwrap_or(0);
        }
        let round = digits.next().is_some_and(|digit| digit >= 5);
        Ok(Some(seconds as i64 * 1_000_000 + micros + i64::from(round)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<i64> {
        Cursor::new(text, 1).time().unwrap()
    }

    #[test]
    fn times_are_read_to_the_microsecond() {
        assert_eq!(time("0.2004567"), Some(200_457));
        assert_eq!(time(".1"), Some(100_000));
        assert_eq!(time("12"), Some(12_000_000));
        assert_eq!(time("x"), None);
    }

    #[test]
    fn an_ellipsis_ends_a_time() {
        let mut cursor = Cursor::new("0.1...0.2", 1);
        assert_eq!(cursor.time(), Ok(Some(100_000)));
        assert!(cursor.eat("..."));
        assert_eq!(cursor.time(), Ok(Some(200_000)));
    }

    #[test]
    fn comments_are_blanks_and_lines_are_counted() {
        let mut cursor = Cursor::new("// one\n/* two\nthree */ # four\nword", 1);
        assert_eq!(cursor.word(), "word");
        assert_eq!(cursor.line(), 4);
    }
}
