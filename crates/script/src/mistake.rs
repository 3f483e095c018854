//! Mistakes of scripts: from an error in Lua or Rust to the message that a user reads.

use crate::state::raw::Frame;
use crate::{Fault, Place, Script, ScriptError};
use std::cell::RefCell;
use std::fmt;
use std::fmt::Write;

/// Something wrong in a script, before it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    /// One sentence that says what is wrong.
    pub message: String,
    /// The word of the source line that is to blame.
    pub caret: Option<String>,
    /// Further lines: what to write instead.
    pub notes: Vec<String>,
    /// Where; found from the stack when it is raised.
    pub place: Option<Place>,
    /// The class of its exit code.
    pub fault: Fault,
}

impl Mistake {
    /// A mistake in the script.
    pub fn new(message: impl Into<String>) -> Mistake {
        Mistake { message: message.into(), caret: None, notes: Vec::new(), place: None, fault: Fault::Script }
    }

    /// Points at this word of the source line.
    pub fn at_word(mut self, word: impl Into<String>) -> Mistake {
        self.caret = Some(word.into());
        self
    }

    /// About what a function of the script gave back: it has ended, so its first line is the place.
    pub fn of_function(mut self, function: &mlua::Function) -> Mistake {
        let info = function.info();
        if let (Some(file), Some(line @ 1..)) = (info.source, info.line_defined) {
            let file = file.trim_start_matches(['@', '=']).to_owned();
            self.place = Some(Place { file, line: line as u32 });
        }
        self.at_word("function")
    }

    /// Adds a line that says what to write.
    pub fn note(mut self, note: impl Into<String>) -> Mistake {
        self.notes.push(note.into());
        self
    }

    /// Another class of exit code.
    pub fn fault(mut self, fault: Fault) -> Mistake {
        self.fault = fault;
        self
    }
}

impl fmt::Display for Mistake {
    /// On one line, as `pcall` gives it to scripts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}: ", place.file, place.line)?;
        }
        f.write_str(&self.message)?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl std::error::Error for Mistake {}

impl From<Mistake> for mlua::Error {
    fn from(mistake: Mistake) -> mlua::Error {
        mlua::Error::external(mistake)
    }
}

/// Ends the chunk without being a mistake: `stop()`, a plan that is complete. Scripts cannot catch it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unwind;

impl fmt::Display for Unwind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the run ends here")
    }
}

impl std::error::Error for Unwind {}

/// The texts of the chunks that messages quote.
#[derive(Default)]
pub(crate) struct Sources(RefCell<Vec<(String, String)>>);

impl Sources {
    /// Remembers a chunk's text.
    pub fn add(&self, chunk: &str, text: &str) {
        self.0.borrow_mut().push((chunk.to_owned(), text.to_owned()));
    }

    /// A chunk's text.
    pub fn text(&self, i: usize) -> String {
        self.0.borrow()[i].1.clone()
    }

    /// A chunk's name.
    pub fn name(&self, i: usize) -> String {
        self.0.borrow()[i].0.clone()
    }

    /// The line at a place, if its text is known.
    pub fn line(&self, place: &Place) -> Option<String> {
        let all = self.0.borrow();
        let (_, text) = all.iter().find(|(chunk, _)| *chunk == place.file)?;
        text.lines().nth(place.line.checked_sub(1)? as usize).map(str::to_owned)
    }

    /// A chunk's text, cut before the line of a place.
    pub fn rest(&self, place: &Place) -> Option<(String, String)> {
        let all = self.0.borrow();
        let (_, text) = all.iter().find(|(chunk, _)| *chunk == place.file)?;
        let skipped: usize =
            text.split_inclusive('\n').take(place.line.checked_sub(1)? as usize).map(str::len).sum();
        Some((text[..skipped].to_owned(), text[skipped..].to_owned()))
    }

    /// The line of the statement at a place that holds this text.
    pub fn find(&self, place: &Place, text: &str) -> Option<u32> {
        self.quote(place, Some(text)).map(|(line, _)| line)
    }

    /// A line, without its indentation; with `word`, the first line from there on (within the statement) that holds it.
    fn quote(&self, place: &Place, word: Option<&str>) -> Option<(u32, String)> {
        let all = self.0.borrow();
        let (_, text) = all.iter().find(|(chunk, _)| *chunk == place.file)?;
        let first = place.line.max(1);
        let mut lines = text.lines().skip(first as usize - 1).zip(first..);
        let (own, line) = lines.next()?;
        let Some(word) = word.filter(|word| find_word(own, word).is_none()) else {
            return Some((line, own.trim().to_owned()));
        };
        // An option of a call that goes over several lines; the call's own line is where Lua says it is.
        let mut depth = nesting(own);
        for (next, number) in lines.take(100) {
            if depth <= 0 {
                break;
            }
            if find_word(next, word).is_some() {
                return Some((number, next.trim().to_owned()));
            }
            depth += nesting(next);
        }
        Some((line, own.trim().to_owned()))
    }
}

