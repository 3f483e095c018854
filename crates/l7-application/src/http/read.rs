//! Messages out of a stream of bytes (RFC 9112): heads by `httparse`, then bodies by length, in chunks, or until the end.

use super::head::{Head, Start};
use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// Which messages are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Requests, as a server does.
    Request,
    /// Responses; to a HEAD request they have no body, whatever their fields say.
    Response {
        /// The request was HEAD.
        to_head: bool,
    },
}

/// How large messages may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a head.
    pub head: usize,
    /// Bytes of a body.
    pub body: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head: 64 << 10, body: u64::MAX }
    }
}

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks that say their size.
    Chunked,
    /// Until the connection ends.
    UntilClose,
}

/// What a step of reading gave.
#[derive(Clone, PartialEq, Debug)]
pub enum Progress {
    /// More bytes are needed.
    More,
    /// The head.
    Head(Box<Head>),
    /// A piece of the body.
    Data(Bytes),
    /// The message is complete, with these trailers of a chunked body.
    Done(Vec<(String, Vec<u8>)>),
}

/// Why a stream is no message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MessageError {
    /// The head is no head.
    BadHead(&'static str),
    /// The head is longer than allowed.
    HeadTooLong,
    /// The body is longer than allowed.
    BodyTooLong,
    /// The fields do not say how long the body is, or say it twice.
    BadLength,
    /// The size of a chunk is none.
    BadChunk,
    /// The connection ended before the message did.
    Truncated,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MessageError::BadHead(why) => why,
            MessageError::HeadTooLong => "the head is too long",
            MessageError::BodyTooLong => "the body is too long",
            MessageError::BadLength => "the length of the body is not clear",
            MessageError::BadChunk => "a chunk has no size",
            MessageError::Truncated => "the connection ended before the message did",
        })
    }
}

impl std::error::Error for MessageError {}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Head,
    /// Bytes of the body, or of one chunk of it, are still to come.
    Data {
        left: u64,
        chunked: bool,
    },
    UntilClose,
    ChunkSize,
    /// The line end after a chunk's data.
    ChunkEnd,
    Trailers,
    Done,
}

/// Reads one message after the other.
#[derive(Clone, Debug)]
pub struct Reader {
    role: Role,
    limits: Limits,
    state: State,
    body: u64,
}

/// Most header fields of a message.
const MOST_HEADERS: usize = 128;
/// A line with the size of a chunk is no longer than this.
const LONGEST_LINE: usize = 4096;

impl Reader {
    /// A reader of messages of this role.
    pub fn new(role: Role, limits: Limits) -> Reader {
        Reader { role, limits, state: State::Head, body: 0 }
    }

    /// Bytes of the body that are still to come, where its length is known; none of it has to be read here.
    pub fn rest(&self) -> Option<u64> {
        match self.state {
            State::Data { left, chunked: false } => Some(left),
            _ => None,
        }
    }

    /// Goes on with what is in `input`, and takes what it used from there.
    pub fn read(&mut self, input: &mut BytesMut) -> Result<Progress, MessageError> {
        loop {
            match self.state {
                State::Head => return self.head(input),
                State::Data { left: 0, chunked: false } => self.state = State::Done,
                State::Data { left: 0, chunked: true } => self.state = State::ChunkEnd,
                State::Data { left, .. } => {
                    let n = (input.len() as u64).min(left) as usize;
                    return if n == 0 { Ok(Progress::More) } else { self.data(input.split_to(n).freeze()) };
                }
                State::UntilClose if input.is_empty() => return Ok(Progress::More),
                State::UntilClose => return self.data(input.split().freeze()),
                State::ChunkSize => {
                    let Some(line) = line(input)? else { return Ok(Progress::More) };
                    let left = chunk_size(&line).ok_or(MessageError::BadChunk)?;
                    self.state = match left {
                        0 => State::Trailers,
                        left => State::Data { left, chunked: true },
                    };
                }
                State::ChunkEnd => {
                    let Some(line) = line(input)? else { return Ok(Progress::More) };
                    if !line.is_empty() {
                        return Err(MessageError::BadChunk);
                    }
                    self.state = State::ChunkSize;
                }
                State::Trailers => return self.trailers(input),
                State::Done => {
                    self.state = State::Head;
                    self.body = 0;
                    return Ok(Progress::Done(Vec::new()));
                }
            }
        }
    }

    /// So many bytes of a body come next, whatever they are; none while a head or the size of a chunk is read.
    pub fn wants_data(&self) -> Option<u64> {
        match self.state {
            State::Data { left, .. } if left > 0 => Some(left),
            State::UntilClose => Some(u64::MAX),
            _ => None,
        }
    }

    /// Takes note of `n` bytes of a body that nobody looks at; at most [`Reader::wants_data`].
    pub fn skip(&mut self, n: u64) -> Result<(), MessageError> {
        if let State::Data { left, .. } = &mut self.state {
            *left -= n.min(*left);
        }
        self.count(n)
    }

