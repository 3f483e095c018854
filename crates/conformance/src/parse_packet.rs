//! From text to segments.

use crate::cursor::{Cursor, ScriptError};
use crate::script::{EcnSpec, IcmpSpec, OptionSpec, PacketSpec};

/// A packet of either protocol.
pub(crate) enum Parsed {
    Tcp(PacketSpec),
    Icmp(IcmpSpec),
}

/// The most data that an IPv4 packet carries.
const MAX_LEN: u32 = 65_495;

/// What follows `<` or `>`.
pub(crate) fn packet(cursor: &mut Cursor) -> Result<Parsed, ScriptError> {
    let mut spec = PacketSpec { options: Some(Vec::new()), ..PacketSpec::default() };
    if cursor.eat("[") {
        bracket(cursor, &mut spec)?;
    }
    cursor.blanks();
    let mut ahead = cursor.clone();
    let word = ahead.take_while(|c| !c.is_whitespace());
    match word {
        "icmp" => {
            *cursor = ahead;
            return Ok(Parsed::Icmp(icmp(cursor)?));
        }
        "udp" | "icmpv6" | "ipv4" | "ipv6" | "gre" | "mpls" => {
            return cursor.error(format!("packets of protocol `{word}`"));
        }
        _ => {}
    }
    spec.flags = flags(word).or_else(|bad| cursor.error(format!("flags `{word}` ({bad})")))?;
    *cursor = ahead;
    (spec.seq, spec.len) = range(cursor)?;
    loop {
        let mut ahead = cursor.clone();
        match ahead.word() {
            "ack" => spec.ack = Some(ahead.u32()?),
            "win" => {
                let window = ahead.u32()?;
                let Ok(window) = u16::try_from(window) else {
                    return cursor.error(format!("window {window} does not fit into the header"));
                };
                spec.window = Some(window);
            }
            "urg" => return cursor.error("urgent data"),
            _ => break,
        }
        *cursor = ahead;
    }
    if cursor.eat("<") {
        spec.options = options(cursor)?;
    }
    Ok(Parsed::Tcp(spec))
}

/// `[ect0]`, `[tos 0x10]`, `[ttl 64]`, or the range that an ICMP message quotes.
fn bracket(cursor: &mut Cursor, spec: &mut PacketSpec) -> Result<(), ScriptError> {
    cursor.blanks();
    if cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        range(cursor)?;
        return cursor.expect("]");
    }
    loop {
        match cursor.word() {
            "noecn" => spec.ecn = Some(EcnSpec::NotCapable),
            "ect0" => spec.ecn = Some(EcnSpec::Ect0),
            "ect1" => spec.ecn = Some(EcnSpec::Ect1),
            "ect01" => spec.ecn = Some(EcnSpec::Ect01),
            "ce" => spec.ecn = Some(EcnSpec::Congestion),
            "tos" => spec.tos = Some(cursor.u32()?.min(255) as u8),
            other => return cursor.error(format!("IP field `{other}`")),
        }
        if !cursor.eat(",") {
            return cursor.expect("]");
        }
    }
}

fn flags(word: &str) -> Result<u8, char> {
    if word == "-" {
        return Ok(0);
    }
    word.chars().try_fold(0, |flags, letter| {
        let bit = match letter {
            'F' => 0x01,
            'S' => 0x02,
            'R' => 0x04,
            'P' => 0x08,
            '.' => 0x10,
            'U' => 0x20,
            'E' => 0x40,
            'W' | 'C' => 0x80,
            bad => return Err(bad),
        };
        Ok(flags | bit)
    })
}

/// `1:1001(1000)`: the first sequence number and the length.
fn range(cursor: &mut Cursor) -> Result<(u32, u32), ScriptError> {
    let first = cursor.u32()?;
    cursor.expect(":")?;
    let end = cursor.u32()?;
    cursor.expect("(")?;
    let len = cursor.u32()?;
    cursor.expect(")")?;
    if end.wrapping_sub(first) != len {
        return cursor.error(format!("{first}:{end} is not {len} bytes"));
    }
    Ok((first, len))
}

