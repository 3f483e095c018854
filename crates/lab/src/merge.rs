//! From the parts of single runs to the tables of the experiment, one run in memory at a time.

use crate::error::LabError;
use crate::folder::{Folder, write_whole};
use crate::params::point_id;
use crate::part::Part;
use crate::plan::Plan;
use crate::results::{Results, free_name, union_of_columns};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tidewire_metrics::{CsvText, Histogram, Table, Value, csv_text};

const RESERVED: [&str; 2] = ["runs", "summary"];
/// Text kept before it goes to the file.
const BUFFER_ROWS: usize = 4096;

/// Writes `runs.csv`, `summary.csv` and every table of every finished run of the folder.
pub fn merge(plan: &Plan, folder: &Folder) -> Result<Results, LabError> {
    merge_parts(plan, folder, folder.heads().into_values())
}

/// The same of these runs, whose parts are in the folder.
pub(crate) fn merge_parts(
    plan: &Plan,
    folder: &Folder,
    parts: impl IntoIterator<Item = Part>,
) -> Result<Results, LabError> {
    let advice = format!(
        "the finished runs are kept in {}; run again to merge them",
        folder.path.join("parts").display()
    );
    let failed = |path: &Path| {
        let (path, advice) = (path.to_owned(), advice.clone());
        move |error| LabError::io("cannot write", &path, error, &advice)
    };
    let mut results = Results::new(plan, parts);
    let mut tables = open_tables(&results, folder).map_err(failed(&folder.path))?;
    let names: Vec<String> = results.runs.iter().map(|part| part.run.id.clone()).collect();
    for id in &names {
        let part = folder.part(id)?;
        pool(&mut results.pooled, &part);
        for (name, table) in &part.result.tables {
            let writer = tables.get_mut(name).expect("opened for every name in the heads");
            writer
                .rows(&results.params.cells(&part.run.point), &part, table)
                .map_err(failed(&writer.path))?;
        }
    }
    for writer in tables.into_values() {
        let path = writer.path.clone();
        writer.finish().map_err(failed(&path))?;
    }
    for (name, table) in [("runs.csv", results.runs_table()), ("summary.csv", results.summary_table())] {
        let path = folder.path.join(name);
        write_whole(&path, csv_text(&table).as_bytes()).map_err(failed(&path))?;
    }
    Ok(results)
}

fn open_tables(results: &Results, folder: &Folder) -> io::Result<BTreeMap<String, TableFile>> {
    let mut columns: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for (name, table) in results.runs.iter().flat_map(|part| &part.result.tables) {
        columns.entry(name).or_default().push(table.columns.iter().map(String::as_str).collect());
    }
    let mut prefix = vec!["run".to_owned(), "rep".to_owned()];
    prefix.extend(results.params.columns());
    let open = |(name, columns): (&str, Vec<Vec<&str>>)| {
        let path = folder.path.join(format!("{}.csv", file_name(name)));
        let gzip = folder.gzip && name == "series";
        Ok((name.to_owned(), TableFile::create(path, gzip, &prefix, union_of_columns(columns))?))
    };
    columns.into_iter().map(open).collect()
}

/// The script's own tables may have any name, but not those of the lab's files.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).take(80).collect();
    if RESERVED.contains(&name.as_str()) || name.is_empty() { format!("own_{name}") } else { name }
}

/// A CSV file in the making; it appears under its name when it is whole.
struct TableFile {
    path: PathBuf,
    part: PathBuf,
    file: Sink,
    /// The same file, compressed or not, that this one replaces.
    old: PathBuf,
    text: CsvText,
    waiting: usize,
    columns: Vec<String>,
}

impl TableFile {
    fn create(path: PathBuf, gzip: bool, prefix: &[String], columns: Vec<String>) -> io::Result<Self> {
        let part = path.with_extension(format!("csv.{}.part", std::process::id()));
        let file = File::create(&part)?;
        let packed = path.with_extension("csv.gz");
        let (path, old) = if gzip { (packed, path) } else { (path, packed) };
        let file =
            if gzip { Sink::Packed(GzEncoder::new(file, Compression::default())) } else { Sink::Plain(file) };
        let mut text = CsvText::new();
        let mut names = prefix.to_vec();
        for column in &columns {
            let name = free_name(column, &names);
            names.push(name);
        }
        text.names(&names);
        Ok(TableFile { path, part, file, old, text, waiting: 0, columns })
    }

    fn rows(&mut self, params: &[Value], part: &Part, table: &Table) -> io::Result<()> {
        let at: Vec<Option<usize>> =
            self.columns.iter().map(|column| table.columns.iter().position(|own| own == column)).collect();
        let mut cells: Vec<Value> = vec![part.run.id.clone().into(), Value::Int(part.run.rep.into())];
        cells.extend(params.iter().cloned());
        let fixed = cells.len();
        for row in &table.rows {
            cells.truncate(fixed);
            cells.extend(at.iter().map(|at| at.map_or(Value::Nothing, |at| row[at].clone())));
            self.text.row(&cells);
            self.waiting += 1;
            if self.waiting == BUFFER_ROWS {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.waiting = 0;
        let text = self.text.take();
        match &mut self.file {
            Sink::Plain(file) => file.write_all(&text),
            Sink::Packed(file) => file.write_all(&text),
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match &mut self.file {
            Sink::Plain(file) => file.sync_all()?,
            Sink::Packed(file) => {
                file.try_finish()?;
                file.get_ref().sync_all()?;
            }
        }
        fs::rename(&self.part, &self.path)?;
        // Only one of both is there.
        let _ = fs::remove_file(&self.old);
        Ok(())
    }
}

enum Sink {
    Plain(File),
    Packed(GzEncoder<File>),
}

impl Drop for TableFile {
    fn drop(&mut self) {
        // Nothing is there any more after a rename.
        let _ = fs::remove_file(&self.part);
    }
}

/// Adds the samples of the script's histograms, as table `histograms` has them: name, low, high, count.
pub(crate) fn pool(pooled: &mut BTreeMap<(String, String), Histogram>, part: &Part) {
    let Some((_, table)) = part.result.tables.iter().find(|(name, _)| name == "histograms") else { return };
    let column = |name: &str| table.columns.iter().position(|column| column == name);
    let (Some(name), Some(low), Some(high), Some(count)) =
        (column("name"), column("low"), column("high"), column("count"))
    else {
        return;
    };
    for row in &table.rows {
        if let (Some(low), Some(high), Some(count)) =
            (row[low].number(), row[high].number(), row[count].number())
        {
            let key = (point_id(&part.run.point), row[name].to_string());
            pooled.entry(key).or_default().add_many(0.5 * (low + high), count as u64);
        }
    }
}
