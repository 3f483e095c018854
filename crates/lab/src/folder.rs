//! The folder of an experiment's results: its name, its files written whole or not at all, what of it can be used again.

use crate::deps;
use crate::error::LabError;
use crate::part::{Part, encode};
use crate::plan::{Plan, PlannedRun};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tidewire_script::{Ended, RunResult};

/// Which tool made the results.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tool {
    /// Its version.
    pub version: String,
    /// The revision it was built from, if known.
    pub commit: String,
    /// A hash of its own source, so that results of a changed tool are never mixed up.
    pub source: String,
}

/// `results/<name>/<key>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    /// The folder itself.
    pub path: PathBuf,
    /// Eight hexadecimal digits: the hash of all that decides the results.
    pub key: String,
    /// What the names of files in parts are relative to: the script's folder.
    pub base: PathBuf,
    /// `series.csv` is compressed.
    pub gzip: bool,
}

impl Folder {
    /// Where the results of a plan belong; nothing is created.
    pub fn of(root: &Path, plan: &Plan, tool: &Tool) -> Folder {
        let mut hash = Sha256::new();
        let mut eat = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        eat(&plan.script.text);
        for (path, content) in deps::files_named_in(&plan.script) {
            eat(&path.to_string_lossy());
            eat(&content);
        }
        eat(&plan.experiment.seed.to_string());
        eat(&plan.until.map_or_else(String::new, |until| until.as_ps().to_string()));
        eat(&tool.version);
        eat(&tool.source);
        let key = hex(&hash.finalize())[..8].to_owned();
        let base = plan.script.path.parent().unwrap_or(Path::new("")).to_owned();
        Folder { path: root.join(folder_name(&plan.experiment.name)).join(&key), key, base, gzip: false }
    }

    /// One that is there.
    pub fn at(path: &Path) -> Folder {
        let key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Folder { path: path.to_owned(), key, base: path.to_owned(), gzip: false }
    }

    /// Creates the folder and writes to it, so that a run is never computed in vain. Errors: no permission, no space.
    pub fn prepare(&self, fresh: bool) -> Result<(), LabError> {
        let advice = "checked before the first run; nothing was computed. Use --out DIR.";
        let failed = |error| LabError::io("cannot write", &self.path, error, advice);
        if fresh && self.path.exists() {
            fs::remove_dir_all(&self.path).map_err(failed)?;
        }
        for sub in ["parts", "logs"] {
            fs::create_dir_all(self.path.join(sub)).map_err(failed)?;
        }
        let probe = self.path.join("parts").join(format!("{}.part", std::process::id()));
        fs::write(&probe, [b'x'; 4096]).and_then(|()| fs::remove_file(&probe)).map_err(failed)
    }

    /// Everything but the rows of tables, of each run whose files are still the same.
    pub fn heads(&self) -> BTreeMap<String, Part> {
        let mut heads = self.all_heads();
        let mut hashes = BTreeMap::new();
        heads.retain(|_, part| {
            let mut files = part.result.files.iter();
            files.all(|(file, hash)| file_has_hash(&self.base.join(file), hash, &mut hashes))
        });
        heads
    }

    /// The same whether or not the files that were read are still there.
    pub fn all_heads(&self) -> BTreeMap<String, Part> {
        let mut found = BTreeMap::new();
        for path in self.part_files() {
            let Some(part) = read_head(&path) else { continue };
            if path.file_stem().is_some_and(|stem| stem.to_string_lossy() == part.run.id) {
                found.insert(part.run.id.clone(), part);
            }
        }
        found
    }

    /// A run with all its tables. Errors: its part cannot be read.
    pub fn part(&self, id: &str) -> Result<Part, LabError> {
        self.read_part(id).map_err(|error| {
            let advice = "delete its part and run again";
            LabError::io("cannot read the results of", &self.path.join(id), error, advice)
        })
    }

    /// Of those, the ones that need not be run again.
    pub fn finished(&self) -> BTreeMap<String, Part> {
        let mut heads = self.heads();
        heads.retain(|_, part| !matches!(part.result.ended, Ended::Failed | Ended::Cut));
        heads
    }

    /// The runs that failed when they were last tried.
    pub fn failed(&self) -> BTreeSet<String> {
        let mut heads = self.heads();
        heads.retain(|_, part| part.result.ended == Ended::Failed);
        heads.into_keys().collect()
    }

