//! Why a connection ended, and what ICMP said about it.

use std::fmt;

/// Why a connection was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TcpError {
    /// The peer answered the SYN with a reset.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// No answer in the time allowed.
    TimedOut,
    /// The peer closed and cannot take what was sent.
    BrokenPipe,
    /// ICMP: no route to the network or host.
    HostUnreachable,
    /// ICMP: the host does not know the protocol or port.
    PortUnreachable,
    /// Aborted on this side.
    Aborted,
}

impl fmt::Display for TcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TcpError::Refused => "refused",
            TcpError::Reset => "reset",
            TcpError::TimedOut => "timeout",
            TcpError::BrokenPipe => "broken pipe",
            TcpError::HostUnreachable => "unreachable",
            TcpError::PortUnreachable => "refused",
            TcpError::Aborted => "aborted",
        })
    }
}

impl std::error::Error for TcpError {}

/// An ICMP destination-unreachable message about a segment (RFC 5461, RFC 9293 section 3.9.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreachable {
    /// Codes 0, 1, 5-7, 9-13 and time exceeded: soft, remembered and reported if the connection fails.
    Host,
    /// Codes 2 and 3: hard while the connection is being opened, soft afterwards.
    Port,
    /// Code 4, the packet was too big; the next hop's MTU in bytes.
    FragmentationNeeded(u16),
}
