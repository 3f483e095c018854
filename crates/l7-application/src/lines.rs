//! Lines of FTP (RFC 959) and SMTP (RFC 5321): commands, replies, addresses in them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Most bytes of a command without its line end (RFC 5321, section 4.5.3.1.4).
pub const LONGEST_COMMAND: usize = 510;
/// Most bytes of a reply, and of a line of a mail (section 4.5.3.1.6).
pub const LONGEST_LINE: usize = 998;

/// A verb and what follows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// In capitals.
    pub verb: String,
    /// The rest of the line, without blanks around it.
    pub argument: String,
}

/// Why a line is no command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadLine {
    /// It is longer than commands may be.
    TooLong,
    /// It does not begin with a word of letters.
    NoVerb,
    /// It holds control characters, or is not UTF-8.
    NotText,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadLine::TooLong => "line too long",
            BadLine::NoVerb => "no command",
            BadLine::NotText => "not text",
        })
    }
}

impl Command {
    /// Reads a line that has lost its end.
    ///
    /// # Errors
    /// When it is no command; unknown verbs are commands.
    pub fn parse(line: &[u8]) -> Result<Command, BadLine> {
        if line.len() > LONGEST_COMMAND {
            return Err(BadLine::TooLong);
        }
        let text = std::str::from_utf8(line).map_err(|_| BadLine::NotText)?;
        if text.chars().any(char::is_control) {
            return Err(BadLine::NotText);
        }
        let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
        if verb.is_empty() || !verb.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(BadLine::NoVerb);
        }
        Ok(Command { verb: verb.to_ascii_uppercase(), argument: argument.trim().to_owned() })
    }
}

/// A line of a reply: `230 welcome`, or `250-one of several`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplyLine {
    /// 100 to 599.
    pub code: u16,
    /// Further lines belong to the same reply.
    pub more: bool,
    /// What a person reads.
    pub text: String,
}

impl ReplyLine {
    /// Reads a line that has lost its end; nothing when it is none.
    pub fn parse(line: &[u8]) -> Option<ReplyLine> {
        if line.len() < 3 || line.len() > LONGEST_LINE {
            return None;
        }
        let digits = std::str::from_utf8(&line[..3]).ok()?;
        let code: u16 = digits.parse().ok().filter(|code| (100..600).contains(code))?;
        let more = match line.get(3) {
            None | Some(b' ') => false,
            Some(b'-') => true,
            Some(_) => return None,
        };
        let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned();
        Some(ReplyLine { code, more, text })
    }
}

/// `10,0,0,1,195,80` is port 50000 of 10.0.0.1 (RFC 959, section 4.1.2); anything around it is passed over, as in replies to PASV.
pub fn host_port(text: &str) -> Option<(Ipv4Addr, u16)> {
    let is_part = |c: char| c.is_ascii_digit() || c == ',';
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let numbers = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
    let numbers: Vec<u8> = numbers.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [a, b, c, d, high, low] = numbers[..] else { return None };
    Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
}

/// The same as text.
pub fn host_port_text(ip: Ipv4Addr, port: u16) -> String {
    let ([a, b, c, d], [high, low]) = (ip.octets(), port.to_be_bytes());
    format!("{a},{b},{c},{d},{high},{low}")
}

/// `|2|2001:db8::1|50000|`, or `|||50000|` of whoever says it (RFC 2428); anything around it is passed over.
pub fn extended_port(text: &str) -> Option<(Option<IpAddr>, u16)> {
    let start = text.find('|')?;
    let parts: Vec<&str> = text[start..].splitn(5, '|').collect();
    let [_, family, ip, port, _] = parts[..] else { return None };
    let ip: Option<IpAddr> = if ip.is_empty() { None } else { Some(ip.parse().ok()?) };
    let fits = match (family, ip) {
        ("", _) => true,
        ("1", Some(ip)) => ip.is_ipv4(),
        ("2", Some(ip)) => ip.is_ipv6(),
        _ => false,
    };
    Some((ip, port.parse().ok()?)).filter(|_| fits)
}

