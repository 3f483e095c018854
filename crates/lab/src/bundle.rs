//! A results folder as one zip file, for the review of an artifact: tables, plots, script and inputs, and how to get them again.

use crate::error::LabError;
use crate::folder::write_whole;
use crate::manifest::Manifest;
use crate::plan::quoted;
use flate2::Crc;
use flate2::write::DeflateEncoder;
use serde_json::Value as Json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes the zip file; its bytes depend on nothing but the files. Gives how many files are in it.
///
/// # Errors
/// Not a results folder; a file that cannot be read or written, or is larger than 4 GiB.
pub fn bundle(dir: &Path, output: Option<&Path>) -> Result<(PathBuf, usize), LabError> {
    let dir = crate::reopen::results_folder(dir)?;
    let manifest = Manifest::read(&dir).unwrap_or_default();
    let key = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = format!("{}-{key}", manifest.name);
    let output = output.map_or_else(|| PathBuf::from(format!("{stem}.zip")), Path::to_owned);
    let mut names = Vec::new();
    list(&dir, Path::new(""), &mut names).map_err(|error| LabError::io("cannot read", &dir, error, ""))?;
    names.sort();
    let mut zip = Zip::default();
    zip.add(&format!("{stem}/README.txt"), readme(&dir, &manifest).as_bytes()).map_err(too_large(&output))?;
    for name in &names {
        let path = dir.join(name);
        let bytes = fs::read(&path).map_err(|error| LabError::io("cannot read", &path, error, ""))?;
        let shown: Vec<_> = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        zip.add(&format!("{stem}/{}", shown.join("/")), &bytes).map_err(too_large(&path))?;
    }
    let bytes = zip.finish().map_err(too_large(&output))?;
    write_whole(&output, &bytes).map_err(|error| LabError::io("cannot write", &output, error, ""))?;
    Ok((output, names.len() + 1))
}

fn too_large(path: &Path) -> impl Fn(io::Error) -> LabError {
    let path = path.to_owned();
    move |error| LabError::io("cannot bundle", &path, error, "")
}

/// Files below `dir`; the parts are left out, for the tables have all of them.
fn list(dir: &Path, below: &Path, names: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if name != Path::new("parts") {
                list(dir, &name, names)?;
            }
        } else if entry.file_type()?.is_file() && name.extension().is_none_or(|e| e != "part") {
            names.push(name);
        }
    }
    Ok(())
}

fn readme(dir: &Path, manifest: &Manifest) -> String {
    let json: Json = fs::read_to_string(dir.join("manifest.json"))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let text = |key: &Json| key.as_str().unwrap_or("?").to_owned();
    let words = json["command"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let command: Vec<String> = words.skip(1).map(quoted).collect();
    format!(
        "{name}: results of a simulated experiment\n\n\
         Made by tidewire {version} ({commit}) from script.lua (SHA-256 {sha}), seed {seed}:\n\n    tidewire {command}\n\n\
         To get them again, with the same version:\n\n    tidewire sweep script.lua --seed {seed} --out again\n\n\
         The tables (*.csv) are then equal byte for byte, whatever the machine and the number of threads; manifest.json is not,\n\
         for it says when and where. summary.csv has means and confidence intervals, runs.csv every run, plots/ the figures.\n",
        name = manifest.name,
        version = text(&json["tool"]["version"]),
        commit = text(&json["tool"]["commit"]),
        sha = manifest.script_sha256,
        seed = manifest.seed,
        command = command.join(" "),
    )
}

/// A zip archive in memory (APPNOTE 6.3.3): deflated, without dates.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Zip {
    fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.update(content);
        let mut deflate = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        deflate.write_all(content)?;
        let packed = deflate.finish()?;
        let size = |n: usize| u32::try_from(n).map_err(|_| io::Error::other("more than 4 GiB"));
        let offset = size(self.bytes.len())?;
        let mut common = Vec::new();
        // Version 2.0, names in UTF-8, deflated, 1980-01-01.
        for field in [20u16, 1 << 11, 8, 0, 0x21] {
            common.extend(field.to_le_bytes());
        }
        for field in [crc.sum(), size(packed.len())?, size(content.len())?] {
            common.extend(field.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend(0u16.to_le_bytes());
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&common);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(packed);
        self.directory.extend(b"PK\x01\x02");
        self.directory.extend(20u16.to_le_bytes());
        self.directory.extend(common);
        // Comment, disk, attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries =
            self.entries.checked_add(1).ok_or_else(|| io::Error::other("more than 65535 files"))?;
        Ok(())
    }

    fn finish(mut self) -> io::Result<Vec<u8>> {
        let size = |n: usize| u32::try_from(n).map_err(|_| io::Error::other("more than 4 GiB"));
        let (start, length) = (size(self.bytes.len())?, size(self.directory.len())?);
        self.bytes.extend(self.directory);
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(self.entries.to_le_bytes());
        self.bytes.extend(self.entries.to_le_bytes());
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend([0; 2]);
        Ok(self.bytes)
    }
}
