//! Reading the script.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tidewire_lab::{LabError, did_you_mean};
use tidewire_script::{Fault, Script, ScriptError};

/// Reads a script from a file or, for `-`, from standard input. Errors: no such file, with the name of one that it may be; not UTF-8.
pub fn read(path: &Path) -> Result<Script, LabError> {
    let shown = path.display().to_string();
    let bytes = if shown == "-" {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(|error| LabError::io("cannot read", path, error, ""))?;
        bytes
    } else {
        fs::read(path).map_err(|error| missing(path, error))?
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("{shown}:{line}: the script is not UTF-8 text");
        LabError::Script(ScriptError { fault: Fault::Script, place: None, message })
    })?;
    Ok(Script { path: path.to_owned(), shown, text })
}

fn missing(path: &Path, error: io::Error) -> LabError {
    let mut advice = String::new();
    if error.kind() == io::ErrorKind::NotFound {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let names: Vec<String> = scripts_in(folder)
            .iter()
            .filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
            .collect();
        let wanted = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let with_ending = format!("{wanted}.lua");
        let meant = names.iter().find(|name| **name == with_ending).map(String::as_str);
        let meant = meant.or_else(|| did_you_mean(&wanted, names.iter().map(String::as_str)));
        advice = meant
            .map(|name| format!("did you mean {}?", path.with_file_name(name).display()))
            .unwrap_or_default();
    } else if path.is_dir() {
        advice = "it is a folder; name a script in it".to_owned();
    }
    LabError::io("cannot read", path, error, &advice)
}

fn scripts_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "lua"));
    files.sort();
    files
}
