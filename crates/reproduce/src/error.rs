//! What can be wrong with a reference.

use std::fmt;
use std::path::PathBuf;

/// Why nothing could be reproduced.
#[derive(Debug)]
pub enum ReproduceError {
    /// A file or folder could not be read or written.
    File(PathBuf, std::io::Error),
    /// The output could not be written.
    Output(std::io::Error),
    /// The columns are those of no known format.
    UnknownFormat(String),
    /// The text is no CSV, or of no use: why.
    Csv(String),
    /// A packet trace that cannot be understood: its name, the line and why.
    BadTrace(String, u64, String),
    /// Something is wrong with a file.
    In(PathBuf, Box<ReproduceError>),
    /// There is nothing in the folder.
    Empty(PathBuf),
    /// There are no recordings in the folder.
    NoRecordings(PathBuf),
    /// No row of the theory is called so; those that there are, one in a line.
    NoSuchRow(String, Vec<String>),
}

impl fmt::Display for ReproduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReproduceError::File(path, error) => write!(f, "{}: {error}", path.display()),
            ReproduceError::Output(error) => write!(f, "cannot write: {error}"),
            ReproduceError::UnknownFormat(header) => write!(
                f,
                "these columns are neither those of goodput.csv (cc, goodput_mbps), of fairness.csv (cc_a, cc_b) nor of udp.csv \
                 (kind, offered_mbps): {header}"
            ),
            ReproduceError::Csv(why) => f.write_str(why),
            ReproduceError::BadTrace(name, line, why) => write!(f, "{name}.csv:{line}: {why}"),
            ReproduceError::In(path, error) => write!(f, "{}: {error}", path.display()),
            ReproduceError::NoSuchRow(name, known) => {
                write!(f, "no row is called '{name}'; there are\n{}", known.join("\n"))
            }
            ReproduceError::NoRecordings(path) => write!(
                f,
                "{}: neither goodput.csv, fairness.csv nor udp.csv here, nor a folder traces for --all",
                path.display()
            ),
            ReproduceError::Empty(path) => write!(f, "{}: no packet traces (*.csv) here", path.display()),
        }
    }
}

impl std::error::Error for ReproduceError {}

impl From<std::io::Error> for ReproduceError {
    fn from(error: std::io::Error) -> Self {
        ReproduceError::Output(error)
    }
}
