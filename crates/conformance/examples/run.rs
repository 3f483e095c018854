//! Runs the scripts named on the command line, as `tidewire conformance` does.

use std::process::ExitCode;
use tidewire_conformance::{Command, execute};

fn main() -> ExitCode {
    let mut command = Command::default();
    let mut args = std::env::args().skip(1).peekable();
    if let Some(dir) = args.next_if(|arg| arg.starts_with("--trace=")) {
        command.trace = Some(dir["--trace=".len()..].into());
    }
    if let Some(names) = args.next_if(|arg| arg.starts_with("--check=")) {
        command.set_checks(&names["--check=".len()..]).unwrap_or_else(|error| eprintln!("{error}"));
    }
    command.paths = args.map(Into::into).collect();
    match execute(&command, &mut std::io::stdout().lock()) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("{error}");
            2.into()
        }
    }
}
