//! Segments as the script sees them: comparing, and writing them down.

use crate::host::{Conn, Sent};
use crate::script::{EcnSpec, OptionSpec, PacketSpec};
use tidewire_wire::{Ecn, SackBlocks, Seq, TcpFlags, TcpOptions, TcpSegment, Timestamps};

/// What a comparison looks at beyond what is always compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Checks {
    /// The PSH flag.
    pub psh: bool,
    /// The window, where the script gives one (always on).
    pub win: bool,
}

const PSH: u8 = TcpFlags::PSH.0;

/// The part of an expected segment that is still to come.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    pub spec: &'a PacketSpec,
    /// Bytes that have come.
    pub done: u32,
}

/// How timestamps are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StampRule {
    /// Microseconds per tick; zero: the value is not compared.
    pub tick_us: i64,
    pub tolerance_us: i64,
}

impl Expected<'_> {
    /// Compares `sent` with what is expected. `Ok(n)`: it matches and brings `n` bytes.
    pub fn matches(
        &self,
        sent: &Sent,
        conn: Option<&Conn>,
        strict: bool,
        stamps: StampRule,
    ) -> Result<u32, &'static str> {
        let (spec, segment) = (self.spec, &sent.segment);
        let len = segment.payload.len() as u32;
        let left = spec.len - self.done;
        let last = len == left;
        if len > left || (!last && (strict || len == 0)) {
            return Err("length");
        }
        let mut wanted = spec.flags & !PSH;
        if !last {
            wanted &= !TcpFlags::FIN.0;
        }
        if self.done > 0 {
            wanted &= !TcpFlags::CWR.0;
        }
        if segment.flags.0 & !PSH != wanted {
            return Err("flags");
        }
        let offset = sent.offset(conn);
        if segment.seq.0 != spec.seq.wrapping_add(self.done).wrapping_add(offset) {
            return Err("sequence number");
        }
        if segment.flags.ack() && spec.ack.is_some_and(|ack| ack != segment.ack.0) {
            return Err("acknowledgment");
        }
        if spec.window.is_some_and(|window| window != segment.window) {
            return Err("window");
        }
        if spec.ecn.is_some_and(|ecn| !ecn_matches(ecn, sent.ecn)) {
            return Err("ECN field");
        }
        if spec.tos.is_some_and(|tos| tos != sent.dscp | sent.ecn as u8) {
            return Err("type of service");
        }
        match &spec.options {
            Some(options) if !options_match(options, &segment.options, conn, stamps) => Err("options"),
            _ => Ok(len),
        }
    }

    /// Is the PSH flag as the script has it? Only the last of several segments has the script's.
    pub fn psh_matches(&self, segment: &TcpSegment) -> bool {
        let last = self.done + segment.payload.len() as u32 == self.spec.len;
        !last || (segment.flags.0 ^ self.spec.flags) & PSH == 0
    }
}

fn ecn_matches(spec: EcnSpec, ecn: Ecn) -> bool {
    match spec {
        EcnSpec::NotCapable => ecn == Ecn::NotCapable,
        EcnSpec::Ect0 => ecn == Ecn::Ect0,
        EcnSpec::Ect1 => ecn == Ecn::Ect1,
        EcnSpec::Ect01 => matches!(ecn, Ecn::Ect0 | Ecn::Ect1),
        EcnSpec::Congestion => ecn == Ecn::Congestion,
    }
}

/// Byte by byte and in order, but for the value of the timestamps, which is the clock's.
fn options_match(spec: &[OptionSpec], actual: &TcpOptions, conn: Option<&Conn>, rule: StampRule) -> bool {
    let mut spec = spec.to_vec();
    if let Some(stamps) = actual.timestamps {
        let first = conn.and_then(|conn| conn.first_stamp);
        for option in &mut spec {
            if let OptionSpec::Timestamps(value, _) = option {
                if let Some((script, sent)) = first
                    && rule.tick_us > 0
                {
                    let expected = sent.wrapping_add(value.wrapping_sub(script));
                    let off = i64::from(stamps.value.wrapping_sub(expected) as i32).abs();
                    if off * rule.tick_us > rule.tolerance_us {
                        return false;
                    }
                }
                *value = stamps.value;
            }
        }
    }
    let mut bytes = Vec::new();
    actual.emit(&mut bytes);
    bytes == encode(&spec)
}

