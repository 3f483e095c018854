//! The file of one finished run: all of its result, line by line in JSON, so that tables can be merged without being parsed twice.
//!
//! ```text
//!   {"format":1,"run":"tcp-0pct-r1","record":[...],"tables":[{"name":"flows","columns":[...],"rows":2}],...}
//!   ["flow 1",...]
//!   ["flow 2",...]
//! ```

use crate::plan::PlannedRun;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use tidewire_metrics::{Table, Value};
use tidewire_script::{Check, Ended, Fault, Place, Point, RunResult, ScriptError, Warning};
use tidewire_units::Span;

/// Raised whenever the meaning of a field changes: older parts are then run again.
const FORMAT: u32 = 1;

/// A finished run as its file holds it.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which run.
    pub run: PlannedRun,
    /// All it measured.
    pub result: RunResult,
}

/// Why a file is not a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotAPart(String);

impl fmt::Display for NotAPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type StoredPlace = Option<(String, u32)>;

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    run: String,
    point: Vec<(String, Value)>,
    rep: u32,
    seed: u64,
    ended: String,
    error: Option<StoredError>,
    sim_ps: u64,
    events: u64,
    packet_hops: u64,
    record: Vec<(String, Value)>,
    checks: Vec<(bool, String, StoredPlace)>,
    #[serde(default)]
    warnings: Vec<(String, StoredPlace)>,
    log: Vec<String>,
    files: Vec<(PathBuf, String)>,
    tables: Vec<TableHead>,
}

#[derive(Serialize, Deserialize)]
struct StoredError {
    fault: String,
    place: StoredPlace,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct TableHead {
    name: String,
    columns: Vec<String>,
    rows: usize,
}

/// The text of a part.
pub fn encode(run: &PlannedRun, result: &RunResult) -> String {
    let place = |place: &Option<Place>| place.as_ref().map(|p| (p.file.clone(), p.line));
    let table_head = |(name, table): &(String, Table)| TableHead {
        name: name.clone(),
        columns: table.columns.clone(),
        rows: table.rows.len(),
    };
    let head = Head {
        format: FORMAT,
        run: run.id.clone(),
        point: run.point.clone(),
        rep: run.rep,
        seed: run.seed,
        ended: ended_word(result.ended).to_owned(),
        error: result.error.as_ref().map(|error| StoredError {
            fault: fault_word(error.fault).to_owned(),
            place: place(&error.place),
            message: error.message.clone(),
        }),
        sim_ps: result.sim.as_ps(),
        events: result.events,
        packet_hops: result.packet_hops,
        record: result.record.clone(),
        checks: result.checks.iter().map(|c| (c.passed, c.text.clone(), place(&c.place))).collect(),
        warnings: result.warnings.iter().map(|w| (w.text.clone(), place(&w.place))).collect(),
        log: result.log.clone(),
        files: result.files.clone(),
        tables: result.tables.iter().map(table_head).collect(),
    };
    let mut text = json(&head);
    for row in result.tables.iter().flat_map(|(_, table)| &table.rows) {
        text.push('\n');
        text.push_str(&json(row));
    }
    text.push('\n');
    text
}

impl Part {
    /// Everything but the rows of tables: enough to know whether a run is there, and which columns it has.
    pub fn decode_head(text: &str) -> Result<Part, NotAPart> {
        decode_head(text.lines().next().unwrap_or_default()).map(|(part, _)| part)
    }

    /// From a file's text. Errors: not such a file, another format, or cut off.
    pub fn decode(text: &str) -> Result<Part, NotAPart> {
        let mut lines = text.lines();
        let (mut part, rows) = decode_head(lines.next().unwrap_or_default())?;
        for ((name, table), rows) in part.result.tables.iter_mut().zip(rows) {
            for _ in 0..rows {
                let row: Vec<Value> = parse(lines.next().ok_or_else(|| NotAPart("it is cut off".into()))?)?;
                if row.len() != table.columns.len() {
                    return Err(NotAPart(format!("a row of {name} has {} cells", row.len())));
                }
                table.push(row);
            }
        }
        Ok(part)
    }
}

/// The part without rows, and the number of rows of each table.
fn decode_head(line: &str) -> Result<(Part, Vec<usize>), NotAPart> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = parse(line)?;
    if format != FORMAT {
        return Err(NotAPart(format!("it has format {format}; this is {FORMAT}")));
    }
    let head: Head = parse(line)?;
    let place = |place: StoredPlace| place.map(|(file, line)| Place { file, line });
    let error = head.error.map(|error| {
        let fault = fault_of(&error.fault)?;
        Ok(ScriptError { fault, place: place(error.place), message: error.message })
    });
    let point: Point = head.point;
    let rows = head.tables.iter().map(|table| table.rows).collect();
    let result = RunResult {
        ended: ended_of(&head.ended)?,
        error: error.transpose()?,
        sim: Span::from_ps(head.sim_ps),
        events: head.events,
        packet_hops: head.packet_hops,
        record: head.record,
        tables: head.tables.into_iter().map(|t| (t.name, Table::new(t.columns))).collect(),
        checks: head
            .checks
            .into_iter()
            .map(|(passed, text, at)| Check { passed, text, place: place(at) })
            .collect(),
        warnings: head.warnings.into_iter().map(|(text, at)| Warning { text, place: place(at) }).collect(),
        log: head.log,
        files: head.files,
    };
    Ok((Part { run: PlannedRun { id: head.run, point, rep: head.rep, seed: head.seed }, result }, rows))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists are JSON")
}

