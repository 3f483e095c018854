//! Why bytes are not a packet.

use crate::Cause;
use std::fmt;

/// What is wrong with received bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Malformed {
    /// They end before the header, or the length that the header promises, does.
    Truncated,
    /// The frame check sequence does not match.
    FrameCheck,
    /// An Internet checksum does not match.
    Checksum,
    /// The version field names another protocol.
    Version,
    /// A length field contradicts itself or its surroundings.
    Length,
    /// A TCP option has an impossible length.
    Option,
    /// A source address that no single interface can have.
    Address,
    /// Well formed, but of a kind that is not known here.
    Unsupported,
}

impl Malformed {
    /// The cause in the ledger under which such a packet ends.
    pub const fn cause(self) -> Cause {
        match self {
            Malformed::FrameCheck => Cause::Corrupted,
            Malformed::Checksum => Cause::Checksum,
            _ => Cause::Malformed,
        }
    }

    /// One or two words, for counters and messages.
    pub const fn label(self) -> &'static str {
        match self {
            Malformed::Truncated => "truncated",
            Malformed::FrameCheck => "frame check",
            Malformed::Checksum => "checksum",
            Malformed::Version => "version",
            Malformed::Length => "length",
            Malformed::Option => "option",
            Malformed::Address => "address",
            Malformed::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl std::error::Error for Malformed {}

/// The first `N` bytes and the rest.
pub(crate) fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), Malformed> {
    bytes.split_first_chunk::<N>().ok_or(Malformed::Truncated)
}