    /// The connection has ended: whether that is the end of the message.
    pub fn end(&mut self) -> Result<Progress, MessageError> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Head;
                self.body = 0;
                Ok(Progress::Done(Vec::new()))
            }
            _ => Err(MessageError::Truncated),
        }
    }

    fn count(&mut self, n: u64) -> Result<(), MessageError> {
        self.body += n;
        if self.body > self.limits.body { Err(MessageError::BodyTooLong) } else { Ok(()) }
    }

    fn data(&mut self, data: Bytes) -> Result<Progress, MessageError> {
        self.skip(data.len() as u64)?;
        Ok(Progress::Data(data))
    }

    fn head(&mut self, input: &mut BytesMut) -> Result<Progress, MessageError> {
        if self.role == Role::Request {
            // RFC 9112, section 2.2: empty lines before a request are passed over.
            while input.starts_with(b"\r\n") {
                input.advance(2);
            }
        }
        let Some(head) = parse(self.role, input)? else {
            return if input.len() > self.limits.head {
                Err(MessageError::HeadTooLong)
            } else {
                Ok(Progress::More)
            };
        };
        if head.size > self.limits.head {
            return Err(MessageError::HeadTooLong);
        }
        input.advance(head.size);
        self.state = match framing(self.role, &head)? {
            Framing::None => State::Done,
            Framing::Length(left) if left > self.limits.body => return Err(MessageError::BodyTooLong),
            Framing::Length(left) => State::Data { left, chunked: false },
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        if matches!(head.start, Start::Response { status: 100..=199, .. }) {
            // RFC 9110, section 15.2: an interim response; the final one follows.
            self.state = State::Head;
        }
        Ok(Progress::Head(Box::new(head)))
    }

    fn trailers(&mut self, input: &mut BytesMut) -> Result<Progress, MessageError> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_HEADERS];
        match httparse::parse_headers(input, &mut fields) {
            Ok(httparse::Status::Complete((size, fields))) => {
                let fields = owned(fields);
                input.advance(size);
                self.state = State::Head;
                self.body = 0;
                Ok(Progress::Done(fields))
            }
            Ok(httparse::Status::Partial) if input.len() > self.limits.head => Err(MessageError::HeadTooLong),
            Ok(httparse::Status::Partial) => Ok(Progress::More),
            Err(_) => Err(MessageError::BadChunk),
        }
    }
}

fn owned(fields: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect()
}

fn parse(role: Role, input: &[u8]) -> Result<Option<Head>, MessageError> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let (size, start, minor, headers) = match role {
        Role::Request => {
            let mut request = httparse::Request::new(&mut fields);
            let httparse::Status::Complete(size) = request.parse(input).map_err(bad)? else {
                return Ok(None);
            };
            let start = Start::Request {
                method: request.method.unwrap_or_default().to_owned(),
                target: request.path.unwrap_or_default().to_owned(),
            };
            (size, start, request.version, owned(request.headers))
        }
        Role::Response { .. } => {
            let mut response = httparse::Response::new(&mut fields);
            // An alert or a handshake (RFC 8446, section 5.1).
            if matches!(input, [0x15 | 0x16, 3, ..]) {
                return Err(MessageError::BadHead("the server speaks TLS"));
            }
            let httparse::Status::Complete(size) = response.parse(input).map_err(bad)? else {
                return Ok(None);
            };
            let start = Start::Response {
                status: response.code.unwrap_or_default(),
                reason: response.reason.unwrap_or_default().to_owned(),
            };
            (size, start, response.version, owned(response.headers))
        }
    };
    Ok(Some(Head { start, minor: minor.unwrap_or(1), headers, size }))
}

fn bad(error: httparse::Error) -> MessageError {
    match error {
        httparse::Error::TooManyHeaders => MessageError::HeadTooLong,
        httparse::Error::Version => MessageError::BadHead("not a version of HTTP that is known here"),
        httparse::Error::Status => MessageError::BadHead("a status that is none"),
        httparse::Error::HeaderName | httparse::Error::HeaderValue => {
            MessageError::BadHead("a header that is none")
        }
        _ => MessageError::BadHead("not HTTP"),
    }
}

/// How the body of a message ends.
fn framing(role: Role, head: &Head) -> Result<Framing, MessageError> {
    if let (Role::Response { to_head }, Start::Response { status, .. }) = (role, &head.start)
        && (to_head || matches!(status, 100..=199 | 204 | 304))
    {
        return Ok(Framing::None);
    }
    let coded = head.all("transfer-encoding").next().is_some();
    if coded {
        // Both fields at once may hide a second request from somebody on the way (RFC 9112, section 6.3).
        if head.all("content-length").next().is_some() || !head.says("transfer-encoding", "chunked") {
            return Err(MessageError::BadLength);
        }
        return Ok(Framing::Chunked);
    }
    let mut lengths = head.all("content-length");
    let Some(first) = lengths.next() else {
        return Ok(if role == Role::Request { Framing::None } else { Framing::UntilClose });
    };
    if lengths.any(|other| other != first) {
        return Err(MessageError::BadLength);
    }
    let digits = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(first).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    length.map(Framing::Length).ok_or(MessageError::BadLength)
}

/// A line without its end, if it is there.
fn line(input: &mut BytesMut) -> Result<Option<BytesMut>, MessageError> {
    let Some(at) = input.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if input.len() >= LONGEST_LINE { Err(MessageError::BadChunk) } else { Ok(None) };
    };
    let mut line = input.split_to(at + 1);
    line.truncate(at);
    if line.last() == Some(&b'\r') {
        line.truncate(at - 1);
    }
    Ok(Some(line))
}

/// The size of a chunk; what follows a semicolon is passed over (RFC 9112, section 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let fits = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| fits)?, 16).ok()
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
