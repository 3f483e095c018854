//! What looks at the network prints what it found where a script does nothing else with it: `diagnose(a, b)` as a line of its own.

use super::Registry;
use crate::sim::{Shared, here};
use mlua::Function;

/// Those that answer at once, and the one that is a recording: it is printed when the run ends.
const LOOKS: &[&str] = &["diagnose", "journey"];
const RECORDS: &[&str] = &["ladder"];

pub(super) fn install(registry: &Registry<'_>, sim: &Shared) -> mlua::Result<()> {
    let lua = registry.lua;
    let globals = lua.globals();
    let weak = std::rc::Rc::downgrade(sim);
    let stands_alone = lua.create_function(move |lua, word: String| {
        let (Some(sim), Some(place)) = (weak.upgrade(), here(lua)) else { return Ok(false) };
        Ok(sim.sources.rest(&place).is_some_and(|(before, rest)| is_statement(&before, &rest, &word)))
    })?;
    let wrap: Function = crate::state::compiled(lua, WRAP)?;
    for (names, at_end) in [(LOOKS, false), (RECORDS, true)] {
        for name in names {
            let inner: Function = globals.raw_get(*name)?;
            let outer: Function = wrap.call((inner, *name, &stands_alone, at_end))?;
            globals.raw_set(*name, outer)?;
        }
    }
    Ok(())
}

const WRAP: &str = r#"
local look, name, stands_alone, later = ...
local at_end, print = at_end, print
local function shown(...)
  local found = ...
  if later then at_end(function() print(found) end) else print(...) end
  return ...
end
return function(...)
  if stands_alone(name) then return shown(look(...)) end
  return look(...)
end
"#;

/// Whether nothing is done with what the call of `word` in the first line of `rest` gives; `before` are the lines above.
fn is_statement(before: &str, rest: &str, word: &str) -> bool {
    let line = rest.lines().next().unwrap_or_default();
    let Some(at) = crate::mistake::find_word(line, word) else { return false };
    let head = line[..at].trim_end();
    let above =
        || before.lines().rev().map(without_comment).find(|line| !line.is_empty()).unwrap_or_default();
    let head = if head.is_empty() { above() } else { head };
    let last = head.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let is_open = head.ends_with(|c: char| "=,({[+-*/%^<>~&|#.:".contains(c))
        || ["return", "and", "or", "not", "in", "if", "while", "until", "elseif"].contains(&last);
    if is_open {
        return false;
    }
    let Some(after) = after_call(&rest[at + word.len()..]) else { return false };
    !after.starts_with(|c: char| "=,.:[({+-*/%^<>~&|".contains(c) && !after.starts_with("--"))
}

fn without_comment(line: &str) -> &str {
    line.split("--").next().unwrap_or_default().trim()
}

/// What follows a call's arguments. Brackets in texts count; near enough.
fn after_call(rest: &str) -> Option<&str> {
    let mut depth = 0;
    for (i, c) in rest.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            c if depth == 0 && !c.is_whitespace() => return None,
            _ => {}
        }
        if depth == 0 && matches!(c, ')' | '}') {
            return Some(rest[i + 1..].trim_start());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_whose_result_is_dropped_is_told_from_one_that_is_used() {
        let alone = [
            "diagnose(a, b)",
            "local x = 1 diagnose(a, b) local y = 2",
            "if x then diagnose(a, b) end",
            "at(5, function() diagnose(a, b) end)",
            "diagnose(a,\n  b)\nprint(1)",
            "do diagnose(a, b, { port = 80 }) -- look\nend",
            "diagnose(a, b); print(1)",
        ];
        let used = [
            "print(diagnose(a, b))",
            "local found = diagnose(a, b)",
            "return diagnose(a, b)",
            "if diagnose(a, b).ok then end",
            "diagnose(a, b):show()",
            "local t = { diagnose(a, b), 1 }",
            "local look = diagnose look(a, b)",
            "x = ok and diagnose(a, b)",
        ];
        for (texts, expected) in [(&alone[..], true), (&used[..], false)] {
            for text in texts {
                assert_eq!(is_statement("", text, "diagnose"), expected, "{text}");
            }
        }
        assert!(!is_statement("local x =\n  -- what is wrong\n", "  diagnose(a, b)", "diagnose"));
        assert!(is_statement("sleep(1)\n\n", "  diagnose(a, b)", "diagnose"));
    }
}