/// The bytes of options as the script lists them, padded to a multiple of four.
pub(crate) fn encode(options: &[OptionSpec]) -> Vec<u8> {
    let mut out = Vec::new();
    for option in options {
        match option {
            OptionSpec::Eol => out.push(0),
            OptionSpec::Nop => out.push(1),
            OptionSpec::Mss(mss) => {
                out.extend_from_slice(&[2, 4]);
                out.extend_from_slice(&mss.to_be_bytes());
            }
            OptionSpec::WindowScale(shift) => out.extend_from_slice(&[3, 3, *shift]),
            OptionSpec::SackPermitted => out.extend_from_slice(&[4, 2]),
            OptionSpec::Sack(blocks) => {
                out.extend_from_slice(&[5, 2 + 8 * blocks.len() as u8]);
                for (left, right) in blocks {
                    out.extend_from_slice(&left.to_be_bytes());
                    out.extend_from_slice(&right.to_be_bytes());
                }
            }
            OptionSpec::Timestamps(value, echo) => {
                out.extend_from_slice(&[8, 10]);
                out.extend_from_slice(&value.to_be_bytes());
                out.extend_from_slice(&echo.to_be_bytes());
            }
        }
    }
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// The segment that a script's inbound packet stands for.
pub(crate) fn inbound(spec: &PacketSpec, conn: Option<&Conn>, ports: (u16, u16)) -> TcpSegment {
    let offset = conn.map_or(0, Conn::offset);
    let flags = TcpFlags(spec.flags);
    let bytes = encode(spec.options.as_deref().unwrap_or(&[]));
    let mut options = TcpOptions::parse(&bytes, flags.syn()).unwrap_or_default();
    let ours = |seq: Seq| Seq(seq.0.wrapping_add(offset));
    options.sack =
        options.sack.iter().map(|(left, right)| (ours(*left), ours(*right))).collect::<SackBlocks>();
    if let (Some(stamps), Some(conn)) = (&mut options.timestamps, conn) {
        *stamps = Timestamps { value: stamps.value, echo: live_echo(stamps.echo, conn) };
    }
    let ack = spec.ack.unwrap_or(0);
    TcpSegment {
        src_port: ports.0,
        dst_port: ports.1,
        seq: Seq(spec.seq),
        ack: if flags.ack() { Seq(ack.wrapping_add(offset)) } else { Seq(ack) },
        flags,
        window: spec.window.unwrap_or(0),
        options,
        payload: tidewire_wire::Payload::Zeros(spec.len),
    }
}

/// The timestamp that was sent where the script says `echo`.
fn live_echo(echo: u32, conn: &Conn) -> u32 {
    if let Some(sent) = conn.stamps.get(&echo) {
        return *sent;
    }
    match conn.first_stamp {
        Some((script, sent)) if echo != 0 => sent.wrapping_add(echo.wrapping_sub(script)),
        _ => echo,
    }
}

/// A time in seconds.
pub(crate) fn seconds(us: i64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// A segment in the script's notation and numbers.
pub(crate) fn show_segment(segment: &TcpSegment, ecn: Ecn, ours: u32, theirs: u32) -> String {
    let mut text = String::new();
    match ecn {
        Ecn::NotCapable => {}
        Ecn::Ect0 => text.push_str("[ect0] "),
        Ecn::Ect1 => text.push_str("[ect1] "),
        Ecn::Congestion => text.push_str("[ce] "),
    }
    let (seq, len) = (segment.seq.0.wrapping_sub(ours), segment.payload.len() as u32);
    text.push_str(&format!("{} {seq}:{}({len})", show_flags(segment.flags.0), seq.wrapping_add(len)));
    if segment.flags.ack() {
        text.push_str(&format!(" ack {}", segment.ack.0.wrapping_sub(theirs)));
    }
    text.push_str(&format!(" win {}", segment.window));
    let options = &segment.options;
    let mut words = Vec::new();
    words.extend(options.mss.map(|mss| format!("mss {mss}")));
    if options.sack_permitted {
        words.push("sackOK".to_owned());
    }
    words.extend(options.timestamps.map(|stamps| format!("TS val {} ecr {}", stamps.value, stamps.echo)));
    words.extend(options.window_scale.map(|shift| format!("wscale {shift}")));
    if !options.sack.is_empty() {
        let block = |(left, right): &(Seq, Seq)| {
            format!("{}:{}", left.0.wrapping_sub(theirs), right.0.wrapping_sub(theirs))
        };
        words.push(format!("sack {}", options.sack.iter().map(block).collect::<Vec<_>>().join(" ")));
    }
    if !words.is_empty() {
        text.push_str(&format!(" <{}>", words.join(",")));
    }
    text
}

fn show_flags(flags: u8) -> String {
    const LETTERS: [(u8, char); 7] =
        [(0x02, 'S'), (0x01, 'F'), (0x04, 'R'), (0x08, 'P'), (0x40, 'E'), (0x80, 'W'), (0x10, '.')];
    let text: String =
        LETTERS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| *letter).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// An expected segment in the script's notation.
pub(crate) fn show_spec(spec: &PacketSpec) -> String {
    let mut text = String::new();
    if let Some(ecn) = spec.ecn {
        let name = match ecn {
            EcnSpec::NotCapable => "noecn",
            EcnSpec::Ect0 => "ect0",
            EcnSpec::Ect1 => "ect1",
            EcnSpec::Ect01 => "ect01",
            EcnSpec::Congestion => "ce",
        };
        text.push_str(&format!("[{name}] "));
    }
    let end = spec.seq.wrapping_add(spec.len);
    text.push_str(&format!("{} {}:{end}({})", show_flags(spec.flags), spec.seq, spec.len));
    if let Some(ack) = spec.ack {
        text.push_str(&format!(" ack {ack}"));
    }
    if let Some(window) = spec.window {
        text.push_str(&format!(" win {window}"));
    }
    match &spec.options {
        None => text.push_str(" <...>"),
        Some(options) if options.is_empty() => {}
        Some(options) => {
            text.push_str(&format!(" <{}>", options.iter().map(show_option).collect::<Vec<_>>().join(",")));
        }
    }
    text
}

fn show_option(option: &OptionSpec) -> String {
    match option {
        OptionSpec::Eol => "eol".to_owned(),
        OptionSpec::Nop => "nop".to_owned(),
        OptionSpec::Mss(mss) => format!("mss {mss}"),
        OptionSpec::WindowScale(shift) => format!("wscale {shift}"),
        OptionSpec::SackPermitted => "sackOK".to_owned(),
        OptionSpec::Timestamps(value, echo) => format!("TS val {value} ecr {echo}"),
        OptionSpec::Sack(blocks) => {
            let blocks: Vec<String> = blocks.iter().map(|(left, right)| format!("{left}:{right}")).collect();
            format!("sack {}", blocks.join(" "))
        }
    }
}