/// The list after `<`; `None` for `...`.
fn options(cursor: &mut Cursor) -> Result<Option<Vec<OptionSpec>>, ScriptError> {
    if cursor.eat("...") {
        cursor.expect(">")?;
        return Ok(None);
    }
    let mut list = Vec::new();
    while !cursor.eat(">") {
        let option = match cursor.word() {
            "eol" => OptionSpec::Eol,
            "nop" => OptionSpec::Nop,
            "sackOK" => OptionSpec::SackPermitted,
            "mss" => {
                let mss = cursor.u32()?;
                let Ok(mss) = u16::try_from(mss) else { return cursor.error(format!("mss {mss}")) };
                OptionSpec::Mss(mss)
            }
            "wscale" => {
                let shift = cursor.u32()?;
                let Ok(shift) = u8::try_from(shift) else { return cursor.error(format!("wscale {shift}")) };
                OptionSpec::WindowScale(shift)
            }
            "TS" => timestamps(cursor)?,
            "sack" => OptionSpec::Sack(blocks(cursor)?),
            other => return cursor.error(format!("TCP option `{other}`, before {}", cursor.glimpse())),
        };
        list.push(option);
        if !cursor.eat(",") {
            cursor.expect(">")?;
            break;
        }
    }
    Ok(Some(list))
}

fn timestamps(cursor: &mut Cursor) -> Result<OptionSpec, ScriptError> {
    cursor.expect("val")?;
    let value = cursor.u32()?;
    cursor.expect("ecr")?;
    Ok(OptionSpec::Timestamps(value, cursor.u32()?))
}

fn blocks(cursor: &mut Cursor) -> Result<Vec<(u32, u32)>, ScriptError> {
    let mut blocks = Vec::new();
    loop {
        let left = cursor.u32()?;
        cursor.expect(":")?;
        blocks.push((left, cursor.u32()?));
        cursor.blanks();
        if !cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
            break;
        }
    }
    if blocks.len() > 4 { cursor.error("more than four SACK blocks") } else { Ok(blocks) }
}

/// `unreachable frag_needed mtu 1400 [1:1001(1000)]`
fn icmp(cursor: &mut Cursor) -> Result<IcmpSpec, ScriptError> {
    let kind = cursor.word();
    if kind != "unreachable" {
        return cursor.error(format!("ICMP message `{kind}`"));
    }
    let mut spec = IcmpSpec { code: cursor.word().to_owned(), mtu: None };
    let mut ahead = cursor.clone();
    if ahead.word() == "mtu" {
        let mtu = ahead.u32()?;
        spec.mtu = Some(mtu.min(65_535) as u16);
        *cursor = ahead;
    }
    if cursor.eat("[") {
        range(cursor)?;
        cursor.expect("]")?;
    }
    Ok(spec)
}

/// Is there room for such a payload in one packet?
pub(crate) fn fits_one_packet(spec: &PacketSpec) -> bool {
    spec.len <= MAX_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> PacketSpec {
        match packet(&mut Cursor::new(text, 1)) {
            Ok(Parsed::Tcp(spec)) => spec,
            Ok(Parsed::Icmp(_)) => panic!("{text} is ICMP"),
            Err(error) => panic!("{text}: {error}"),
        }
    }

    #[test]
    fn a_segment_with_everything() {
        let spec = tcp(
            "[ect0] SEW. 1:1001(1000) ack 7 win 257 <mss 1000,sackOK,TS val 5 ecr 6,nop,wscale 7,sack 1:2 3:4>",
        );
        assert_eq!((spec.flags, spec.seq, spec.len), (0xD2, 1, 1000));
        assert_eq!((spec.ack, spec.window, spec.ecn), (Some(7), Some(257), Some(EcnSpec::Ect0)));
        let options = spec.options.unwrap();
        assert_eq!(options.len(), 6);
        assert_eq!(options[2], OptionSpec::Timestamps(5, 6));
        assert_eq!(options[5], OptionSpec::Sack(vec![(1, 2), (3, 4)]));
    }

    #[test]
    fn options_may_be_left_open_and_flags_empty() {
        assert_eq!(tcp("S. 0:0(0) ack 1 <...>").options, None);
        assert_eq!(tcp("- 5:5(0)").flags, 0);
        assert_eq!(tcp(". 5:5(0)").options, Some(Vec::new()));
    }

    #[test]
    fn what_is_not_consistent_or_not_known_is_refused() {
        for text in [". 1:3(1) ack 1", "Q 1:1(0)", ". 1:1(0) <fast 3>", "[ttl 3] . 1:1(0)", "udp (8)"] {
            assert!(packet(&mut Cursor::new(text, 1)).is_err(), "{text} is accepted");
        }
    }

    #[test]
    fn icmp_says_what_could_not_be_done() {
        let parsed = packet(&mut Cursor::new("icmp unreachable frag_needed mtu 1400 [1:1001(1000)]", 1));
        let Ok(Parsed::Icmp(spec)) = parsed else { panic!("not ICMP") };
        assert_eq!((spec.code.as_str(), spec.mtu), ("frag_needed", Some(1400)));
    }
}
