//! What a run measures and says: columns, tables, checks, the log.

use crate::{Check, Place, RunResult, ScriptError, Warning};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use tidewire_metrics::{Histogram, Table, Value};
use tidewire_units::Instant;

/// Columns that a run may have.
pub(crate) const MOST_FIGURES: usize = 20_000;
/// Columns of a histogram.
const FIGURES: usize = 5;

/// Everything that a script writes.
#[derive(Default)]
pub(crate) struct Output {
    /// Prints also go to the standard output.
    pub echo: bool,
    pub log: Vec<String>,
    pub checks: Vec<Check>,
    pub warnings: Vec<Warning>,
    record: Vec<(String, Value)>,
    /// Histograms, counters and gauges become columns at the end; by order of first appearance.
    pub histograms: Vec<(String, Histogram)>,
    pub numbers: Vec<(String, f64)>,
    tables: Vec<(String, Table)>,
    series: Vec<(Instant, usize, Vec<Value>)>,
    events: Vec<Vec<Value>>,
    positions: BTreeMap<String, usize>,
    kept: u64,
}

/// What a row takes.
fn bytes_of(row: &[Value]) -> u64 {
    let text = |value: &Value| if let Value::Text(text) = value { text.len() } else { 0 };
    row.iter().map(|value| (size_of::<Value>() + text(value)) as u64).sum()
}

/// What the run writes to, and what the watchdog saves when the run hangs: only the thread of the run uses it otherwise.
#[derive(Clone)]
pub(crate) struct SharedOutput(Arc<Mutex<Output>>);

impl SharedOutput {
    pub fn new(output: Output) -> SharedOutput {
        SharedOutput(Arc::new(Mutex::new(output)))
    }

    /// To read.
    pub fn borrow(&self) -> MutexGuard<'_, Output> {
        self.borrow_mut()
    }

    /// To write. Never while it is borrowed already.
    pub fn borrow_mut(&self) -> MutexGuard<'_, Output> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What the script has measured by now, as the result of a run that failed so; without anything where it is being written to.
    pub fn so_far(&self, error: ScriptError) -> RunResult {
        let mut result = crate::run::failed(error);
        if let Ok(mut out) = self.0.try_lock() {
            let watched = Table::new(["t_s", "object", "metric", "value", "in_warmup"]);
            result.record = out.columns();
            result.tables = out.take_tables(watched);
            result.checks = std::mem::take(&mut out.checks);
            result.warnings = std::mem::take(&mut out.warnings);
            result.log = std::mem::take(&mut out.log);
        }
        result
    }
}

impl Output {
    pub fn new(echo: bool) -> Output {
        Output { echo, ..Output::default() }
    }

    /// Writes a line.
    pub fn print(&mut self, at: Instant, text: &str) {
        if self.echo {
            use std::io::Write;
            let mut out = std::io::stdout().lock();
            // A closed pipe is no reason to end the run.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
        }
        let line = format!("[t={:.6}] {text}", at.as_secs_f64());
        self.kept += (line.len() + size_of::<String>()) as u64;
        self.log.push(line);
    }

    /// Sets a column of the run; says whether there was another value.
    pub fn record(&mut self, name: String, value: Value) -> bool {
        let next = self.record.len();
        let at = *self.positions.entry(format!("r:{name}")).or_insert(next);
        let replaced = match self.record.get_mut(at) {
            Some((_, old)) => Some(std::mem::replace(old, value.clone())),
            None => {
                self.record.push((name, value.clone()));
                None
            }
        };
        replaced.is_some_and(|old| old != value)
    }

    /// Whether one more figure of the run fits into its row of runs.csv.
    pub fn has_room(&self) -> bool {
        self.record.len() + self.numbers.len() + FIGURES * self.histograms.len() < MOST_FIGURES
    }

    /// The position of a histogram, made if it is new.
    pub fn histogram(&mut self, name: &str) -> usize {
        let key = format!("h:{name}");
        if let Some(at) = self.positions.get(&key) {
            return *at;
        }
        self.histograms.push((name.to_owned(), Histogram::new()));
        self.positions.insert(key, self.histograms.len() - 1);
        self.histograms.len() - 1
    }

    /// The position of a counter or gauge, made if it is new.
    pub fn number(&mut self, name: &str) -> usize {
        let key = format!("n:{name}");
        if let Some(at) = self.positions.get(&key) {
            return *at;
        }
        self.numbers.push((name.to_owned(), 0.0));
        self.positions.insert(key, self.numbers.len() - 1);
        self.numbers.len() - 1
    }

    /// A table by its name, made if it is new.
    pub fn table(&mut self, name: &str) -> &mut Table {
        let next = self.tables.len();
        let at = *self.positions.entry(format!("t:{name}")).or_insert(next);
        if at == next {
            self.tables.push((name.to_owned(), Table::default()));
        }
        &mut self.tables[at].1
    }

