//! Cells and tables: what every result is made of before it becomes CSV.

use std::fmt;

/// One cell of a table, and one value of an experiment's parameter.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Does not apply; an empty cell.
    Nothing,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text, possibly with a unit ("20ms").
    Text(String),
}

impl Value {
    /// The number, if it is one; true counts as 1 and false as 0.
    pub fn number_or_truth(&self) -> Option<f64> {
        match self {
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            other => other.number(),
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    /// As in CSV: shortest floats that round-trip, whole floats without a fraction, nothing as an empty text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nothing => Ok(()),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(x) if x.is_nan() => Ok(()),
            Value::Float(x) if *x == x.trunc() && x.abs() < 1e15 => write!(f, "{}", *x as i64),
            Value::Float(x) => write!(f, "{x}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Value::Float(x)
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        i64::try_from(n).map_or(Value::Float(n as f64), Value::Int)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Nothing, Into::into)
    }
}

/// A table with named columns; every row has one cell for each.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Table {
    /// Column names, in order.
    pub columns: Vec<String>,
    /// Rows, in order.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Table { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When the number of cells is not the number of columns.
    pub fn push(&mut self, row: Vec<Value>) {
        assert_eq!(row.len(), self.columns.len(), "a row of {} cells for {:?}", row.len(), self.columns);
        self.rows.push(row);
    }

    /// Adds a row given as (column, value) pairs; columns not seen before are added at the end and are empty in earlier rows.
    pub fn push_named(&mut self, cells: Vec<(String, Value)>) {
        let mut row = vec![Value::Nothing; self.columns.len()];
        for (name, value) in cells {
            let at = self.columns.iter().position(|column| *column == name).unwrap_or_else(|| {
                self.columns.push(name);
                self.rows.iter_mut().for_each(|row| row.push(Value::Nothing));
                row.push(Value::Nothing);
                self.columns.len() - 1
            });
            row[at] = value;
        }
        self.rows.push(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_floats_print_without_a_fraction_and_others_round_trip() {
        assert_eq!(Value::Float(4.0).to_string(), "4");
        assert_eq!(Value::Float(0.1).to_string(), "0.1");
        assert_eq!(Value::Float(f64::NAN).to_string(), "");
        assert_eq!(Value::Nothing.to_string(), "");
    }

    #[test]
    fn a_late_column_is_empty_in_earlier_rows() {
        let mut table = Table::default();
        table.push_named(vec![("a".into(), 1i64.into())]);
        table.push_named(vec![("b".into(), 2i64.into())]);
        assert_eq!(table.columns, ["a", "b"]);
        assert_eq!(table.rows, [[Value::Int(1), Value::Nothing], [Value::Nothing, Value::Int(2)]]);
    }
}
