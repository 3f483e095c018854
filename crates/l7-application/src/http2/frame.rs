//! Frames (RFC 9113, section 4): a head of nine bytes, and what may stand behind it.

use std::fmt;

/// What a client says first (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a frame is for (section 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names of the RFC")]
pub enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    Goaway,
    WindowUpdate,
    Continuation,
    /// To be passed over (section 5.5).
    Unknown(u8),
}

/// Why a connection or a stream is given up (section 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names of the RFC")]
pub enum ErrorCode {
    ProtocolError,
    FlowControlError,
    StreamClosed,
    FrameSizeError,
    RefusedStream,
    Cancel,
    CompressionError,
    EnhanceYourCalm,
}

impl ErrorCode {
    /// Its number on the wire.
    pub fn number(self) -> u32 {
        match self {
            ErrorCode::ProtocolError => 1,
            ErrorCode::FlowControlError => 3,
            ErrorCode::StreamClosed => 5,
            ErrorCode::FrameSizeError => 6,
            ErrorCode::RefusedStream => 7,
            ErrorCode::Cancel => 8,
            ErrorCode::CompressionError => 9,
            ErrorCode::EnhanceYourCalm => 11,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorCode::ProtocolError => "protocol error",
            ErrorCode::FlowControlError => "flow control error",
            ErrorCode::StreamClosed => "stream closed",
            ErrorCode::FrameSizeError => "frame size error",
            ErrorCode::RefusedStream => "refused stream",
            ErrorCode::Cancel => "cancel",
            ErrorCode::CompressionError => "compression error",
            ErrorCode::EnhanceYourCalm => "enhance your calm",
        })
    }
}

impl Kind {
    const KNOWN: [Kind; 10] = [
        Kind::Data,
        Kind::Headers,
        Kind::Priority,
        Kind::RstStream,
        Kind::Settings,
        Kind::PushPromise,
        Kind::Ping,
        Kind::Goaway,
        Kind::WindowUpdate,
        Kind::Continuation,
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Kind {
        Kind::KNOWN.get(usize::from(number)).copied().unwrap_or(Kind::Unknown(number))
    }

    /// Its number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Kind::Unknown(number) => number,
            known => Kind::KNOWN.iter().position(|kind| *kind == known).unwrap_or_default() as u8,
        }
    }

    /// As in the RFC's headings.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Data => "DATA",
            Kind::Headers => "HEADERS",
            Kind::Priority => "PRIORITY",
            Kind::RstStream => "RST_STREAM",
            Kind::Settings => "SETTINGS",
            Kind::PushPromise => "PUSH_PROMISE",
            Kind::Ping => "PING",
            Kind::Goaway => "GOAWAY",
            Kind::WindowUpdate => "WINDOW_UPDATE",
            Kind::Continuation => "CONTINUATION",
            Kind::Unknown(_) => "UNKNOWN",
        }
    }
}

/// The nine bytes before each frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHead {
    /// Bytes that follow.
    pub length: u32,
    /// What it is for.
    pub kind: Kind,
    /// What they mean depends on the kind.
    pub flags: u8,
    /// The stream, or 0 for the connection.
    pub stream: u32,
}

/// The end of what one side says on a stream; of SETTINGS and PING an acknowledgment.
const END_STREAM_OR_ACK: u8 = 1;
const PADDED: u8 = 8;

impl FrameHead {
    /// Bytes of a head.
    pub const SIZE: usize = 9;

    /// As it is sent.
    pub fn emit(&self) -> [u8; FrameHead::SIZE] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [d, e, f, g] = (self.stream & 0x7fff_ffff).to_be_bytes();
        [a, b, c, self.kind.number(), self.flags, d, e, f, g]
    }

    /// Reads a head and checks what can be checked: sizes, and on which streams such frames may come.
    ///
    /// # Errors
    /// The error that ends the connection. `most` is the largest frame that was allowed to the other side.
    pub fn parse(bytes: [u8; FrameHead::SIZE], most: u32) -> Result<FrameHead, ErrorCode> {
        let [a, b, c, kind, flags, d, e, f, g] = bytes;
        let head = FrameHead {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: Kind::from_number(kind),
            flags,
            stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff,
        };
        if head.length > most {
            return Err(ErrorCode::FrameSizeError);
        }
        let fits = match head.kind {
            Kind::Priority => head.length == 5,
            Kind::RstStream | Kind::WindowUpdate => head.length == 4,
            Kind::Ping => head.length == 8,
            Kind::Goaway => head.length >= 8,
            Kind::Settings => {
                head.length.is_multiple_of(6) && (head.flags & END_STREAM_OR_ACK == 0 || head.length == 0)
            }
            Kind::Data | Kind::Headers => head.flags & PADDED == 0 || head.length >= 1,
            _ => true,
        };
        if !fits {
            return Err(ErrorCode::FrameSizeError);
        }
        let of_connection = matches!(head.kind, Kind::Settings | Kind::Ping | Kind::Goaway);
        let of_either = matches!(head.kind, Kind::WindowUpdate | Kind::Unknown(_));
        if !of_either && of_connection != (head.stream == 0) {
            return Err(ErrorCode::ProtocolError);
        }
        Ok(head)
    }
}