/// The mailbox of `FROM:<kim@example.com> SIZE=300`, given `FROM` (RFC 5321, section 4.1.2). `<>` is an empty mailbox, which only
/// senders have.
pub fn mailbox(argument: &str, word: &str) -> Option<String> {
    let (name, rest) = argument.split_once(':')?;
    if !name.trim().eq_ignore_ascii_case(word) {
        return None;
    }
    let inner = rest.trim_start().strip_prefix('<')?;
    let (path, after) = inner.split_once('>')?;
    if !after.is_empty() && !after.starts_with(' ') {
        return None;
    }
    // A route of relays before the mailbox is to be passed over.
    let path = if path.starts_with('@') { path.split_once(':')?.1 } else { path };
    if path.is_empty() {
        return (word.eq_ignore_ascii_case("FROM")).then(String::new);
    }
    let (local, domain) = path.rsplit_once('@')?;
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '<' || c == '>';
    if local.is_empty()
        || domain.is_empty()
        || local.len() > 64
        || domain.len() > 255
        || path.contains(is_bad)
    {
        return None;
    }
    Some(format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// A line of a mail as it is sent: a dot at its beginning is doubled (RFC 5321, section 4.5.2).
pub fn stuff_dots(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn command(line: &str) -> Result<(String, String), BadLine> {
        Command::parse(line.as_bytes()).map(|command| (command.verb, command.argument))
    }

    #[test]
    fn a_command_is_a_verb_and_what_follows() {
        assert_eq!(command("retr  a file.txt "), Ok(("RETR".into(), "a file.txt".into())));
        assert_eq!(command("QUIT"), Ok(("QUIT".into(), String::new())));
        assert_eq!(command("XYZZY 5"), Ok(("XYZZY".into(), "5".into())));
        assert_eq!(command(""), Err(BadLine::NoVerb));
        assert_eq!(command("12 x"), Err(BadLine::NoVerb));
        assert_eq!(command("A\tB"), Err(BadLine::NotText));
        assert_eq!(command(&"A".repeat(511)), Err(BadLine::TooLong));
        assert_eq!(Command::parse(&[0xff, b' ']), Err(BadLine::NotText));
    }

    #[test]
    fn a_reply_has_a_code_and_may_go_on() {
        let line = ReplyLine::parse(b"250-first").unwrap();
        assert_eq!((line.code, line.more, &*line.text), (250, true, "first"));
        assert!(!ReplyLine::parse(b"221").unwrap().more);
        for bad in ["", "22", "abc d", "999 x", "220x", "+20 x"] {
            assert_eq!(ReplyLine::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn six_numbers_are_an_address_and_a_port() {
        let told = host_port("227 entering passive mode (10,0,0,1,195,80)".split_once(' ').unwrap().1);
        assert_eq!(told, Some((Ipv4Addr::new(10, 0, 0, 1), 50_000)));
        for bad in ["", "1,2,3,4,5", "1,2,3,4,5,6,7", "1,2,3,4,5,256", "a,b"] {
            assert_eq!(host_port(bad), None, "{bad}");
        }
    }

    #[test]
    fn both_kinds_of_addresses_stand_between_bars() {
        let six = extended_port("|2|2001:db8::1|50000|");
        assert_eq!(six, Some((Some("2001:db8::1".parse().unwrap()), 50_000)));
        assert_eq!(extended_port("entering (|||6446|)"), Some((None, 6446)));
        for bad in
            ["", "||", "|1|2001:db8::1|5|", "|2|10.0.0.1|5|", "|1|10.0.0.1|99999|", "|3|x|5|", "|1||5|"]
        {
            assert_eq!(extended_port(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_mailbox_stands_in_angle_brackets() {
        assert_eq!(mailbox("FROM:<Kim@Example.COM> SIZE=9", "FROM").as_deref(), Some("Kim@example.com"));
        assert_eq!(mailbox("to: <@relay:lee@b>", "TO").as_deref(), Some("lee@b"));
        assert_eq!(mailbox("FROM:<>", "FROM").as_deref(), Some(""));
        for bad in
            ["TO:<>", "TO:lee@b", "TO:<lee>", "TO:<@b>", "TO:<lee@>", "FROM:<a@b>", "TO:<a@b>x", "TO:<a b@c>"]
        {
            assert_eq!(mailbox(bad, "TO"), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn addresses_come_back_as_they_went(ip: u32, port: u16) {
            let ip = Ipv4Addr::from(ip);
            prop_assert_eq!(host_port(&host_port_text(ip, port)), Some((ip, port)));
        }

        #[test]
        fn any_bytes_are_a_line_or_none(bytes: Vec<u8>) {
            if let Ok(command) = Command::parse(&bytes) {
                prop_assert!(!command.verb.is_empty() && command.verb.len() + command.argument.len() <= bytes.len());
                let _ = mailbox(&command.argument, "TO");
                let _ = host_port(&command.argument);
                let _ = extended_port(&command.argument);
            }
            let _ = ReplyLine::parse(&bytes);
        }

        #[test]
        fn no_line_of_a_mail_is_taken_for_its_end(text in "[.a\n]{0,40}") {
            let sent = String::from_utf8(stuff_dots(text.as_bytes())).unwrap();
            prop_assert!(sent.split("\r\n").all(|line| line != "."));
        }
    }
}
