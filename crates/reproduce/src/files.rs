//! The only place that reads and writes files; lines of a CSV.

use crate::ReproduceError;
use std::fs;
use std::path::Path;

/// The text of a file, without a byte order mark. What is no UTF-8 becomes a character that is no part of any number or name.
///
/// # Errors
/// It cannot be read.
pub fn read_text(path: &Path) -> Result<String, ReproduceError> {
    let bytes = fs::read(path).map_err(|error| ReproduceError::File(path.into(), error))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// The records of a CSV, each with the number of its line, the header first. Blank lines and those that begin with `#` are none;
/// lines end as on any system, and no cell goes over several of them.
pub(crate) fn records(text: &str) -> Vec<(u64, csv::StringRecord)> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let record = |line: &str| {
        let mut reader = csv::ReaderBuilder::new();
        reader.has_headers(false).trim(csv::Trim::All).buffer_capacity(line.len() + 1);
        reader.from_reader(line.as_bytes()).into_records().next()?.ok()
    };
    let is_record = |line: &str| !line.trim().is_empty() && !line.starts_with('#');
    let lines = (1..).zip(text.lines()).filter(|(_, line)| is_record(line));
    lines.filter_map(|(number, line)| Some((number, record(line)?))).collect()
}

/// Writes a file, and the folders on the way to it.
///
/// # Errors
/// It cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), ReproduceError> {
    let failed = |error| ReproduceError::File(path.into(), error);
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

/// Name (without `.csv`) and text of each `*.csv` file of a folder, or of the one file that `path` is, by name.
///
/// # Errors
/// The folder or one of its files cannot be read.
pub fn read_folder(path: &Path) -> Result<Vec<(String, String)>, ReproduceError> {
    let failed = |error| ReproduceError::File(path.into(), error);
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)? {
            files.push(entry.map_err(failed)?.path());
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let mut texts = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "csv") && !file.is_dir())
    {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        texts.push((name, read_text(file)?));
    }
    Ok(texts)
}