/// How many brackets a line leaves open; texts and comments are near enough.
fn nesting(line: &str) -> i32 {
    line.bytes().map(|b| i32::from(matches!(b, b'(' | b'{')) - i32::from(matches!(b, b')' | b'}'))).sum()
}

/// Where a word (or any text that is not a word) stands in a line.
pub(crate) fn find_word(line: &str, word: &str) -> Option<usize> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if word.is_empty() {
        return None;
    }
    let named = word.chars().all(is_name);
    let mut from = 0;
    while let Some(at) = line[from..].find(word).map(|at| at + from) {
        let before = line[..at].chars().next_back().is_none_or(|c| !is_name(c));
        let after = line[at + word.len()..].chars().next().is_none_or(|c| !is_name(c));
        if !named || (before && after) {
            return Some(at);
        }
        from = at + word.len();
    }
    None
}

/// The name of the chunks that are part of the program.
const OURS: &str = "tidewire";

/// Whatever ended a chunk, as a mistake with its place; `None` for [`Unwind`]. `frames` are those of the script at the error.
pub(crate) fn mistake_of(error: &mlua::Error, frames: &[Frame]) -> Option<Mistake> {
    let here = frames.first().map(|frame| Place { file: frame.chunk.clone(), line: frame.line });
    let mistake = match error {
        mlua::Error::CallbackError { cause, .. } => return mistake_of(cause, frames),
        mlua::Error::WithContext { cause, .. } => return mistake_of(cause, frames),
        mlua::Error::ExternalError(inner) => {
            if inner.is::<Unwind>() {
                return None;
            }
            match inner.downcast_ref::<Mistake>() {
                Some(mistake) => mistake.clone(),
                None => Mistake::new(inner.to_string()),
            }
        }
        mlua::Error::MemoryError(_) => Mistake::new("not enough memory")
            .note("the limit is that of one run; --memory 2GiB allows more")
            .fault(Fault::Limit),
        mlua::Error::RuntimeError(text) => from_text(text),
        mlua::Error::SyntaxError { message, .. } => from_text(message),
        mlua::Error::BadArgument { cause, pos, to, .. } => {
            let name = to.clone().unwrap_or_default();
            Mistake::new(format!("argument {pos} of {name}: {cause}"))
        }
        mlua::Error::FromLuaConversionError { from, to, message } => {
            let why = message.as_ref().map_or_else(String::new, |message| format!(" ({message})"));
            Mistake::new(format!("expected a {to}, got a {from}{why}"))
        }
        other => Mistake::new(other.to_string()),
    };
    // What is written in Lua by us is no place for users: theirs is the line that called it.
    let own = mistake.place.clone().filter(|place| place.file != OURS);
    Some(Mistake { place: own.or(here).or(mistake.place.clone()), ..explained(mistake) })
}

/// Takes `file.lua:12: message` apart.
fn from_text(text: &str) -> Mistake {
    if let Some((kind, _)) = text.split_once(": 0x").filter(|(kind, _)| !kind.contains(' ')) {
        // What Lua shows of an error that is no text is its address.
        return Mistake::new(format!("error() was called with a {kind}"))
            .at_word("error")
            .note("give it a text: error(\"what is wrong\")");
    }
    let text = text.split("\nstack traceback:").next().unwrap_or(text).trim_end();
    let mut parts = text.splitn(3, ':');
    let (file, line, rest) = (parts.next(), parts.next().and_then(|line| line.parse().ok()), parts.next());
    match (file, line, rest) {
        (Some(file), Some(line), Some(rest)) if !file.is_empty() && !file.contains('\n') => {
            Mistake { place: Some(Place { file: file.to_owned(), line }), ..Mistake::new(rest.trim_start()) }
        }
        _ => Mistake::new(text),
    }
}

