//! RESP2: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// Words of a command, or elements of a reply, at most.
const MOST_ELEMENTS: i64 = 65_536;
/// A word has at most 16 MiB here (Redis: 512 MB).
const LONGEST: i64 = 16 << 20;
/// A line with a length, a number or an error.
const LONGEST_LINE: usize = 64 << 10;
/// Arrays in arrays.
const DEEPEST: u8 = 8;

/// What a server answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// `+OK`.
    Simple(String),
    /// `-ERR unknown command`.
    Error(String),
    /// `:42`.
    Int(i64),
    /// Bytes with a length.
    Bulk(Bytes),
    /// Nothing there.
    Nil,
    /// Several.
    Array(Vec<Reply>),
}

/// Bytes that are no message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RespError(pub &'static str);

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for RespError {}

/// The next command, if it is there wholly: an array of words, or a line with words between spaces.
pub fn read_command(input: &mut BytesMut) -> Result<Option<Vec<Bytes>>, RespError> {
    loop {
        let mut at = Cursor { bytes: input, at: 0 };
        let words = match at.command()? {
            None => return Ok(None),
            Some(words) => words,
        };
        let used = at.at;
        let whole = input.split_to(used).freeze();
        if words.is_empty() {
            continue;
        }
        return Ok(Some(words.into_iter().map(|(from, to)| whole.slice(from..to)).collect()));
    }
}

/// The next reply, if it is there wholly.
pub fn read_reply(input: &mut BytesMut) -> Result<Option<Reply>, RespError> {
    let mut at = Cursor { bytes: input, at: 0 };
    let Some(reply) = at.reply(0)? else { return Ok(None) };
    let used = at.at;
    input.advance(used);
    Ok(Some(reply))
}

/// Appends a command.
pub fn write_command<'a>(words: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut BytesMut) {
    line(out, b'*', &words.len().to_string());
    words.for_each(|word| bulk(out, word));
}

impl Reply {
    /// Appends the reply.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Reply::Simple(text) => line(out, b'+', text),
            Reply::Error(text) => line(out, b'-', text),
            Reply::Int(n) => line(out, b':', &n.to_string()),
            Reply::Bulk(bytes) => bulk(out, bytes),
            Reply::Nil => out.extend_from_slice(b"$-1\r\n"),
            Reply::Array(all) => {
                line(out, b'*', &all.len().to_string());
                all.iter().for_each(|each| each.write(out));
            }
        }
    }
}

fn line(out: &mut BytesMut, kind: u8, text: &str) {
    out.extend_from_slice(&[kind]);
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut BytesMut, bytes: &[u8]) {
    line(out, b'$', &bytes.len().to_string());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A line without its end.
    fn line(&mut self) -> Result<Option<&'a [u8]>, RespError> {
        let rest = &self.bytes[self.at..];
        let within = &rest[..rest.len().min(LONGEST_LINE)];
        match within.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                self.at += end + 1;
                let line = &rest[..end];
                Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
            }
            None if rest.len() >= LONGEST_LINE => Err(RespError("too big inline request")),
            None => Ok(None),
        }
    }

    /// Bytes of a length that has been read, with the line end after them: where they are.
    fn bulk(&mut self, length: i64) -> Result<Option<(usize, usize)>, RespError> {
        if !(0..=LONGEST).contains(&length) {
            return Err(RespError("invalid bulk length"));
        }
        let (from, to) = (self.at, self.at + length as usize);
        if self.bytes.len() < to + 2 {
            return Ok(None);
        }
        if &self.bytes[to..to + 2] != b"\r\n" {
            return Err(RespError("no line end after a bulk string"));
        }
        self.at = to + 2;
        Ok(Some((from, to)))
    }

    fn command(&mut self) -> Result<Option<Vec<(usize, usize)>>, RespError> {
        let begin = self.at;
        let Some(first) = self.line()? else { return Ok(None) };
        let Some(count) = first.strip_prefix(b"*") else {
            return Ok(Some(inline(first, begin)));
        };
        let count = number(count).ok_or(RespError("invalid multibulk length"))?;
        if count > MOST_ELEMENTS {
            return Err(RespError("invalid multibulk length"));
        }
        let mut words = Vec::new();
        for _ in 0..count.max(0) {
            let Some(line) = self.line()? else { return Ok(None) };
            let length = line.strip_prefix(b"$").ok_or(RespError("expected '$'"))?;
            let length = number(length).ok_or(RespError("invalid bulk length"))?;
            let Some(word) = self.bulk(length)? else { return Ok(None) };
            words.push(word);
        }
        Ok(Some(words))
    }

    fn reply(&mut self, depth: u8) -> Result<Option<Reply>, RespError> {
        let Some(line) = self.line()? else { return Ok(None) };
        let Some((kind, rest)) = line.split_first() else { return Err(RespError("an empty line")) };
        let text = || String::from_utf8_lossy(rest).into_owned();
        let count = || number(rest).ok_or(RespError("not a number"));
        Ok(Some(match kind {
            b'+' => Reply::Simple(text()),
            b'-' => Reply::Error(text()),
            b':' => Reply::Int(count()?),
            b'$' | b'*' if rest == b"-1" => Reply::Nil,
            b'$' => match self.bulk(count()?)? {
                Some((from, to)) => Reply::Bulk(Bytes::copy_from_slice(&self.bytes[from..to])),
                None => return Ok(None),
            },
            b'*' => {
                let n = count()?;
                if !(0..=MOST_ELEMENTS).contains(&n) || depth >= DEEPEST {
                    return Err(RespError("invalid multibulk length"));
                }
                let mut all = Vec::new();
                for _ in 0..n {
                    match self.reply(depth + 1)? {
                        Some(each) => all.push(each),
                        None => return Ok(None),
                    }
                }
                Reply::Array(all)
            }
            _ => return Err(RespError("an unknown kind of reply")),
        }))
    }
}

/// The words of a line, as places in the whole input.
fn inline(line: &[u8], begin: usize) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut from = None;
    for (i, byte) in line.iter().chain(b" ").enumerate() {
        match (byte, from) {
            (b' ' | b'\t', Some(start)) => {
                words.push((begin + start, begin + i));
                from = None;
            }
            (b' ' | b'\t', None) => {}
            (_, None) => from = Some(i),
            _ => {}
        }
    }
    words
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
