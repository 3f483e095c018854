//! A table of results for plotting: fresh from a sweep or read back from a CSV file.

use crate::error::{LabError, suggestion};
use crate::filter::read_value;
use crate::params::{amount, measure, same};
use std::collections::BTreeMap;
use std::path::Path;
use tidewire_metrics::{Table, Value};
use tidewire_script::Point;

/// Rows of one or more runs.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The cells.
    pub table: Table,
    /// Names of the columns that are parameters, as far as known.
    pub params: Vec<String>,
    /// Units of metrics whose names do not say.
    pub units: BTreeMap<String, String>,
    /// What the figures are of: the experiment's name.
    pub name: String,
}

impl Frame {
    /// Reads a CSV file, keeping the rows that `wanted` takes. Errors: no such file, not CSV.
    pub fn read(
        path: &Path,
        wanted: &dyn Fn(&[String], &csv::StringRecord) -> bool,
    ) -> Result<Frame, LabError> {
        let failed = |error: csv::Error| LabError::io("cannot read", path, error.into(), "");
        let packed = if path.is_file() { path.to_owned() } else { path.with_extension("csv.gz") };
        let path = if packed.is_file() { packed.as_path() } else { path };
        let file = std::fs::File::open(path).map_err(|error| LabError::io("cannot read", path, error, ""))?;
        let file: Box<dyn std::io::Read> = match path.extension() {
            Some(extension) if extension == "gz" => Box::new(flate2::read::GzDecoder::new(file)),
            _ => Box::new(std::io::BufReader::new(file)),
        };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let columns: Vec<String> = reader.headers().map_err(failed)?.iter().map(str::to_owned).collect();
        let mut table = Table::new(columns.clone());
        for record in reader.records() {
            let record = record.map_err(failed)?;
            if wanted(&columns, &record) {
                let cell = |at: usize| match record.get(at) {
                    None | Some("") => Value::Nothing,
                    Some(text) => read_value(text),
                };
                table.push((0..columns.len()).map(cell).collect());
            }
        }
        Ok(Frame { table, ..Frame::default() })
    }

    /// The position of a column. Errors: there is none of this name.
    pub fn column(&self, name: &str, what: &str) -> Result<usize, LabError> {
        let columns = &self.table.columns;
        columns.iter().position(|column| column == name).ok_or_else(|| {
            let hint = suggestion(name, "columns", columns.iter().map(String::as_str));
            LabError::script(
                format!("plot: {what} = \"{name}\" is neither a parameter nor a metric{hint}"),
                None,
            )
        })
    }

    /// Rows that have all these values and did not fail.
    pub fn select(&self, only: &Point) -> Result<Vec<&Vec<Value>>, LabError> {
        let wanted: Vec<(usize, &Value)> = only
            .iter()
            .map(|(name, value)| Ok((self.column(name, "where")?, value)))
            .collect::<Result<_, LabError>>()?;
        let status = self.table.columns.iter().position(|column| column == "status");
        let good = |row: &&Vec<Value>| status.is_none_or(|at| row[at] != Value::from("failed"));
        let fits = |row: &&Vec<Value>| wanted.iter().all(|(at, value)| same(&row[*at], value));
        Ok(self.table.rows.iter().filter(good).filter(fits).collect())
    }
}

/// Distinct values in the order of their appearance, or ascending if all of them are amounts of one kind.
pub fn distinct<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for value in values {
        if *value != Value::Nothing && !found.iter().any(|known| same(known, value)) {
            found.push(value.clone());
        }
    }
    if one_kind(&found) {
        let key = |value: &Value| amount(value).unwrap_or(f64::NAN);
        found.sort_by(|a, b| key(a).total_cmp(&key(b)));
    }
    found
}

/// Whether all values are plain numbers, or texts with units of one kind.
pub fn one_kind(values: &[Value]) -> bool {
    let kind = |value: &Value| match value {
        Value::Text(text) => measure(text).map(|(kind, _)| Some(kind)),
        Value::Int(_) | Value::Float(_) => Some(None),
        _ => None,
    };
    let Some(first) = values.first().and_then(kind) else { return false };
    values.iter().all(|value| kind(value) == Some(first))
}