/// The step of a WINDOW_UPDATE (section 6.9).
///
/// # Errors
/// A step of nothing.
pub fn window_increment(payload: [u8; 4]) -> Result<u32, ErrorCode> {
    let step = u32::from_be_bytes(payload) & 0x7fff_ffff;
    if step == 0 { Err(ErrorCode::ProtocolError) } else { Ok(step) }
}

/// What one side asks of the other (section 6.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Bytes of the decoder's table.
    pub header_table_size: u32,
    /// Whether pushed answers are welcome.
    pub enable_push: bool,
    /// Streams at a time.
    pub max_concurrent_streams: u32,
    /// Bytes that may be sent on a new stream.
    pub initial_window_size: u32,
    /// Bytes of the largest frame.
    pub max_frame_size: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            header_table_size: 4096,
            enable_push: true,
            max_concurrent_streams: u32::MAX,
            initial_window_size: 65_535,
            max_frame_size: 16_384,
        }
    }
}

impl Settings {
    /// The payload of a SETTINGS frame with what is not as usual.
    pub fn emit(&self) -> Vec<u8> {
        let usual = Settings::default();
        let mut out = Vec::new();
        let mut put = |id: u16, value: u32, usual: u32| {
            if value != usual {
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&value.to_be_bytes());
            }
        };
        put(1, self.header_table_size, usual.header_table_size);
        put(2, u32::from(self.enable_push), u32::from(usual.enable_push));
        put(3, self.max_concurrent_streams, usual.max_concurrent_streams);
        put(4, self.initial_window_size, usual.initial_window_size);
        put(5, self.max_frame_size, usual.max_frame_size);
        out
    }

    /// Changes what a SETTINGS frame says; unknown settings are passed over.
    ///
    /// # Errors
    /// A value that cannot be.
    pub fn apply(&mut self, payload: &[u8]) -> Result<(), ErrorCode> {
        for entry in payload.chunks_exact(6) {
            let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
            match u16::from_be_bytes([entry[0], entry[1]]) {
                1 => self.header_table_size = value,
                2 if value > 1 => return Err(ErrorCode::ProtocolError),
                2 => self.enable_push = value == 1,
                3 => self.max_concurrent_streams = value,
                4 if value > 0x7fff_ffff => return Err(ErrorCode::FlowControlError),
                4 => self.initial_window_size = value,
                5 if !(16_384..=16_777_215).contains(&value) => return Err(ErrorCode::ProtocolError),
                5 => self.max_frame_size = value,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(kind: Kind, flags: u8, length: u32, stream: u32) -> Result<FrameHead, ErrorCode> {
        FrameHead::parse(FrameHead { length, kind, flags, stream }.emit(), 16_384)
    }

    #[test]
    fn frames_of_the_wrong_size_or_stream_end_the_connection() {
        assert!(head(Kind::Data, 1, 100, 1).is_ok());
        assert_eq!(head(Kind::Data, 0, 16_385, 1), Err(ErrorCode::FrameSizeError));
        assert_eq!(head(Kind::Ping, 0, 7, 0), Err(ErrorCode::FrameSizeError));
        assert_eq!(head(Kind::Settings, 0, 7, 0), Err(ErrorCode::FrameSizeError));
        assert_eq!(head(Kind::Settings, 1, 6, 0), Err(ErrorCode::FrameSizeError));
        assert_eq!(head(Kind::Data, 0, 5, 0), Err(ErrorCode::ProtocolError));
        assert_eq!(head(Kind::Settings, 0, 0, 3), Err(ErrorCode::ProtocolError));
        assert!(head(Kind::Unknown(0xfe), 9, 3, 0).is_ok() && head(Kind::WindowUpdate, 0, 4, 5).is_ok());
        assert_eq!(window_increment([0; 4]), Err(ErrorCode::ProtocolError));
        assert_eq!(window_increment([0x80, 0, 0, 5]), Ok(5));
    }

    proptest! {
        #[test]
        fn heads_come_back_as_they_went(length in 0u32..16_384, kind: u8, flags: u8, stream in 0u32..1 << 31) {
            let sent = FrameHead { length, kind: Kind::from_number(kind), flags, stream };
            if let Ok(read) = FrameHead::parse(sent.emit(), 16_384) {
                prop_assert_eq!(read, sent);
            }
        }

        #[test]
        fn settings_come_back_as_they_went(table: u32, push: bool, streams: u32, window in 0u32..1 << 31, frame in 16_384u32..=16_777_215) {
            let sent = Settings {
                header_table_size: table, enable_push: push, max_concurrent_streams: streams,
                initial_window_size: window, max_frame_size: frame,
            };
            let mut read = Settings::default();
            read.apply(&sent.emit()).unwrap();
            prop_assert_eq!(read, sent);
        }

        #[test]
        fn any_bytes_are_settings_or_an_error(payload: Vec<u8>, head: [u8; 9]) {
            let _ = Settings::default().apply(&payload);
            let _ = FrameHead::parse(head, 16_384);
        }
    }
}