    fn part_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path.join("parts")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        files
    }

    /// Writes the part of a run, durably.
    pub fn write_part(&self, run: &PlannedRun, result: &RunResult) -> io::Result<()> {
        let log = self.path.join("logs").join(format!("{}.log", run.id));
        let mut text = result.log.join("\n");
        text.extend(result.error.iter().map(|error| format!("\nerror: {error}")));
        text.push('\n');
        fs::write(log, text.trim_start_matches('\n'))?;
        write_whole(&self.part_path(&run.id), encode(run, result).as_bytes())
    }

    /// Forgets a run.
    pub fn remove_part(&self, id: &str) -> io::Result<()> {
        fs::remove_file(self.part_path(id))
    }

    /// Reads the part of a run.
    pub fn read_part(&self, id: &str) -> io::Result<Part> {
        let text = fs::read_to_string(self.part_path(id))?;
        Part::decode(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    fn part_path(&self, id: &str) -> PathBuf {
        self.path.join("parts").join(format!("{id}.json"))
    }

    /// Key of the folder that `latest` names, if it is another one.
    pub fn previous(&self) -> Option<String> {
        let latest = self.path.parent()?.join("latest");
        let name = fs::read_link(&latest)
            .map(|target| target.to_string_lossy().into_owned())
            .or_else(|_| fs::read_to_string(&latest))
            .ok()?;
        let name = name.trim().to_owned();
        (name != self.key && self.path.parent()?.join(&name).is_dir()).then_some(name)
    }

    /// Makes `latest` name this folder: a symbolic link, or a text file where links cannot be made.
    pub fn link_latest(&self) -> io::Result<()> {
        let parent = self.path.parent().unwrap_or(Path::new("."));
        let (latest, fresh) =
            (parent.join("latest"), parent.join(format!("latest.{}.part", std::process::id())));
        let _ = fs::remove_file(&fresh);
        #[cfg(unix)]
        if std::os::unix::fs::symlink(&self.key, &fresh).is_ok() {
            return fs::rename(&fresh, &latest);
        }
        write_whole(&latest, self.key.as_bytes())
    }
}

/// Follows `latest`, be it a link or a text file.
pub fn follow_latest(experiment: &Path) -> Option<PathBuf> {
    let latest = experiment.join("latest");
    if latest.is_dir() {
        return Some(latest);
    }
    let name = fs::read_to_string(latest).ok()?;
    Some(experiment.join(name.trim())).filter(|path| path.is_dir())
}

fn read_head(path: &Path) -> Option<Part> {
    use io::BufRead;
    let mut line = String::new();
    io::BufReader::new(fs::File::open(path).ok()?).read_line(&mut line).ok()?;
    Part::decode_head(&line).ok()
}

fn file_has_hash(path: &Path, want: &str, known: &mut BTreeMap<PathBuf, Option<String>>) -> bool {
    let hash =
        known.entry(path.to_owned()).or_insert_with(|| fs::read(path).ok().map(|bytes| sha256_hex(&bytes)));
    hash.as_deref() == Some(want)
}

/// SHA-256 in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file whole or not at all: a part file next to it, flushed to the disk, then renamed.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = fs::File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let result = written.and_then(|()| fs::rename(&part, path));
    if result.is_err() {
        let _ = fs::remove_file(&part);
    }
    result
}

/// A name that every file system takes as one folder.
fn folder_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let kept: String = name.chars().map(plain).take(80).collect();
    match kept.trim_start_matches('.') {
        "" | "latest" => format!("experiment_{kept}").replace('.', "_"),
        kept => kept.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, script};
    use crate::plan::Wanted;

    fn tool() -> Tool {
        Tool { version: "1".into(), commit: String::new(), source: "s".into() }
    }

    fn plan_of(text: &str, wanted: &Wanted) -> Plan {
        let mut script = script();
        script.text = text.into();
        Plan::new(&Fake::default(), &script, wanted).unwrap()
    }

    #[test]
    fn the_key_depends_on_what_decides_results_and_on_nothing_else() {
        let root = Path::new("results");
        let key = |text: &str, wanted: Wanted| Folder::of(root, &plan_of(text, &wanted), &tool()).key;
        let base = key("a", Wanted::default());
        assert_eq!(base.len(), 8);
        assert_eq!(
            base,
            key("a", Wanted { reps: Some(9), params: vec!["loss=7%".into()], ..Wanted::default() })
        );
        assert_ne!(base, key("b", Wanted::default()));
        assert_ne!(base, key("a", Wanted { seed: Some(2), ..Wanted::default() }));
        assert_ne!(
            base,
            key("a", Wanted { until: Some(tidewire_units::Span::from_secs(1)), ..Wanted::default() })
        );
    }

    #[test]
    fn names_stay_inside_the_results_folder() {
        for name in ["..", "../x", "a/b", "", ".hidden", "latest"] {
            let safe = folder_name(name);
            assert!(
                !safe.is_empty() && !safe.contains('/') && !safe.starts_with('.') && safe != "latest",
                "{safe}"
            );
        }
        assert_eq!(folder_name("tcp_vs_udp"), "tcp_vs_udp");
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(&dir.path().join("no/such/folder"), b"x").is_err());
    }

    #[test]
    fn latest_names_the_newest_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |key: &str| Folder::at(&dir.path().join("e").join(key));
        for key in ["11111111", "22222222"] {
            folder(key).prepare(false).unwrap();
            folder(key).link_latest().unwrap();
        }
        assert_eq!(folder("33333333").previous().as_deref(), Some("22222222"));
        assert_eq!(folder("22222222").previous(), None);
        assert_eq!(follow_latest(&dir.path().join("e")), Some(dir.path().join("e/latest")));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_reported_before_any_run() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = Folder::at(&dir.path().join("file/e/1")).prepare(false).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        assert!(error.to_string().contains("nothing was computed. Use --out DIR."), "{error}");
    }
}
