//! From text to system calls.

use crate::cursor::{Cursor, ScriptError};
use crate::script::{Arg, CallSpec};

/// How deeply lists and structures may be nested.
const MAX_DEPTH: u32 = 16;

/// `name(args) = result [ERRNO] [(note)]`
pub(crate) fn call(cursor: &mut Cursor, until: Option<i64>) -> Result<CallSpec, ScriptError> {
    let name = cursor.word().to_owned();
    cursor.expect("(")?;
    let args = list(cursor, ")", 0)?;
    cursor.expect("=")?;
    let result = arg(cursor, 0)?;
    let mut errno = None;
    let mut ahead = cursor.clone();
    let word = ahead.word();
    if word.starts_with('E') && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
        errno = Some(word.to_owned());
        *cursor = ahead;
    }
    if cursor.eat("(") {
        cursor.take_until(")")?;
    }
    Ok(CallSpec { until, name, args, result, errno })
}

/// Arguments up to `end`, which is taken.
fn list(cursor: &mut Cursor, end: &str, depth: u32) -> Result<Vec<Arg>, ScriptError> {
    let mut args = Vec::new();
    while !cursor.eat(end) {
        args.push(arg(cursor, depth + 1)?);
        if !cursor.eat(",") {
            cursor.expect(end)?;
            break;
        }
    }
    Ok(args)
}

fn arg(cursor: &mut Cursor, depth: u32) -> Result<Arg, ScriptError> {
    if depth > MAX_DEPTH {
        return cursor.error("nested too deeply");
    }
    let first = simple(cursor, depth)?;
    if !cursor.eat("|") {
        return Ok(first);
    }
    let mut parts = vec![first, simple(cursor, depth)?];
    while cursor.eat("|") {
        parts.push(simple(cursor, depth)?);
    }
    Ok(Arg::Or(parts))
}

fn simple(cursor: &mut Cursor, depth: u32) -> Result<Arg, ScriptError> {
    if cursor.eat("...") {
        return Ok(Arg::Ellipsis);
    }
    match cursor.peek() {
        Some('[') => {
            cursor.bump();
            Ok(Arg::List(list(cursor, "]", depth)?))
        }
        Some('{') => {
            cursor.bump();
            structure(cursor, depth)
        }
        Some('"') => {
            cursor.bump();
            Ok(Arg::Text(cursor.take_until("\"")?.to_owned()))
        }
        Some(c) if c.is_ascii_digit() || c == '-' => Ok(Arg::Int(cursor.integer()?)),
        Some(c) if c.is_ascii_alphabetic() || c == '_' => {
            let name = cursor.word().to_owned();
            if cursor.eat_here("(") {
                Ok(Arg::Call(name, list(cursor, ")", depth)?))
            } else {
                Ok(Arg::Name(name))
            }
        }
        _ => cursor.error(format!("expected an argument, found {}", cursor.glimpse())),
    }
}

/// `{a, name = b, msg_iov(1) = [...]}`; the opening brace is taken.
fn structure(cursor: &mut Cursor, depth: u32) -> Result<Arg, ScriptError> {
    let mut fields = Vec::new();
    while !cursor.eat("}") {
        let value = arg(cursor, depth + 1)?;
        if cursor.eat("=") || cursor.eat(":") {
            let (Arg::Name(name) | Arg::Call(name, _)) = value else {
                return cursor.error("expected the name of a field before `=`");
            };
            fields.push((name, arg(cursor, depth + 1)?));
        } else {
            fields.push((String::new(), value));
        }
        if !cursor.eat(",") {
            cursor.expect("}")?;
            break;
        }
    }
    Ok(Arg::Struct(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> CallSpec {
        call(&mut Cursor::new(text, 1), None).unwrap()
    }

    #[test]
    fn a_call_with_an_error_and_its_note() {
        let spec = read("connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)");
        assert_eq!(spec.args, [Arg::Int(3), Arg::Ellipsis, Arg::Ellipsis]);
        assert_eq!((spec.result, spec.errno.as_deref()), (Arg::Int(-1), Some("EINPROGRESS")));
    }

    #[test]
    fn flags_lists_and_structures() {
        let spec = read("fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0");
        assert!(matches!(&spec.args[2], Arg::Or(parts) if parts.len() == 2));
        let spec = read("sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=0}, 0) = 1000");
        let Arg::Struct(fields) = &spec.args[1] else { panic!("no structure") };
        assert_eq!(fields[1].0, "msg_iov");
        assert!(matches!(&fields[1].1, Arg::List(list) if list.len() == 1));
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = format!("f({}) = 0", "[".repeat(10_000));
        assert!(call(&mut Cursor::new(&deep, 1), None).is_err());
    }
}