/// Says more about errors of Lua itself.
fn explained(mut mistake: Mistake) -> Mistake {
    let text = mistake.message.clone();
    let between = |open: &str, close: &str| {
        let rest = &text[text.find(open)? + open.len()..];
        Some(rest[..rest.find(close)?].to_owned())
    };
    if text.contains("attempt to yield across a C-call boundary")
        || text.contains("attempt to yield from outside")
    {
        mistake.message =
            "cannot wait here: this runs inside a library function (a string.gsub callback or the like) that cannot be interrupted"
                .to_owned();
        mistake.notes.push("wait before it, and use the result".to_owned());
    } else if text.contains("attempt to assign to const variable") {
        mistake.caret = between("variable '", "'");
        mistake.notes.push(
            "what is <const> and the variable of a for loop cannot be changed; copy it to a local first"
                .to_owned(),
        );
    } else if text.contains("near 'global'") || text.contains("near global") {
        mistake.caret = Some("global".to_owned());
        mistake.notes.push("'global' is a reserved word since Lua 5.5; use another name".to_owned());
    } else if text == "not enough memory" {
        mistake.fault = Fault::Limit;
        if mistake.notes.is_empty() {
            mistake.notes.push("the limit is that of one run; --memory 2GiB allows more".to_owned());
        }
    } else if text.starts_with("out of Lua stack") {
        mistake.message = "too many functions wait to be called (at, after, every, on)".to_owned();
        mistake.fault = Fault::Limit;
        mistake.notes.push("one every() or a process with sleep() does what many at() do".to_owned());
    } else if text == "<no error object>" {
        mistake.message = "error() was called without a message".to_owned();
        mistake.caret = Some("error".to_owned());
        mistake.notes.push("give it a text: error(\"what is wrong\")".to_owned());
    } else if text.starts_with("attempt to")
        && (text.contains(" a 'string' with a ") || text.ends_with(" with a 'string'"))
    {
        mistake.notes.push("a text that is no number cannot be reckoned with; a .. b joins texts".to_owned());
    } else if text.contains("to 'for iterator'") {
        let got = between("got ", ")").unwrap_or_else(|| "something else".to_owned());
        mistake.message = format!("pairs or ipairs got {got}, not a table");
        mistake.caret = Some("pairs".to_owned());
    } else if text.ends_with("stack overflow (string slice too long)") {
        mistake.message = "string.byte gives at most about a million numbers at once: take pieces".to_owned();
    } else if text.contains("stack overflow") {
        mistake.message = "stack overflow: a function calls itself without end".to_owned();
    } else if text.starts_with("attempt to") && mistake.caret.is_none() {
        mistake.caret = between("(local '", "'")
            .or_else(|| between("(global '", "'"))
            .or_else(|| between("(field '", "'"))
            .or_else(|| between("(method '", "'"))
            .or_else(|| between("(upvalue '", "'"));
    } else if text.contains(" near '") && mistake.caret.is_none() {
        mistake.caret = between(" near '", "'");
        let instead = match mistake.caret.as_deref() {
            Some("!") => "\"not equal\" is written ~=, and \"not\" as a word",
            Some("+" | "-" | "*" | "/") => "there is no += and no ++ in Lua: write s = s + 1",
            Some("=") if text.contains("'then' expected") => "to compare, write ==",
            Some("&" | "|") => "\"and\" and \"or\" are words",
            _ => "",
        };
        mistake.notes.extend((!instead.is_empty()).then(|| instead.to_owned()));
    }
    mistake
}

/// Who failed, for the last lines of a message.
pub(crate) struct Culprit {
    /// "in process 'server' of bob, started at exp.lua:9"; empty for the main program.
    pub who: String,
    /// The script's frames at the error, innermost first.
    pub frames: Vec<Frame>,
}

/// The whole message.
pub(crate) fn render(mistake: &Mistake, sources: &Sources, culprit: Option<&Culprit>) -> ScriptError {
    let mut text = String::new();
    let mut place = mistake.place.clone();
    let quoted = place.as_ref().and_then(|place| sources.quote(place, mistake.caret.as_deref()));
    if let (Some(place), Some((line, _))) = (&mut place, &quoted) {
        place.line = *line;
    }
    text.push_str(&mistake.message);
    match (&place, &quoted) {
        (Some(place), Some((line, source))) => {
            let head = format!("  {}:{line}:  ", place.file);
            let _ = write!(text, "\n{head}{source}");
            let (at, length) = blamed(mistake, source);
            let indent = head.chars().count() + source[..at].chars().count();
            let _ = write!(text, "\n{:indent$}{}", "", "^".repeat(length));
        }
        (Some(place), None) => {
            let _ = write!(text, "\n  {}:{}", place.file, place.line);
        }
        _ => {}
    }
    for note in &mistake.notes {
        let _ = write!(text, "\n  {note}");
    }
    if let Some(culprit) = culprit {
        for frame in culprit.frames.iter().skip(1).take(8) {
            let name = frame.name.as_ref().map_or_else(String::new, |name| format!("  {name}()"));
            let _ = write!(text, "\n  called from {}:{}{name}", frame.chunk, frame.line);
        }
        if !culprit.who.is_empty() {
            let _ = write!(text, "\n  {}", culprit.who);
        }
    }
    ScriptError { fault: mistake.fault, place, message: text }
}

