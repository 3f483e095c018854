//! The values in a trace's header: numbers, texts, names and dictionaries as Python prints them.

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Literal {
    /// Also `True` and `False`, as 1 and 0.
    Number(f64),
    Text(String),
    Nothing,
    Map(Vec<(String, Literal)>),
    List(Vec<Literal>),
}

impl Literal {
    pub fn get(&self, key: &str) -> Option<&Literal> {
        match self {
            Literal::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Literal::Number(x) => Some(*x),
            Literal::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Literal::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn entries(&self) -> &[(String, Literal)] {
        if let Literal::Map(entries) = self { entries } else { &[] }
    }

    /// As the setting of a system control is written.
    pub fn as_setting(&self) -> String {
        match self {
            Literal::Number(x) => x.to_string(),
            Literal::Text(text) => text.clone(),
            Literal::List(items) => items.iter().map(Literal::as_setting).collect::<Vec<_>>().join(" "),
            Literal::Nothing | Literal::Map(_) => String::new(),
        }
    }
}

/// `key=value` pairs, separated by blanks; words without `=` are skipped.
pub(crate) fn parse_pairs(text: &str) -> Result<Literal, String> {
    let mut reader = Reader { rest: text.trim_start() };
    let mut pairs = Vec::new();
    while !reader.rest.is_empty() {
        let end = reader.rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(reader.rest.len());
        let word = reader.take(end);
        if reader.eat('=') {
            pairs.push((word.to_owned(), reader.value(0)?));
        }
        reader.blanks();
    }
    Ok(Literal::Map(pairs))
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Result<Literal, String> {
        if depth > 8 {
            return Err("nested too deeply".into());
        }
        match self.rest.chars().next() {
            Some('{') => self.map(depth),
            Some('[') => self.list(']', depth),
            Some('(') => self.list(')', depth),
            Some(quote @ ('\'' | '"')) => {
                self.take(1);
                let end = self.rest.find(quote).ok_or("a text without end")?;
                let text = self.take(end).to_owned();
                self.take(1);
                Ok(Literal::Text(text))
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || ",:}])".contains(c);
                let end = self.rest.find(ends).unwrap_or(self.rest.len());
                Ok(match self.take(end) {
                    "None" | "" => Literal::Nothing,
                    "True" => Literal::Number(1.0),
                    "False" => Literal::Number(0.0),
                    word => word.parse().map_or_else(|_| Literal::Text(word.to_owned()), Literal::Number),
                })
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Literal, String> {
        self.take(1);
        let mut entries = Vec::new();
        loop {
            self.blanks();
            if self.eat('}') {
                return Ok(Literal::Map(entries));
            }
            let key = self.value(depth + 1)?.as_setting();
            self.blanks();
            if !self.eat(':') {
                return Err(format!("no ':' after '{key}'"));
            }
            self.blanks();
            entries.push((key, self.value(depth + 1)?));
            self.blanks();
            if !self.eat(',') && !self.rest.starts_with('}') {
                return Err("a dictionary without end".into());
            }
        }
    }

    fn list(&mut self, end: char, depth: usize) -> Result<Literal, String> {
        self.take(1);
        let mut items = Vec::new();
        loop {
            self.blanks();
            if self.eat(end) {
                return Ok(Literal::List(items));
            }
            items.push(self.value(depth + 1)?);
            self.blanks();
            if !self.eat(',') && !self.rest.starts_with(end) {
                return Err("a list without end".into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_python_wrote_it() {
        let text = "d1 link={'rate': 10000000.0, 'drop': 'D18-20', 'seed': 1} client=None sysctls={'a.b': '1 2'} n=0";
        let header = parse_pairs(text).unwrap();
        let link = header.get("link").unwrap();
        assert_eq!((link.number("rate"), link.text("drop")), (Some(1e7), Some("D18-20")));
        assert_eq!(header.get("client"), Some(&Literal::Nothing));
        assert_eq!(header.get("sysctls").unwrap().text("a.b"), Some("1 2"));
        assert_eq!(header.number("n"), Some(0.0));
    }

    #[test]
    fn what_is_cut_off_is_an_error_and_never_a_panic() {
        let text = "x link={'rate': 1e7, 'drop': 'D1', 'l': [1, (2, 3)]} client=None";
        assert!(parse_pairs(text).is_ok());
        assert!(parse_pairs(&text[..20]).is_err());
        (0..text.len()).for_each(|end| drop(parse_pairs(&text[..end])));
        assert!(parse_pairs(&format!("a={}", "[".repeat(100))).is_err());
    }
}
