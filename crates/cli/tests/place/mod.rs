//! The command in a folder of its own.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder with scripts in which the command runs.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new(scripts: &[(&str, &str)]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        scripts.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
        Place(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
        command.args(line.split(' ').filter(|word| !word.is_empty())).current_dir(self.0.path());
        command.env_remove("CLICOLOR_FORCE").env_remove("RUST_BACKTRACE");
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("the command starts")
    }

    /// Runs a command line that must end with this exit code; gives what it says on both streams.
    #[track_caller]
    pub fn expect(&self, line: &str, code: i32) -> (String, String) {
        let output = self.run(line);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{line}\n{out}\n{err}");
        (out, err)
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
