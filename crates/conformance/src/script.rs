//! What a script says, once it is read.

use crate::assertion::Statement;

/// A whole script.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Script {
    /// `--name=value` lines.
    pub options: Vec<Setting>,
    /// Commands before the first event, with their lines.
    pub setup: Vec<(u32, String)>,
    /// What happens, in order.
    pub events: Vec<Event>,
}

/// An option line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Line, from 1.
    pub line: u32,
    /// Name without dashes.
    pub name: String,
    /// Value; empty without `=`.
    pub value: String,
}

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Line, from 1.
    pub line: u32,
    /// When it is due.
    pub when: When,
    /// What happens.
    pub action: Action,
}

/// When an event is due, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// `*`
    Any,
    /// `0.1`: since the beginning.
    Absolute(i64),
    /// `+0.1`: since the previous event.
    Relative(i64),
    /// `0.1~0.2`
    AbsoluteRange(i64, i64),
    /// `+0.1~+0.2`
    RelativeRange(i64, i64),
}

/// What an event does.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// A segment arrives.
    Inbound(PacketSpec),
    /// A segment is expected.
    Outbound(PacketSpec),
    /// An ICMP message arrives.
    Icmp(IcmpSpec),
    /// A system call.
    Call(CallSpec),
    /// A shell command.
    Command(String),
    /// Assertions about the state of the connection.
    Code(Vec<Statement>),
}

/// A segment as the script writes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PacketSpec {
    /// The ECN field, if the script names it.
    pub ecn: Option<EcnSpec>,
    /// The whole type-of-service byte, if the script names it.
    pub tos: Option<u8>,
    /// TCP flags in the header's order of bits.
    pub flags: u8,
    /// First sequence number.
    pub seq: u32,
    /// Bytes of data.
    pub len: u32,
    /// Acknowledgment number.
    pub ack: Option<u32>,
    /// Window field, unscaled.
    pub window: Option<u16>,
    /// Options; `None` for `<...>`.
    pub options: Option<Vec<OptionSpec>>,
}

/// The ECN field as the script writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EcnSpec {
    /// `noecn`
    NotCapable,
    /// `ect0`
    Ect0,
    /// `ect1`
    Ect1,
    /// `ect01`: either.
    Ect01,
    /// `ce`
    Congestion,
}

/// A TCP option as the script writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OptionSpec {
    /// `eol`
    Eol,
    /// `nop`
    Nop,
    /// `mss N`
    Mss(u16),
    /// `wscale N`
    WindowScale(u8),
    /// `sackOK`
    SackPermitted,
    /// `TS val N ecr N`
    Timestamps(u32, u32),
    /// `sack a:b c:d`
    Sack(Vec<(u32, u32)>),
}

/// An ICMP message about a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IcmpSpec {
    /// `frag_needed`, `host_unreachable`...
    pub code: String,
    /// Next-hop MTU.
    pub mtu: Option<u16>,
}

/// A system call.
#[derive(Clone, PartialEq, Debug)]
pub struct CallSpec {
    /// When a blocking call returns.
    pub until: Option<i64>,
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// What it returns.
    pub result: Arg,
    /// The error that it sets.
    pub errno: Option<String>,
}

/// An argument of a system call.
#[derive(Clone, PartialEq, Debug)]
pub enum Arg {
    /// `...`
    Ellipsis,
    /// A number.
    Int(i64),
    /// A constant's name.
    Name(String),
    /// `A|B`
    Or(Vec<Arg>),
    /// A string.
    Text(String),
    /// `[a, b]`
    List(Vec<Arg>),
    /// `{a, name = b}`
    Struct(Vec<(String, Arg)>),
    /// `htons(80)`
    Call(String, Vec<Arg>),
}
