//! The only place that reads and writes files.

use crate::ReproduceError;
use std::fs;
use std::path::Path;

/// The text of a file.
///
/// # Errors
/// It cannot be read, or is no UTF-8.
pub fn read_text(path: &Path) -> Result<String, ReproduceError> {
    fs::read_to_string(path).map_err(|error| ReproduceError::File(path.into(), error))
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
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "csv")) {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        texts.push((name, read_text(file)?));
    }
    Ok(texts)
}
