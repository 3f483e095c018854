//! What can go wrong around a run, and the exit code of each.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use tidewire_script::{Fault, Place, ScriptError};

/// Why an experiment could not be planned, run or written. Displays without the leading `error: `.
#[derive(Debug)]
pub enum LabError {
    /// A wrong option or value on the command line.
    Usage(String),
    /// A mistake in the script, or a limit that it hit.
    Script(ScriptError),
    /// A file or folder that cannot be read or written.
    Io {
        /// What was tried: "cannot write".
        what: String,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
        /// What was kept or lost, and what to do.
        advice: String,
    },
}

impl LabError {
    /// An input or output error with advice.
    pub fn io(what: &str, path: &Path, error: io::Error, advice: &str) -> Self {
        LabError::Io { what: what.into(), path: path.into(), error, advice: advice.into() }
    }

    /// A mistake in what the script declares.
    pub fn script(message: impl Into<String>, place: Option<Place>) -> Self {
        let (mut message, place) = (message.into(), place);
        if let Some(place) = &place {
            message.push_str(&format!("\n  {}:{}", place.file, place.line));
        }
        LabError::Script(ScriptError { fault: Fault::Script, place, message })
    }

    /// Says where, if it is a mistake in the script that has no place yet.
    pub fn at(self, place: Option<&Place>) -> Self {
        match (self, place) {
            (LabError::Script(error), Some(place)) if error.place.is_none() => {
                LabError::script(error.message, Some(place.clone()))
            }
            (error, _) => error,
        }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            LabError::Usage(_) => 2,
            LabError::Script(error) => exit_code_of(error.fault),
            LabError::Io { .. } => 5,
        }
    }
}

/// The exit code of a script's mistake or limit.
pub fn exit_code_of(fault: Fault) -> u8 {
    match fault {
        Fault::Script => 3,
        Fault::Limit => 4,
        Fault::Io => 5,
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabError::Usage(message) => f.write_str(message),
            LabError::Script(error) => error.fmt(f),
            LabError::Io { what, path, error, advice } => {
                write!(f, "{what} {}: {error}", path.display())?;
                if advice.is_empty() { Ok(()) } else { write!(f, "\n  {advice}") }
            }
        }
    }
}

impl std::error::Error for LabError {}

impl From<ScriptError> for LabError {
    fn from(error: ScriptError) -> Self {
        LabError::Script(error)
    }
}

/// The name among `known` that `name` was probably meant to be.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 2.min(candidate.chars().count() / 2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean 'x'?`, or the known names, or nothing.
pub fn suggestion<'a>(name: &str, kind: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match did_you_mean(name, known.iter().copied()) {
        Some(meant) => format!("; did you mean '{meant}'?"),
        None if known.is_empty() => String::new(),
        None => format!("\n  {kind}: {}", known.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("lss", ["loss", "proto"]), Some("loss"));
        assert_eq!(did_you_mean("latncy_ms", ["latency_ms", "loss"]), Some("latency_ms"));
        assert_eq!(did_you_mean("zebra", ["loss", "proto"]), None);
        assert_eq!(did_you_mean("x", ["n", "a"]), None);
        assert_eq!(suggestion("zebra", "parameters", ["loss", "proto"]), "\n  parameters: loss proto");
    }
}
