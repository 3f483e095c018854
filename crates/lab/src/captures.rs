//! Files of captures, next to the tables: `pcap/<run>-<name>`; pictures of scripts: `drawings/<run>-<name>.svg`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where the captures of one run go.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    folder: Option<PathBuf>,
    run: String,
}

impl Captures {
    /// Into `folder`, which is made when the first one is opened; without a folder they are thrown away.
    pub fn new(folder: Option<&Path>, run: &str) -> Self {
        Captures { folder: folder.map(Path::to_owned), run: run.to_owned() }
    }

    /// The file of the capture called `name`. It appears under its name when it is complete.
    pub fn open(&self, name: &str) -> io::Result<Box<dyn Write>> {
        let Some(folder) = &self.folder else { return Ok(Box::new(io::sink())) };
        let is_drawing = name.ends_with(".svg");
        let folder = if is_drawing { folder.with_file_name("drawings") } else { folder.clone() };
        fs::create_dir_all(&folder)?;
        let plain = |c: char| if c.is_alphanumeric() || "-_.#".contains(c) { c } else { '_' };
        let name: String = name.chars().map(plain).take(100).collect();
        let has_ending = is_drawing || name.ends_with(".pcapng") || name.ends_with(".pcap");
        let ending = if has_ending { "" } else { ".pcapng" };
        let path = folder.join(format!("{}-{name}{ending}", self.run));
        let part = folder.join(format!("{}-{name}{ending}.{}.part", self.run, std::process::id()));
        let file = Some(BufWriter::new(File::create(&part)?));
        Ok(Box::new(Capture { file, part, path, broken: false }))
    }
}

struct Capture {
    file: Option<BufWriter<File>>,
    part: PathBuf,
    path: PathBuf,
    broken: bool,
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_mut().map_or(Ok(0), |file| file.write(bytes));
        self.broken |= written.is_err();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.as_mut().map_or(Ok(()), Write::flush);
        self.broken |= flushed.is_err();
        flushed
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let complete = self.flush().is_ok() && !self.broken && !std::thread::panicking();
        self.file = None;
        let renamed = complete && fs::rename(&self.part, &self.path).is_ok();
        if !renamed {
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_has_its_name_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("pcap");
        let captures = Captures::new(Some(&folder), "tcp-r1");
        let mut file = captures.open("../link a-b").unwrap();
        file.write_all(b"packets").unwrap();
        let path = folder.join("tcp-r1-.._link_a-b.pcapng");
        assert!(!path.exists());
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"packets");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert!(Captures::default().open("x").unwrap().write(b"gone").is_ok());
        captures.open("page.svg").unwrap().write_all(b"<svg/>").unwrap();
        assert_eq!(fs::read(dir.path().join("drawings/tcp-r1-page.svg")).unwrap(), b"<svg/>");
    }
}
