//! A results folder, opened again: for reports, and to join the shards of a sweep.

use crate::error::LabError;
use crate::folder::{Folder, follow_latest, sha256_hex};
use crate::manifest::Manifest;
use crate::merge::merge_parts;
use crate::part::Part;
use crate::plan::{Plan, Wanted};
use crate::results::Results;
use crate::runner::Runner;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tidewire_script::Script;

/// A results folder with the plan of its script.
pub struct Reopened {
    /// The folder.
    pub folder: Folder,
    /// What its script declares, with the seed and length of then.
    pub plan: Plan,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its runs.
    pub parts: BTreeMap<String, Part>,
}

/// The folder that a user means: one with a manifest, or that of an experiment, whose latest results are taken.
///
/// # Errors
/// Neither.
pub fn results_folder(dir: &Path) -> Result<PathBuf, LabError> {
    let has_manifest = |dir: &Path| dir.join("manifest.json").is_file();
    let dir = if has_manifest(dir) { dir.to_owned() } else { follow_latest(dir).unwrap_or(dir.to_owned()) };
    if has_manifest(&dir) {
        // `latest` may mean another folder tomorrow.
        return Ok(match (fs::read_link(&dir), dir.parent()) {
            (Ok(target), Some(parent)) => parent.join(target),
            _ => dir,
        });
    }
    Err(LabError::Usage(format!(
        "{} is not a results folder: it has no manifest.json\n  name one such as results/NAME/latest; tidewire sweep makes them",
        dir.display()
    )))
}

impl Reopened {
    /// Opens a results folder. The script is read from where it was, or, if it is another now, from its copy in the folder.
    ///
    /// # Errors
    /// Not a results folder; its script cannot be planned any more.
    pub fn open(runner: &dyn Runner, dir: &Path) -> Result<Reopened, LabError> {
        let dir = results_folder(dir)?;
        let manifest = Manifest::read(&dir).ok_or_else(|| {
            LabError::Usage(format!("{} has a manifest.json that cannot be read", dir.display()))
        })?;
        let script = script_of(&dir, &manifest)?;
        let wanted = Wanted {
            seed: Some(manifest.seed),
            reps: Some(manifest.reps.max(1)),
            until: manifest.until,
            ..Wanted::default()
        };
        let mut plan = Plan::new(runner, &script, &wanted)?;
        plan.script.shown.clone_from(&manifest.script_path);
        let mut folder = Folder::at(&dir);
        folder.base = script.path.parent().unwrap_or(Path::new("")).to_owned();
        let parts = folder.all_heads();
        Ok(Reopened { folder, plan, manifest, parts })
    }

    /// The figures of its runs, with what histograms of several runs have in common.
    ///
    /// # Errors
    /// A part cannot be read.
    pub fn results(&self) -> Result<Results, LabError> {
        let mut results = Results::new(&self.plan, self.parts.values().cloned());
        for id in self.parts.keys() {
            crate::merge::pool(&mut results.pooled, &self.folder.part(id)?);
        }
        Ok(results)
    }
}

fn script_of(dir: &Path, manifest: &Manifest) -> Result<Script, LabError> {
    let original = PathBuf::from(&manifest.script_path);
    let read = |path: &Path| fs::read_to_string(path).ok();
    let same = |text: &String| sha256_hex(text.as_bytes()) == manifest.script_sha256;
    if let Some(text) = read(&original).filter(same) {
        return Ok(Script { path: original, shown: manifest.script_path.clone(), text });
    }
    let copy = dir.join("script.lua");
    let text = fs::read_to_string(&copy).map_err(|error| LabError::io("cannot read", &copy, error, ""))?;
    Ok(Script { shown: copy.display().to_string(), path: copy, text })
}

/// Joins the runs of several folders of one experiment, as `sweep --shard` on several machines leaves them, and writes the tables of all.
///
/// # Errors
/// Folders of different experiments; a file that cannot be read or written.
pub fn join_shards(
    runner: &dyn Runner,
    dirs: &[PathBuf],
    root: &Path,
) -> Result<(Reopened, Results), LabError> {
    let opened: Vec<Reopened> =
        dirs.iter().map(|dir| Reopened::open(runner, dir)).collect::<Result<_, _>>()?;
    let Some((first, others)) = opened.split_first() else {
        return Err(LabError::Usage("merge needs the folders to join".into()));
    };
    for other in others {
        let differs = [
            (first.manifest.script_sha256 != other.manifest.script_sha256, "the script"),
            (first.manifest.seed != other.manifest.seed, "the seed"),
            (first.manifest.until != other.manifest.until, "the length (--until)"),
            (first.manifest.tool != other.manifest.tool, "the version of tidewire"),
        ];
        if let Some((_, what)) = differs.iter().find(|(differs, _)| *differs) {
            return Err(LabError::Usage(format!(
                "{} and {} are not shards of one sweep: {what} differs",
                first.folder.path.display(),
                other.folder.path.display()
            )));
        }
    }
    let mut target = first.folder.clone();
    target.path = root.join(first.folder.path.parent().and_then(Path::file_name).unwrap_or_default());
    target.path = target.path.join(&target.key);
    target.prepare(false)?;
    let mut parts = BTreeMap::new();
    for shard in &opened {
        copy_runs(&shard.folder, &target)?;
        parts.extend(shard.parts.iter().map(|(id, part)| (id.clone(), part.clone())));
    }
    // What an earlier merge has brought there already.
    parts.extend(target.all_heads());
    let results = merge_parts(&first.plan, &target, parts.values().cloned())?;
    let mut joined = opened.into_iter().next().expect("there is a first");
    (joined.folder, joined.parts) = (target, parts);
    Ok((joined, results))
}

fn copy_runs(from: &Folder, to: &Folder) -> Result<(), LabError> {
    let same = fs::canonicalize(&from.path).ok() == fs::canonicalize(&to.path).ok();
    if same {
        return Ok(());
    }
    for sub in ["parts", "logs", "pcap"] {
        let Ok(entries) = fs::read_dir(from.path.join(sub)) else { continue };
        let into = to.path.join(sub);
        fs::create_dir_all(&into).map_err(|error| LabError::io("cannot write", &into, error, ""))?;
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
            let target = into.join(path.file_name().unwrap_or_default());
            fs::copy(&path, &target).map_err(|error| LabError::io("cannot copy", &path, error, ""))?;
        }
    }
    Ok(())
}