    /// A row of a table, by the names of its columns.
    pub fn row(&mut self, name: &str, cells: Vec<(String, Value)>) {
        self.kept += cells.iter().map(|(_, value)| bytes_of(std::slice::from_ref(value))).sum::<u64>();
        self.table(name).push_named(cells);
    }

    /// About how many bytes the lines, samples and rows take.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// A value of a time series.
    pub fn series(&mut self, at: Instant, object: &str, metric: &str, value: f64, warmup: Instant) {
        let unit = tidewire_metrics::unit_of(metric).map_or(Value::Nothing, Value::from);
        let row = vec![
            Value::from(at.as_secs_f64()),
            Value::from(object),
            Value::from(metric),
            if value.is_finite() { Value::from(value) } else { Value::Nothing },
            unit,
            Value::from(at < warmup),
        ];
        let order = self.series.len();
        self.kept += bytes_of(&row);
        self.series.push((at, order, row));
    }

    /// A row of the events.
    pub fn event(&mut self, at: Instant, object: Value, event: &str, to: Value) {
        let row = vec![Value::from(at.as_secs_f64()), object, Value::from(event), Value::Nothing, to];
        self.events.push(row);
    }

    /// A check of the script.
    pub fn check(&mut self, passed: bool, text: String, place: Option<Place>) {
        self.checks.push(Check { passed, text, place });
    }

    /// Something that is probably not meant so; each sentence is said once.
    pub fn warn(&mut self, text: impl Into<String>, place: Option<Place>) {
        let text = text.into();
        if !self.warnings.iter().any(|known| known.text == text) {
            self.warnings.push(Warning { text, place });
        }
    }

    /// Nothing of Lua is kept here.
    pub fn release(&mut self) {}

    /// The columns of the run: recorded ones, then counters and gauges, then the figures of histograms.
    pub fn columns(&self) -> Vec<(String, Value)> {
        let mut columns = self.record.clone();
        let mut taken: BTreeSet<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let mut add = |name: String, value: Value| {
            if taken.insert(name.clone()) {
                columns.push((name, value));
            }
        };
        for (name, value) in &self.numbers {
            add(name.clone(), Value::from(*value));
        }
        for (name, histogram) in &self.histograms {
            for (figure, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                add(format!("{name}_{figure}"), histogram.quantile(q).into());
            }
            add(format!("{name}_mean"), histogram.mean().into());
            add(format!("{name}_count"), histogram.count().into());
        }
        columns
    }

    /// The script's tables; `watched` is the series of the world, which the script's own series join.
    pub fn take_tables(&mut self, mut watched: Table) -> Vec<(String, Table)> {
        if !watched.columns.iter().any(|column| column == "unit") {
            add_units(&mut watched);
        }
        let mut rows: Vec<(f64, Vec<Value>)> = std::mem::take(&mut watched.rows)
            .into_iter()
            .map(|row| (row.first().and_then(Value::number).unwrap_or(0.0), row))
            .collect();
        rows.extend(self.series.drain(..).map(|(at, _, row)| (at.as_secs_f64(), row)));
        // Stable: at one instant the world's rows come first, then the script's in the order in which it added them.
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        watched.rows = rows.into_iter().map(|(_, row)| row).collect();
        let mut tables = vec![("series".to_owned(), watched)];
        if !self.events.is_empty() {
            let mut events = Table::new(["t_s", "object", "event", "from", "to"]);
            self.events.drain(..).for_each(|row| events.push(row));
            tables.push(("events".to_owned(), events));
        }
        if self.histograms.iter().any(|(_, histogram)| !histogram.is_empty()) {
            tables.push(("histograms".to_owned(), self.histogram_table()));
        }
        tables.append(&mut self.tables);
        self.positions.retain(|key, _| !key.starts_with("t:"));
        tables
    }

    fn histogram_table(&self) -> Table {
        let mut table = Table::new(["name", "unit", "low", "high", "count"]);
        for (name, histogram) in &self.histograms {
            let unit = tidewire_metrics::unit_of(name).map_or(Value::Nothing, Value::from);
            for bucket in histogram.buckets() {
                table.push(vec![
                    Value::from(&**name),
                    unit.clone(),
                    bucket.low.into(),
                    bucket.high.into(),
                    bucket.count.into(),
                ]);
            }
        }
        table
    }
}

/// Puts the unit of each metric after its value; a value that is not finite is left empty.
fn add_units(series: &mut Table) {
    series.columns.insert(4, "unit".to_owned());
    for row in &mut series.rows {
        let unit = match &row[2] {
            Value::Text(metric) => crate::spec::unit_of_watched(metric).map_or(Value::Nothing, Value::from),
            _ => Value::Nothing,
        };
        if row[3].number().is_some_and(|value| !value.is_finite()) {
            row[3] = Value::Nothing;
        }
        row.insert(4, unit);
    }
}
