//! Reading scripts.

use crate::mistake::did_you_mean;
use crate::{Fault, Script, ScriptError};
use std::io::Read as _;
use std::path::Path;

/// The largest script that is read, in bytes: devices never end.
const MOST_BYTES: u64 = 64 << 20;

/// Reads a script; `-` is the standard input.
///
/// # Errors
/// The file cannot be read, or is not text.
pub fn load(path: &Path) -> Result<Script, ScriptError> {
    let shown = path.display().to_string();
    let io = |why: String| ScriptError { fault: Fault::Io, place: None, message: why };
    let bytes = if shown == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock().take(MOST_BYTES + 1), &mut bytes)
            .map_err(|error| io(format!("cannot read the script from standard input: {error}")))?;
        bytes
    } else {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| std::io::Read::read_to_end(&mut file.take(MOST_BYTES + 1), &mut bytes))
            .map_err(|error| io(missing(path, &shown, &error)))?;
        bytes
    };
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io(format!("'{shown}' is no script: it has more than {} MB", MOST_BYTES >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| io(format!("'{shown}' is not a text in UTF-8")))?;
    let shown = if shown == "-" { "stdin".to_owned() } else { shown };
    Ok(Script { path: path.to_owned(), shown, text })
}

/// Why a script cannot be read, with the file that was probably meant.
fn missing(path: &Path, shown: &str, error: &std::io::Error) -> String {
    if error.kind() != std::io::ErrorKind::NotFound {
        return format!("cannot read '{shown}': {error}");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".lua"))
        .collect();
    names.sort();
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let meant = did_you_mean(&wanted, names.iter().map(String::as_str));
    format!("there is no script '{shown}'{meant}")
}
