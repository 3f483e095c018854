//! `--only EXPR`: which runs of a plan to do.
//!
//! `loss=5% and proto=udp`, `n > 3 or rep == 1`, `not (loss < 1%)`. Values with units compare by what they measure.

use crate::error::suggestion;
use crate::params::{amount, same, value_of};
use std::cmp::Ordering;
use tidewire_metrics::Value;
use tidewire_script::Point;

/// A condition on parameters and `rep`.
#[derive(Clone, PartialEq, Debug)]
pub enum Filter {
    /// Either holds.
    Or(Box<Filter>, Box<Filter>),
    /// Both hold.
    And(Box<Filter>, Box<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A parameter compares like this with a value.
    Compare(String, Op, Value),
}

/// A comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `==`, `=`
    Equal,
    /// `!=`, `~=`
    Differs,
}

impl Op {
    /// The longest operator that `text` begins with, and what follows.
    pub fn take(text: &str) -> Option<(Op, &str)> {
        const OPS: [(&str, Op); 8] = [
            ("<=", Op::AtMost),
            (">=", Op::AtLeast),
            ("==", Op::Equal),
            ("!=", Op::Differs),
            ("~=", Op::Differs),
            ("<", Op::Less),
            (">", Op::Greater),
            ("=", Op::Equal),
        ];
        OPS.iter().find_map(|(symbol, op)| Some((*op, text.strip_prefix(symbol)?)))
    }

    /// Whether values in this order satisfy it.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Op::Less => order.is_lt(),
            Op::AtMost => order.is_le(),
            Op::Greater => order.is_gt(),
            Op::AtLeast => order.is_ge(),
            Op::Equal => order.is_eq(),
            Op::Differs => order.is_ne(),
        }
    }
}

impl Filter {
    /// Reads an expression. Errors: syntax, or a name that is neither a parameter nor `rep`.
    pub fn parse(text: &str, names: &[&str]) -> Result<Filter, String> {
        let mut reader = Reader { rest: text, names, depth: 0 };
        let filter = reader.any()?;
        if reader.rest.trim_start().is_empty() {
            Ok(filter)
        } else {
            Err(format!(
                "--only: what is '{}' doing here? join conditions with 'and' or 'or'",
                reader.rest.trim()
            ))
        }
    }

    /// Whether the run of `rep` at `point` is wanted.
    pub fn accepts(&self, point: &Point, rep: u32) -> bool {
        match self {
            Filter::Or(a, b) => a.accepts(point, rep) || b.accepts(point, rep),
            Filter::And(a, b) => a.accepts(point, rep) && b.accepts(point, rep),
            Filter::Not(a) => !a.accepts(point, rep),
            Filter::Compare(name, op, wanted) => {
                let value = match (name.as_str(), value_of(point, name)) {
                    ("rep", Value::Nothing) => Value::Int(i64::from(rep)),
                    (_, value) => value,
                };
                match (amount(&value), amount(wanted)) {
                    (Some(a), Some(b)) => a.partial_cmp(&b).is_some_and(|order| op.holds(order)),
                    _ if same(&value, wanted) => op.holds(Ordering::Equal),
                    _ => op.holds(value.to_string().cmp(&wanted.to_string())),
                }
            }
        }
    }
}

/// Nesting that no honest expression reaches.
const DEEPEST: u32 = 100;

struct Reader<'a> {
    rest: &'a str,
    names: &'a [&'a str],
    depth: u32,
}