/// A message about a place in this script, with the line and carets under what is to blame.
pub fn quoted(script: &Script, message: &str, place: &Place) -> String {
    let sources = Sources::default();
    sources.add(&script.shown, &script.text);
    let mut lines = message.splitn(2, '\n');
    let mut mistake = Mistake::new(lines.next().unwrap_or_default());
    mistake.notes =
        lines.next().into_iter().flat_map(str::lines).map(|line| line.trim().to_owned()).collect();
    mistake.place = Some(place.clone());
    render(&mistake, &sources, None).message
}

/// What in a line carets point at: where it begins in bytes, and its length in letters. The word that is known to be wrong; or one that
/// the message quotes, or a function that it names; or all of the line.
fn blamed(mistake: &Mistake, source: &str) -> (usize, usize) {
    let found = |word: &str| Some((find_word(source, word)?, word.chars().count().max(1)));
    if let Some(place) = mistake.caret.as_deref().and_then(found) {
        return place;
    }
    let message = mistake.message.lines().next().unwrap_or_default();
    let quoted = message.split('\'').skip(1).step_by(2);
    if let Some(place) = quoted.filter(|word| word.len() > 1).find_map(found) {
        return place;
    }
    let is_name = |c: char| c.is_alphanumeric() || "_.:".contains(c);
    let last = |word: &'_ str| word.trim_matches(['.', ':']).rsplit(['.', ':']).next().map(str::to_owned);
    let names = message.split(|c| !is_name(c)).filter_map(last).filter(|word| word.len() > 1);
    let called = |word: String| {
        let (at, length) = found(&word)?;
        let after = source[at + word.len()..].trim_start();
        let before = source[..at].chars().next_back();
        let is_called = after.starts_with(['(', '{', '"', '\'', '[']) || matches!(before, Some('.' | ':'));
        (is_called && !word.starts_with(|c: char| c.is_ascii_digit())).then_some((at, length))
    };
    let whole = || source.split("--").next().unwrap_or(source).trim_end().chars().count().clamp(1, 100);
    names.into_iter().find_map(called).unwrap_or_else(|| (0, whole()))
}

/// The known name that a wrong one was probably meant to be.
pub(crate) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = name.to_ascii_lowercase();
    let most = match wrong.len() {
        0..=3 => 1,
        _ => 2,
    };
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wrong, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean 'x'?`, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    suggestion(name, known).map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_the_line_and_points_at_the_word() {
        let sources = Sources::default();
        sources.add("exp.lua", "local a\n  net:link(a, b, { rate = 1, dealy = \"5ms\" })\n");
        let mut mistake = Mistake::new("unknown option 'dealy'").at_word("dealy").note("options: delay");
        mistake.place = Some(Place { file: "exp.lua".into(), line: 2 });
        let shown = render(&mistake, &sources, None);
        assert_eq!(
            shown.message,
            "unknown option 'dealy'\n  exp.lua:2:  net:link(a, b, { rate = 1, dealy = \"5ms\" })\n                                         ^^^^^\n  options: delay"
        );
    }

    #[test]
    fn an_option_on_a_later_line_of_the_call_is_found_there() {
        let sources = Sources::default();
        sources.add("exp.lua", "net:link(a, b, {\n  rate = 1,\n  dealy = 2,\n})\ndealy = 3\n");
        let mut mistake = Mistake::new("no").at_word("dealy");
        mistake.place = Some(Place { file: "exp.lua".into(), line: 1 });
        assert_eq!(render(&mistake, &sources, None).place.unwrap().line, 3);
    }

    #[test]
    fn errors_of_lua_are_taken_apart() {
        let error = mlua::Error::RuntimeError(
            "exp.lua:58: attempt to index a nil value (local 'conn')\nstack traceback:\n\t[C]: in ?".into(),
        );
        let mistake = mistake_of(&error, &[]).unwrap();
        assert_eq!(mistake.message, "attempt to index a nil value (local 'conn')");
        assert_eq!(mistake.caret.as_deref(), Some("conn"));
        assert_eq!(mistake.place, Some(Place { file: "exp.lua".into(), line: 58 }));
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        assert_eq!(suggestion("dealy", ["rate", "delay"]), Some("delay"));
        assert_eq!(suggestion("pign", ["ping", "bulk"]), Some("ping"));
        assert_eq!(suggestion("xyz", ["rate", "delay"]), None);
    }
}
