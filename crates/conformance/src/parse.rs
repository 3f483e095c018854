//! From text to script: options, times, events.

use crate::assertion;
use crate::cursor::{Cursor, ScriptError};
use crate::parse_call::call;
use crate::parse_packet::{Parsed, packet};
use crate::script::{Action, Event, Script, Setting, When};

/// The script that `text` contains.
///
/// # Errors
/// What is not understood, with its line.
pub fn parse(text: &str) -> Result<Script, ScriptError> {
    let mut cursor = Cursor::new(text, 1);
    let mut script = Script::default();
    while !cursor.at_end() && cursor.eat_here("--") {
        script.options.push(option(&mut cursor)?);
    }
    while !cursor.at_end() && cursor.eat_here("`") {
        let line = cursor.line();
        script.setup.push((line, cursor.take_until("`")?.to_owned()));
    }
    while !cursor.at_end() {
        script.events.push(event(&mut cursor)?);
    }
    if script.events.is_empty() {
        return cursor.error("the script has no events");
    }
    Ok(script)
}

fn option(cursor: &mut Cursor) -> Result<Setting, ScriptError> {
    let line = cursor.line();
    let name = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let value = if cursor.eat_here("=") { cursor.take_while(|c| !c.is_whitespace()) } else { "" };
    if name.is_empty() {
        return cursor.error("expected an option's name after `--`");
    }
    Ok(Setting { line, name: name.to_owned(), value: value.to_owned() })
}

fn event(cursor: &mut Cursor) -> Result<Event, ScriptError> {
    cursor.blanks();
    let line = cursor.line();
    let (when, until) = time(cursor)?;
    cursor.blanks();
    let action = match cursor.peek() {
        Some('<') => {
            cursor.bump();
            match packet(cursor)? {
                Parsed::Tcp(spec) => Action::Inbound(spec),
                Parsed::Icmp(spec) => Action::Icmp(spec),
            }
        }
        Some('>') => {
            cursor.bump();
            match packet(cursor)? {
                Parsed::Tcp(spec) => Action::Outbound(spec),
                Parsed::Icmp(_) => return cursor.error("ICMP messages are not sent by this endpoint"),
            }
        }
        Some('`') => {
            cursor.bump();
            Action::Command(cursor.take_until("`")?.to_owned())
        }
        Some('%') if cursor.eat_here("%{") => {
            let first = cursor.line();
            Action::Code(assertion::parse(cursor.take_until("}%")?, first)?)
        }
        Some(c) if c.is_ascii_alphabetic() || c == '_' => Action::Call(call(cursor, until)?),
        _ => return cursor.error(format!("expected an event, found {}", cursor.glimpse())),
    };
    if until.is_some() && !matches!(action, Action::Call(_)) {
        return cursor.error("only calls take time");
    }
    Ok(Event { line, when, action })
}

/// When an event happens, and when a blocking call returns.
fn time(cursor: &mut Cursor) -> Result<(When, Option<i64>), ScriptError> {
    if cursor.eat("*") {
        return Ok((When::Any, None));
    }
    let relative = cursor.eat("+");
    let Some(start) = cursor.time()? else {
        return cursor.error(format!("expected a time, found {}", cursor.glimpse()));
    };
    if cursor.eat("~") {
        let end_is_relative = cursor.eat("+");
        let Some(end) = cursor.time()? else { return cursor.error("expected the end of the range") };
        if end_is_relative != relative || end < start {
            return cursor.error("a range goes from a time to a later one of the same kind");
        }
        let range = if relative { When::RelativeRange(start, end) } else { When::AbsoluteRange(start, end) };
        return Ok((range, None));
    }
    let when = if relative { When::Relative(start) } else { When::Absolute(start) };
    if !cursor.eat("...") {
        return Ok((when, None));
    }
    cursor.eat("+");
    match cursor.time()? {
        Some(end) if end >= start => Ok((when, Some(end))),
        _ => cursor.error("expected the time at which the call returns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(text: &str) -> When {
        parse(&format!("{text} `true`")).unwrap().events[0].when
    }

    #[test]
    fn every_form_of_time_is_read() {
        assert_eq!(when("*"), When::Any);
        assert_eq!(when("1.5"), When::Absolute(1_500_000));
        assert_eq!(when("+.01"), When::Relative(10_000));
        assert_eq!(when("1~2"), When::AbsoluteRange(1_000_000, 2_000_000));
        assert_eq!(when("+1~+2"), When::RelativeRange(1_000_000, 2_000_000));
    }

    #[test]
    fn options_and_commands_come_before_events() {
        let script =
            parse("--tolerance_usecs=8000\n--strict_segments\n`./defaults.sh`\n0 close(3) = 0\n").unwrap();
        assert_eq!(script.options[0].value, "8000");
        assert_eq!(script.options[1].name, "strict_segments");
        assert_eq!(script.setup, [(3, "./defaults.sh".to_owned())]);
        assert_eq!(script.events[0].line, 4);
    }

    #[test]
    fn errors_name_the_line() {
        let error = parse("0 close(3) = 0\n+0 ? what\n").unwrap_err();
        assert_eq!(error.line, 2);
        assert_eq!(parse("// nothing\n").unwrap_err().what, "the script has no events");
    }
}