impl<'a> Reader<'a> {
    fn any(&mut self) -> Result<Filter, String> {
        let mut left = self.all()?;
        while self.word("or") || self.symbol("||") {
            left = Filter::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Filter, String> {
        let mut left = self.one()?;
        while self.word("and") || self.symbol("&&") || self.symbol(",") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("--only: too many parentheses".to_owned());
        }
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        if self.symbol("(") {
            let inner = self.any()?;
            return if self.symbol(")") { Ok(inner) } else { Err("--only: a ')' is missing".to_owned()) };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, String> {
        let text = self.rest.trim_start();
        let name_end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        let (name, rest) = text.split_at(name_end);
        if name.is_empty() {
            return Err(format!("--only: expected a condition such as loss=5% at '{text}'"));
        }
        if name != "rep" && !self.names.contains(&name) {
            let hint = suggestion(name, "parameters", self.names.iter().copied());
            return Err(format!("--only: no parameter '{name}'{hint}"));
        }
        let (op, rest) = Op::take(rest.trim_start())
            .ok_or_else(|| format!("--only: expected one of < <= > >= == != after '{name}'"))?;
        let rest = rest.trim_start();
        let (value, rest) = match rest.strip_prefix(['"', '\'']) {
            Some(quoted) => {
                let quote = &rest[..1];
                quoted.split_once(quote).ok_or_else(|| format!("--only: a closing {quote} is missing"))?
            }
            None => rest.split_at(rest.find([' ', ')', ',', '&', '|']).unwrap_or(rest.len())),
        };
        if value.is_empty() {
            return Err(format!("--only: '{name}' is compared with nothing"));
        }
        self.rest = rest;
        Ok(Filter::Compare(name.to_owned(), op, read_value(value)))
    }

    fn word(&mut self, word: &str) -> bool {
        let text = self.rest.trim_start();
        match text
            .strip_prefix(word)
            .filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        {
            Some(rest)
                if !matches!(rest.trim_start().as_bytes().first(), Some(b'=' | b'<' | b'>' | b'!')) =>
            {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.rest.trim_start().strip_prefix(symbol).map(|rest| self.rest = rest).is_some()
    }
}

/// A value as written on a command line: a number, true, false or a text.
pub fn read_value(text: &str) -> Value {
    if let Ok(n) = text.parse::<i64>() {
        return Value::Int(n);
    }
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    match (text, text.parse::<f64>()) {
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        (_, Ok(x)) if numeric && x.is_finite() => Value::Float(x),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> Vec<String> {
        let filter = Filter::parse(text, &["proto", "loss", "n"]).unwrap_or_else(|error| panic!("{error}"));
        let mut found = Vec::new();
        for proto in ["tcp", "udp"] {
            for loss in ["0%", "1%", "10%"] {
                for n in [1i64, 2] {
                    let point = vec![
                        ("proto".into(), proto.into()),
                        ("loss".into(), loss.into()),
                        ("n".into(), n.into()),
                    ];
                    if filter.accepts(&point, n as u32) {
                        found.push(format!("{proto} {loss} {n}"));
                    }
                }
            }
        }
        found
    }

    #[test]
    fn conditions_select_runs() {
        assert_eq!(accepted("loss=10% and n==1"), ["tcp 10% 1", "udp 10% 1"]);
        assert_eq!(accepted("proto = 'udp', loss > 0.5%, rep = 2"), ["udp 1% 2", "udp 10% 2"]);
        assert_eq!(accepted("not (proto == tcp or loss >= 1%)"), ["udp 0% 1", "udp 0% 2"]);
        assert_eq!(accepted("n < 2 && loss != 0% && proto~=udp"), ["tcp 1% 1", "tcp 10% 1"]);
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        let cases = [
            ("lss=1%", "no parameter 'lss'; did you mean 'loss'?"),
            ("loss", "expected one of < <="),
            ("loss=", "compared with nothing"),
            ("(loss=1%", "a ')' is missing"),
            ("loss=1% n=2", "join conditions"),
            ("", "expected a condition"),
            ("loss='1%", "a closing ' is missing"),
        ];
        for (text, want) in cases {
            let error = Filter::parse(text, &["loss", "n"]).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(Filter::parse(&"(".repeat(100_000), &["n"]).is_err());
    }

    #[test]
    fn values_are_numbers_where_they_look_like_one() {
        assert_eq!(read_value("3"), Value::Int(3));
        assert_eq!(read_value("0.5"), Value::Float(0.5));
        assert_eq!(read_value("inf"), Value::from("inf"));
        assert_eq!(read_value("5%"), Value::from("5%"));
        assert_eq!(read_value("true"), Value::Bool(true));
    }
}
