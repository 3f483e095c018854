//! The statements between `%{` and `}%`: assertions about the connection, a small part of Python.

use crate::cursor::ScriptError;
use crate::expression::{Expr, Parser, Value, evaluate};

/// One statement.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    /// Line, from 1.
    pub line: u32,
    /// What must hold.
    pub condition: Expr,
    /// What to say when it does not.
    pub message: Option<Expr>,
    /// The condition as it is written.
    pub text: String,
}

/// How an assertion ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not: what was found.
    Fails(String),
    /// A name or an operation that is not known.
    Unknown(String),
}

/// The statements of a block that begins in line `line`.
pub(crate) fn parse(text: &str, line: u32) -> Result<Vec<Statement>, ScriptError> {
    let mut parser = Parser::new(text, line)?;
    let mut statements = Vec::new();
    while parser.skip_newlines() {
        let line = parser.line();
        match parser.word().as_deref() {
            Some("assert") => {
                let start = parser.position();
                let condition = parser.expression()?;
                let written = parser.written(start);
                let message = if parser.symbol(",") { Some(parser.expression()?) } else { None };
                statements.push(Statement { line, condition, message, text: written });
            }
            Some("pass") => {}
            Some("print") => {
                parser.expression()?;
            }
            other => {
                let what = format!("statement `{}` in a code block", other.unwrap_or("?"));
                return Err(ScriptError { line, what });
            }
        }
        parser.end_of_statement()?;
    }
    Ok(statements)
}

impl Statement {
    /// Evaluates the assertion; `lookup` gives the values of names.
    pub fn check(&self, lookup: &dyn Fn(&str) -> Option<i64>) -> Outcome {
        let holds = match evaluate(&self.condition, lookup) {
            Ok(value) => value.truth(),
            Err(what) => return Outcome::Unknown(what),
        };
        if holds {
            return Outcome::Holds;
        }
        let mut found: Vec<String> = self
            .names()
            .iter()
            .filter(|name| name.starts_with("tcpi_"))
            .filter_map(|name| Some(format!("{name} = {}", lookup(name)?)))
            .collect();
        found.dedup();
        let message = self.message.as_ref().map(|message| evaluate(message, lookup));
        if let Some(Ok(Value::Text(text))) = message
            && !text.is_empty()
        {
            found.push(format!("({text})"));
        }
        Outcome::Fails(found.join(" "))
    }

    /// The fields and constants of the condition.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.condition.names(&mut names);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<Outcome> {
        let lookup = |name: &str| match name {
            "tcpi_snd_cwnd" => Some(10),
            "tcpi_ca_state" => Some(3),
            "TCP_CA_Recovery" => Some(3),
            _ => None,
        };
        parse(text, 1).unwrap().iter().map(|statement| statement.check(&lookup)).collect()
    }

    #[test]
    fn assertions_hold_or_say_what_was_found() {
        let outcomes =
            check("\nassert tcpi_snd_cwnd == 10\nassert 5 < tcpi_snd_cwnd <= 9, 'cwnd=%d' % tcpi_snd_cwnd\n");
        assert_eq!(outcomes[0], Outcome::Holds);
        assert_eq!(outcomes[1], Outcome::Fails("tcpi_snd_cwnd = 10 (cwnd=10)".to_owned()));
    }

    #[test]
    fn statements_may_share_a_line_or_take_several() {
        assert_eq!(check("assert 1; assert tcpi_ca_state == TCP_CA_Recovery").len(), 2);
        assert_eq!(
            check("assert (1 ==\n 1), \\\n 'x'\n# comment\nassert not 0"),
            [Outcome::Holds, Outcome::Holds]
        );
    }

    #[test]
    fn unknown_names_are_named() {
        assert_eq!(check("assert tcpi_colour == 3"), [Outcome::Unknown("field `tcpi_colour`".to_owned())]);
        assert!(parse("import os", 1).is_err());
    }
}
