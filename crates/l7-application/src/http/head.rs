//! Heads of messages, as values and as text (RFC 9112, sections 2 to 5).

use std::fmt;

/// The first line of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// `GET /path HTTP/1.1`.
    Request {
        /// `GET`.
        method: String,
        /// Path and query, or what else is asked for.
        target: String,
    },
    /// `HTTP/1.1 200 OK`.
    Response {
        /// 200.
        status: u16,
        /// `OK`.
        reason: String,
    },
}

/// First line and header fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The first line.
    pub start: Start,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor: u8,
    /// Names as they were sent, and values; in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Bytes of the head, the empty line included.
    pub size: usize,
}

impl Head {
    /// The values of a field, in order; names are compared without case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| &value[..])
    }

    /// Whether a field that is a list of words has this one.
    pub fn says(&self, name: &str, word: &str) -> bool {
        let is = |part: &[u8]| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes());
        self.all(name).any(|value| value.split(|byte| *byte == b',').any(is))
    }

    /// Whether the connection stays open after this message (RFC 9112, section 9.3).
    pub fn keeps_open(&self) -> bool {
        match self.minor {
            0 => self.says("connection", "keep-alive"),
            _ => !self.says("connection", "close"),
        }
    }
}

/// A name or value that a header field cannot have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadHeader(pub String);

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadHeader {}

/// The text of a head: its first line without its end, then the fields.
///
/// # Errors
/// When a name is no token, or a line would break a value.
pub fn head_text(start: &str, headers: &[(&str, &[u8])]) -> Result<Vec<u8>, BadHeader> {
    let breaks = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    if breaks(start.as_bytes()) {
        return Err(BadHeader(format!("'{}' has a line break in it", start.escape_default())));
    }
    let mut out = Vec::with_capacity(
        start.len() + 4 + headers.iter().map(|(a, b)| a.len() + b.len() + 4).sum::<usize>(),
    );
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(BadHeader(format!("'{}' cannot be the name of a header", name.escape_default())));
        }
        if breaks(value) {
            return Err(BadHeader(format!("the value of the header '{name}' has a line break in it")));
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// Characters of names and methods (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_lines_and_an_empty_one() {
        let text = head_text("GET / HTTP/1.1", &[("Host", b"a"), ("X-Empty", b"")]).unwrap();
        assert_eq!(text, b"GET / HTTP/1.1\r\nHost: a\r\nX-Empty: \r\n\r\n");
    }

    #[test]
    fn a_value_cannot_smuggle_a_line() {
        assert!(head_text("GET / HTTP/1.1", &[("X", b"a\r\nSet-Cookie: b")]).is_err());
        assert!(head_text("GET / HTTP/1.1", &[("X: y\r\nZ", b"a")]).is_err());
        assert!(head_text("GET /\r\nX: y HTTP/1.1", &[]).is_err());
    }
}
