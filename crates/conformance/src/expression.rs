//! Expressions of the assertions: integers, names, comparisons, arithmetic, `'..%d' % x`.

use crate::cursor::ScriptError;

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// A number.
    Int(i64),
    /// A string.
    Text(String),
    /// A field or constant.
    Name(String),
    /// `not`, `-`
    Unary(&'static str, Box<Expr>),
    /// Arithmetic, `and`, `or`.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `a < b <= c`
    Compare(Box<Expr>, Vec<(&'static str, Expr)>),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `abs(a)`, `min(a, b)`, `max(a, b)`, `int(a)`
    Call(&'static str, Vec<Expr>),
}

/// What an expression is worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number or a truth value.
    Int(i64),
    /// A string.
    Text(String),
    /// Several.
    Tuple(Vec<Value>),
}

impl Value {
    /// Is it true?
    pub fn truth(&self) -> bool {
        match self {
            Value::Int(value) => *value != 0,
            Value::Text(text) => !text.is_empty(),
            Value::Tuple(values) => !values.is_empty(),
        }
    }
}

impl Expr {
    /// Appends the names that occur.
    pub fn names(&self, out: &mut Vec<String>) {
        match self {
            Expr::Name(name) => out.push(name.clone()),
            Expr::Int(_) | Expr::Text(_) => {}
            Expr::Unary(_, inner) => inner.names(out),
            Expr::Binary(_, left, right) => {
                left.names(out);
                right.names(out);
            }
            Expr::Compare(first, rest) => {
                first.names(out);
                rest.iter().for_each(|(_, expr)| expr.names(out));
            }
            Expr::Tuple(parts) | Expr::Call(_, parts) => parts.iter().for_each(|part| part.names(out)),
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Int(i64),
    Text(String),
    Word(String),
    Symbol(&'static str),
    Newline,
}

const SYMBOLS: [&str; 20] = [
    "==", "!=", "<=", ">=", "//", "<<", ">>", "<", ">", "+", "-", "*", "/", "%", "(", ")", ",", "&", "|", ";",
];
const FUNCTIONS: [&str; 4] = ["abs", "int", "max", "min"];
const MAX_DEPTH: u32 = 32;

/// Reads statements token by token.
pub(crate) struct Parser {
    tokens: Vec<(u32, Token)>,
    at: usize,
    depth: u32,
    last_line: u32,
}

impl Parser {
    pub fn new(text: &str, first_line: u32) -> Result<Parser, ScriptError> {
        let (mut tokens, mut line, mut open) = (Vec::new(), first_line, 0);
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let mut taken = c.len_utf8();
            if rest.starts_with("\\\n") {
                (taken, line) = (2, line + 1);
            } else if c == '\n' {
                if open == 0 {
                    tokens.push((line, Token::Newline));
                }
                line += 1;
            } else if c == '#' {
                taken = rest.find('\n').unwrap_or(rest.len());
            } else if c.is_ascii_digit() || c.is_ascii_alphabetic() || c == '_' {
                taken = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push((line, word(&rest[..taken], line)?));
            } else if c == '\'' || c == '"' {
                let Some(end) = rest[1..].find(c) else {
                    return Err(ScriptError { line, what: "a string without its end".to_owned() });
                };
                tokens.push((line, Token::Text(rest[1..=end].to_owned())));
                line += rest[1..=end].matches('\n').count() as u32;
                taken = end + 2;
            } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                open += i32::from(*symbol == "(") - i32::from(*symbol == ")");
                tokens.push((line, Token::Symbol(symbol)));
                taken = symbol.len();
            } else if !c.is_whitespace() {
                return Err(ScriptError { line, what: format!("`{c}` in a code block") });
            }
            rest = &rest[taken..];
        }
        Ok(Parser { tokens, at: 0, depth: 0, last_line: line })
    }

    pub fn line(&self) -> u32 {
        self.tokens.get(self.at).map_or(self.last_line, |token| token.0)
    }

    pub fn position(&self) -> usize {
        self.at
    }

    /// The tokens since `start`, as text.
    pub fn written(&self, start: usize) -> String {
        let words = self.tokens[start..self.at].iter().map(|(_, token)| match token {
            Token::Int(value) => value.to_string(),
            Token::Text(text) => format!("'{text}'"),
            Token::Word(word) => word.clone(),
            Token::Symbol(symbol) => (*symbol).to_owned(),
            Token::Newline => String::new(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|token| &token.1)
    }

    /// Goes to the next statement; false at the end.
    pub fn skip_newlines(&mut self) -> bool {
        while matches!(self.peek(), Some(Token::Newline | Token::Symbol(";"))) {
            self.at += 1;
        }
        self.peek().is_some()
    }

    pub fn end_of_statement(&self) -> Result<(), ScriptError> {
        match self.peek() {
            None | Some(Token::Newline | Token::Symbol(";")) => Ok(()),
            Some(_) => self.error("something after the end of an expression"),
        }
    }

    pub fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol);
        self.at += usize::from(found);
        found
    }

    pub fn word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek().cloned() else { return None };
        self.at += 1;
        Some(word)
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == keyword);
        self.at += usize::from(found);
        found
    }

    fn error<T>(&self, what: &str) -> Result<T, ScriptError> {
        Err(ScriptError { line: self.line(), what: format!("code block: {what}") })
    }

    pub fn expression(&mut self) -> Result<Expr, ScriptError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error("nested too deeply");
        }
        let mut left = self.conjunction()?;
        while self.keyword("or") {
            left = Expr::Binary("or", Box::new(left), Box::new(self.conjunction()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expr, ScriptError> {
        let mut left = self.negation()?;
        while self.keyword("and") {
            left = Expr::Binary("and", Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expr, ScriptError> {
        let mut nots = 0;
        while self.keyword("not") {
            nots += 1;
        }
        let inner = self.comparison()?;
        Ok((0..nots.min(2 + nots % 2)).fold(inner, |inner, _| Expr::Unary("not", Box::new(inner))))
    }

    fn comparison(&mut self) -> Result<Expr, ScriptError> {
        let first = self.binary(0)?;
        let mut rest = Vec::new();
        while let Some(operator) =
            ["==", "!=", "<=", ">=", "<", ">"].into_iter().find(|operator| self.symbol(operator))
        {
            rest.push((operator, self.binary(0)?));
        }
        if rest.is_empty() {
            let start = self.at;
            let not = self.keyword("not");
            if self.keyword("in") {
                let all = self.binary(0)?;
                return Ok(Expr::Binary(if not { "not in" } else { "in" }, Box::new(first), Box::new(all)));
            }
            self.at = start;
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    fn binary(&mut self, level: usize) -> Result<Expr, ScriptError> {
        const LEVELS: [&[&str]; 5] = [&["|"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "//", "/", "%"]];
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.symbol(operator)) {
            left = Expr::Binary(operator, Box::new(left), Box::new(self.binary(level + 1)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, ScriptError> {
        if self.symbol("-") {
            return match self.peek().cloned() {
                Some(Token::Int(_)) => Ok(Expr::Unary("-", Box::new(self.primary()?))),
                _ => self.error("expected a number after `-`"),
            };
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, ScriptError> {
        if self.symbol("(") {
            let mut parts = vec![self.expression()?];
            let mut tuple = false;
            while self.symbol(",") {
                tuple = true;
                if matches!(self.peek(), Some(Token::Symbol(")"))) {
                    break;
                }
                parts.push(self.expression()?);
            }
            if !self.symbol(")") {
                return self.error("`)` is missing");
            }
            return Ok(if tuple { Expr::Tuple(parts) } else { parts.swap_remove(0) });
        }
        let expr = match self.peek().cloned() {
            Some(Token::Int(value)) => Expr::Int(value),
            Some(Token::Text(text)) => Expr::Text(text),
            Some(Token::Word(word)) => match word.as_str() {
                "True" => Expr::Int(1),
                "False" => Expr::Int(0),
                "and" | "or" | "not" | "assert" => return self.error("expected a value"),
                _ => Expr::Name(word),
            },
            _ => return self.error("expected a value"),
        };
        self.at += 1;
        match &expr {
            Expr::Name(name) if matches!(self.peek(), Some(Token::Symbol("("))) => {
                let Some(name) = FUNCTIONS.iter().find(|known| *known == name) else {
                    return self.error(&format!("function `{name}`"));
                };
                Ok(match self.primary()? {
                    Expr::Tuple(args) => Expr::Call(name, args),
                    one => Expr::Call(name, vec![one]),
                })
            }
            _ => Ok(expr),
        }
    }
}

fn word(text: &str, line: u32) -> Result<Token, ScriptError> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(Token::Word(text.to_owned()));
    }
    let value = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    value.map(Token::Int).map_err(|_| ScriptError { line, what: format!("`{text}` is not a number") })
}

/// The value of an expression.
///
/// # Errors
/// An unknown name, or an operation that has no result.
pub fn evaluate(expr: &Expr, lookup: &dyn Fn(&str) -> Option<i64>) -> Result<Value, String> {
    Ok(match expr {
        Expr::Int(value) => Value::Int(*value),
        Expr::Text(text) => Value::Text(text.clone()),
        Expr::Name(name) => Value::Int(lookup(name).ok_or_else(|| format!("field `{name}`"))?),
        Expr::Tuple(parts) => {
            let values: Result<Vec<Value>, String> =
                parts.iter().map(|part| evaluate(part, lookup)).collect();
            Value::Tuple(values?)
        }
        Expr::Call(name, args) => {
            let values: Result<Vec<Value>, String> = args.iter().map(|arg| evaluate(arg, lookup)).collect();
            call(name, &values?)?
        }
        Expr::Unary(operator, inner) => {
            let value = evaluate(inner, lookup)?;
            match (*operator, value) {
                ("-", Value::Int(value)) => Value::Int(value.wrapping_neg()),
                (_, value) => Value::Int(i64::from(!value.truth())),
            }
        }
        Expr::Compare(first, rest) => {
            let mut left = evaluate(first, lookup)?;
            for (operator, right) in rest {
                let right = evaluate(right, lookup)?;
                if !compare(operator, &left, &right)? {
                    return Ok(Value::Int(0));
                }
                left = right;
            }
            Value::Int(1)
        }
        Expr::Binary(operator, left, right) => {
            let left = evaluate(left, lookup)?;
            match *operator {
                "and" if !left.truth() => left,
                "or" if left.truth() => left,
                _ => binary(operator, left, evaluate(right, lookup)?)?,
            }
        }
    })
}

fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    let numbers = args.iter().map(|arg| match arg {
        Value::Int(value) => Some(*value),
        _ => None,
    });
    let numbers: Option<Vec<i64>> = numbers.collect();
    let result = match (name, numbers.as_deref()) {
        ("abs", Some([one])) => one.checked_abs(),
        ("int", Some([one])) => Some(*one),
        ("max", Some(all)) => all.iter().copied().max(),
        ("min", Some(all)) => all.iter().copied().min(),
        _ => None,
    };
    result.map(Value::Int).ok_or_else(|| format!("function `{name}` of such values"))
}

fn compare(operator: &str, left: &Value, right: &Value) -> Result<bool, String> {
    let order = match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => return Err("comparison of values of different kinds".to_owned()),
    };
    Ok(match operator {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn binary(operator: &str, left: Value, right: Value) -> Result<Value, String> {
    let (a, b) = match (left, right) {
        (_, right) if operator == "and" || operator == "or" => return Ok(right),
        (one, Value::Tuple(all)) if operator == "in" || operator == "not in" => {
            return Ok(Value::Int(i64::from(all.contains(&one) == (operator == "in"))));
        }
        (Value::Text(format), right) if operator == "%" => return Ok(Value::Text(formatted(&format, right))),
        (Value::Text(a), Value::Text(b)) if operator == "+" => return Ok(Value::Text(a + &b)),
        (Value::Int(a), Value::Int(b)) => (a, b),
        _ => return Err(format!("operator `{operator}` on such values")),
    };
    let result = match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" | "//" => a.checked_div_euclid(b),
        "%" => a.checked_rem_euclid(b),
        "<<" => u32::try_from(b).ok().filter(|b| *b < 63).and_then(|b| a.checked_mul(1 << b)),
        ">>" => u32::try_from(b).ok().and_then(|b| a.checked_shr(b)),
        "&" => Some(a & b),
        _ => Some(a | b),
    };
    result.map(Value::Int).ok_or_else(|| format!("{a} {operator} {b} has no value"))
}

/// Puts values in the place of `%d` and the like.
fn formatted(format: &str, values: Value) -> String {
    let values = match values {
        Value::Tuple(values) => values,
        one => vec![one],
    };
    let mut values = values.into_iter();
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.find(|c| c.is_ascii_alphabetic() || *c == '%') {
            Some('%') | None => out.push('%'),
            Some(_) => match values.next() {
                Some(Value::Int(value)) => out.push_str(&value.to_string()),
                Some(Value::Text(text)) => out.push_str(&text),
                _ => out.push('?'),
            },
        }
    }
    out
}
