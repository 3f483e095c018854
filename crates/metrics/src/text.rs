//! Tables as text: CSV for files, aligned columns for a terminal.

use crate::{Table, Value};

/// The table as CSV: a line of column names, then one line per row. Quoted as RFC 4180 says, lines end in a single line feed, UTF-8.
pub fn csv_text(table: &Table) -> String {
    let mut text = CsvText::new();
    text.names(&table.columns);
    table.rows.iter().for_each(|row| text.row(row));
    text.finish()
}

/// CSV text written line by line, for tables that are never whole in memory.
pub struct CsvText {
    writer: csv::Writer<Vec<u8>>,
    cell: String,
}

impl Default for CsvText {
    fn default() -> Self {
        Self::new()
    }
}

impl CsvText {
    /// Without any line.
    pub fn new() -> Self {
        CsvText {
            writer: csv::WriterBuilder::new().flexible(true).from_writer(Vec::new()),
            cell: String::new(),
        }
    }

    /// A line of column names.
    pub fn names<S: AsRef<str>>(&mut self, names: &[S]) {
        self.writer.write_record(names.iter().map(AsRef::as_ref)).expect("writing to memory");
    }

    /// A line of values.
    pub fn row(&mut self, cells: &[Value]) {
        use std::fmt::Write;
        for cell in cells {
            self.cell.clear();
            write!(self.cell, "{cell}").expect("writing to memory");
            self.writer.write_field(&self.cell).expect("writing to memory");
        }
        self.writer.write_record(None::<&[u8]>).expect("writing to memory");
    }

    /// Bytes since the last call, leaving an empty buffer.
    pub fn take(&mut self) -> Vec<u8> {
        let fresh = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        std::mem::replace(&mut self.writer, fresh).into_inner().expect("writing to memory")
    }

    /// Everything not yet taken.
    pub fn finish(mut self) -> String {
        String::from_utf8(self.take()).expect("all cells are UTF-8")
    }
}

/// Where a column's cells stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table for a terminal: aligned columns, two spaces between them.
#[derive(Clone, Debug, Default)]
pub struct TextTable {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// With columns that stand like this.
    pub fn new(align: impl Into<Vec<Align>>) -> Self {
        TextTable { align: align.into(), rows: Vec::new() }
    }

    /// Adds a line; missing cells are empty.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// The widest line, in characters.
    pub fn width(&self) -> usize {
        self.widths().iter().sum::<usize>() + 2 * self.align.len().saturating_sub(1)
    }

    /// The lines, without trailing spaces.
    pub fn lines(&self) -> Vec<String> {
        let widths = self.widths();
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (at, width) in widths.iter().enumerate() {
                let cell = row.get(at).map_or("", String::as_str);
                let pad = " ".repeat(width - cell.chars().count());
                line.push_str(if at == 0 { "" } else { "  " });
                match self.align[at] {
                    Align::Left => line.extend([cell, &pad]),
                    Align::Right => line.extend([pad.as_str(), cell]),
                }
            }
            line.truncate(line.trim_end().len());
            line
        };
        self.rows.iter().map(line).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let wide =
            |at: usize| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        (0..self.align.len()).map(|at| wide(at).unwrap_or(0)).collect()
    }
}

/// A number for reading: about three digits, never an exponent in the usual range.
pub fn human(x: f64) -> String {
    if !x.is_finite() {
        return "-".to_owned();
    }
    if x != 0.0 && !(1e-4..1e9).contains(&x.abs()) {
        return format!("{x:.2e}");
    }
    // Counts are whole.
    format!("{x:.*}", if x == x.trunc() { 0 } else { decimals_for(x) })
}

/// Decimals that show `x` with three digits: 9.38, 12.3, 124, 0.0123.
pub fn decimals_for(x: f64) -> usize {
    match x.abs() {
        0.0 => 0,
        x if x >= 99.95 => 0,
        x if x >= 9.995 => 1,
        x if x >= 0.9995 => 2,
        x if x >= 0.0995 => 3,
        x if x >= 0.00995 => 4,
        x if x >= 0.000995 => 5,
        _ => 6,
    }
}

/// A large number for reading: `9.4 G`, `12.3 k`, `812`.
pub fn human_count(x: f64) -> String {
    let (scale, prefix) = match x.abs() {
        x if x >= 1e12 => (1e12, " T"),
        x if x >= 1e9 => (1e9, " G"),
        x if x >= 1e6 => (1e6, " M"),
        x if x >= 1e3 => (1e3, " k"),
        _ => return format!("{x:.0}"),
    };
    let scaled = x / scale;
    format!("{scaled:.*}{prefix}", usize::from(scaled < 99.95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it_and_leaves_numbers_short() {
        let mut table = Table::new(["a", "b,c"]);
        table.push(vec![Value::Float(0.1), "say \"hi\"".into()]);
        table.push(vec![Value::Nothing, "two\nlines".into()]);
        table.push(vec![Value::Float(1e-7), "é".into()]);
        assert_eq!(csv_text(&table), "a,\"b,c\"\n0.1,\"say \"\"hi\"\"\"\n,\"two\nlines\"\n0.0000001,é\n");
    }

    #[test]
    fn a_row_of_one_empty_cell_is_still_a_row() {
        let mut table = Table::new(["a"]);
        table.push(vec![Value::Nothing]);
        assert_eq!(csv_text(&table), "a\n\"\"\n");
    }

    #[test]
    fn csv_can_be_taken_in_pieces() {
        let mut text = CsvText::new();
        text.names(&["x"]);
        text.row(&[1i64.into()]);
        assert_eq!(text.take(), b"x\n1\n");
        text.row(&[2i64.into()]);
        assert_eq!(text.finish(), "2\n");
    }

    #[test]
    fn text_tables_align_their_columns() {
        let mut table = TextTable::new([Align::Left, Align::Right]);
        table.row(["name", "±"]).row(["x", "12.5"]).row(["longer"]);
        assert_eq!(table.lines(), ["name       ±", "x       12.5", "longer"]);
        assert_eq!(table.width(), 12);
    }

    #[test]
    fn numbers_for_reading_have_three_digits() {
        let cases = [
            (9.3812, "9.38"),
            (0.0, "0"),
            (123.4, "123"),
            (0.012345, "0.0123"),
            (1e12, "1.00e12"),
            (-5.55, "-5.55"),
            (9.999, "10.0"),
            (3.0, "3"),
        ];
        for (x, text) in cases {
            assert_eq!(human(x), text);
        }
        assert_eq!([812.0, 12345.0, 1.94e6, 9.4e9].map(human_count), ["812", "12.3 k", "1.9 M", "9.4 G"]);
    }
}
