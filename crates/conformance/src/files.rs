//! Files: finding scripts, reading them, and writing what came of them.

use crate::{Checks, Options, Profile, Report, Summary, run_file};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// How scripts are run.
    pub options: Options,
    /// Where to write the results as JSON.
    pub json: Option<PathBuf>,
    /// Where to write one trace per script.
    pub trace: Option<PathBuf>,
    /// Scripts, and directories that contain some.
    pub paths: Vec<PathBuf>,
}

impl Command {
    /// Takes `linux` or `rfc`.
    ///
    /// # Errors
    /// Another name.
    pub fn set_profile(&mut self, name: &str) -> Result<(), String> {
        self.options.profile = match name {
            "linux" => Profile::Linux,
            "rfc" => Profile::Rfc,
            _ => return Err(format!("no profile is called `{name}`; there are `linux` and `rfc`")),
        };
        Ok(())
    }

    /// Takes names with commas between them: `psh`, `win`.
    ///
    /// # Errors
    /// Another name.
    pub fn set_checks(&mut self, names: &str) -> Result<(), String> {
        let mut checks = Checks::default();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            match name {
                "psh" => checks.psh = true,
                "win" => checks.win = true,
                _ => return Err(format!("no check is called `{name}`; there are `psh` and `win`")),
            }
        }
        self.options.checks = checks;
        Ok(())
    }
}

/// Every script under `paths`: files as given, directories walked for `*.pkt`, in the order of their names.
///
/// # Errors
/// A path that cannot be read.
fn find(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let kind = fs::metadata(path).map_err(|error| named(path, &error))?;
        if kind.is_dir() { walk(path, &mut found)? } else { found.push(path.clone()) }
    }
    Ok(found)
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = fs::read_dir(dir).map_err(|error| named(dir, &error))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        // A link could lead back up.
        let kind = fs::symlink_metadata(&path).map_err(|error| named(&path, &error))?;
        if kind.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            found.push(path);
        }
    }
    Ok(())
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Runs every script under `paths`; `each` sees the reports as they come.
///
/// # Errors
/// A path that cannot be read.
pub fn run_paths(
    paths: &[PathBuf],
    options: &Options,
    mut each: impl FnMut(&Report) -> io::Result<()>,
) -> io::Result<Summary> {
    let mut summary = Summary::default();
    for path in find(paths)? {
        let bytes = fs::read(&path).map_err(|error| named(&path, &error))?;
        let report = run_file(&String::from_utf8_lossy(&bytes), &path.display().to_string(), options);
        each(&report)?;
        summary.push(report);
    }
    Ok(summary)
}

/// Runs what the command line asks for, prints to `out`, and gives the exit code: 0 when every script passed, 1 when one did not
/// or there was none.
///
/// # Errors
/// A path that cannot be read or written.
pub fn execute(command: &Command, out: &mut dyn Write) -> io::Result<u8> {
    if let Some(dir) = &command.trace {
        fs::create_dir_all(dir).map_err(|error| named(dir, &error))?;
    }
    let summary = run_paths(&command.paths, &command.options, |report| {
        writeln!(out, "{report}")?;
        match &command.trace {
            Some(dir) => write_trace(dir, report),
            None => Ok(()),
        }
    })?;
    if let Some(path) = &command.json {
        fs::write(path, summary.to_json() + "\n").map_err(|error| named(path, &error))?;
    }
    if !command.options.checks.psh && summary.psh.of > 0 {
        writeln!(out, "PSH flags as in the scripts: {} of {}", summary.psh.matched, summary.psh.of)?;
    }
    writeln!(out, "{summary}")?;
    Ok(u8::from(!summary.success()))
}

/// The trace of a script, in a file named after its path.
fn write_trace(dir: &Path, report: &Report) -> io::Result<()> {
    let name: String = report
        .name
        .trim_start_matches(['.', '/'])
        .chars()
        .map(|c| if c == '/' || c == '\\' { '_' } else { c })
        .collect();
    let path = dir.join(name).with_extension("trace.txt");
    let text = report.trace.iter().map(|line| format!("{line}\n")).collect::<String>();
    fs::write(&path, text).map_err(|error| named(&path, &error))
}