fn parse<'de, T: Deserialize<'de>>(line: &'de str) -> Result<T, NotAPart> {
    serde_json::from_str(line).map_err(|error| NotAPart(error.to_string()))
}

/// As `runs.csv` says it.
pub fn ended_word(ended: Ended) -> &'static str {
    match ended {
        Ended::Duration => "duration",
        Ended::Finished => "finished",
        Ended::Stopped => "stopped",
        Ended::Failed => "failed",
        Ended::Cut => "cut",
    }
}

fn ended_of(word: &str) -> Result<Ended, NotAPart> {
    [Ended::Duration, Ended::Finished, Ended::Stopped, Ended::Failed, Ended::Cut]
        .into_iter()
        .find(|ended| ended_word(*ended) == word)
        .ok_or_else(|| NotAPart(format!("it ended with '{word}'")))
}

fn fault_word(fault: Fault) -> &'static str {
    match fault {
        Fault::Script => "script",
        Fault::Limit => "limit",
        Fault::Io => "io",
    }
}

fn fault_of(word: &str) -> Result<Fault, NotAPart> {
    [Fault::Script, Fault::Limit, Fault::Io]
        .into_iter()
        .find(|fault| fault_word(*fault) == word)
        .ok_or_else(|| NotAPart(format!("a fault of '{word}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        let mut table = Table::new(["a", "b"]);
        table.push(vec![Value::Float(0.1 + 0.2), Value::Int(3)]);
        table.push(vec![Value::Float(4.0), Value::Nothing]);
        table.push(vec![Value::Float(f64::INFINITY), "two\nlines \"quoted\"".into()]);
        let result = RunResult {
            ended: Ended::Failed,
            error: Some(ScriptError {
                fault: Fault::Limit,
                place: Some(Place { file: "x.lua".into(), line: 3 }),
                message: "too long\n  here".into(),
            }),
            sim: Span::from_ps(u64::MAX),
            events: 1,
            packet_hops: 2,
            record: vec![("x".into(), Value::Float(1e300)), ("ok".into(), true.into())],
            tables: vec![("flows".into(), table), ("empty".into(), Table::new(["z"]))],
            checks: vec![Check { passed: false, text: "é".into(), place: None }],
            warnings: vec![Warning {
                text: "x_ms is infinite".into(),
                place: Some(Place { file: "x.lua".into(), line: 2 }),
            }],
            log: vec!["a".into(), String::new()],
            files: vec![("lib/m.lua".into(), "abc".into())],
        };
        let point = vec![("loss".to_owned(), "5%".into()), ("n".to_owned(), Value::Float(2.0))];
        Part { run: PlannedRun { id: "5pct-2-r1".into(), point, rep: 1, seed: 7 }, result }
    }

    #[test]
    fn a_part_holds_its_run_without_loss() {
        let part = part();
        let back = Part::decode(&encode(&part.run, &part.result)).unwrap();
        assert_eq!(format!("{back:?}"), format!("{part:?}"));
    }

    #[test]
    fn the_head_alone_names_the_run() {
        let part = part();
        let head = Part::decode_head(&encode(&part.run, &part.result)).unwrap();
        assert_eq!(head.run, part.run);
        assert!(head.result.tables[0].1.columns == ["a", "b"] && head.result.tables[0].1.rows.is_empty());
    }

    #[test]
    fn a_damaged_part_is_refused_wherever_it_is_cut() {
        let part = part();
        let text = encode(&part.run, &part.result);
        for length in (0..text.len() - 1).filter(|at| text.is_char_boundary(*at)) {
            // Only the last line may lose something that is no content: its line feed.
            assert!(Part::decode(&text[..length]).is_err(), "cut after {length} bytes");
        }
        assert!(Part::decode(&text.replacen("\"format\":1", "\"format\":2", 1)).is_err());
    }
}
