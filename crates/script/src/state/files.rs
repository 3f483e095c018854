//! What a script may read: files below its own folder.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Reads files below one folder and remembers which.
pub(crate) struct Files {
    folder: PathBuf,
    read: RefCell<BTreeMap<PathBuf, String>>,
}

impl Files {
    /// For a script at `path`; standard input reads below the working directory.
    pub fn beside(path: &Path) -> Files {
        let folder = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
            Some(parent) => parent.to_owned(),
            None => PathBuf::from("."),
        };
        Files { folder, read: RefCell::default() }
    }

    /// The contents of `name`, relative to the folder. Errors: a sentence that says why not.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let relative = Path::new(name);
        let inside =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if name.is_empty() || !inside {
            return Err(format!(
                "'{name}' is outside the script's folder; scripts can only read files below it"
            ));
        }
        let path = self.folder.join(relative);
        let cannot = |error: std::io::Error| format!("cannot read '{}': {error}", path.display());
        let real = path.canonicalize().map_err(cannot)?;
        let folder = self.folder.canonicalize().map_err(cannot)?;
        if !real.starts_with(&folder) {
            return Err(format!(
                "'{name}' leads outside the script's folder; scripts can only read files below it"
            ));
        }
        if !real.is_file() {
            return Err(format!("'{name}' is not a file"));
        }
        let bytes = std::fs::read(&real).map_err(cannot)?;
        self.read.borrow_mut().insert(relative.to_owned(), sha256_hex(&bytes));
        Ok(bytes)
    }

    /// The text of the module `name` ("a.b" is the file `a/b.lua`), and what to call it in messages.
    pub fn module(&self, name: &str) -> Result<(Vec<u8>, String), String> {
        if name.contains("..") || name.starts_with(['.', '/']) {
            return Err(format!(
                "require '{name}': a module has a name such as \"lib.tools\", the file lib/tools.lua below the script's folder; nothing outside can be read"
            ));
        }
        let file = format!("{}.lua", name.replace('.', "/"));
        match self.read(&file) {
            Ok(text) => Ok((text, file)),
            Err(why) => Err(format!("require '{name}': {why}")),
        }
    }

    /// What was read, by name, with the SHA-256 of the contents in hex.
    pub fn list(&self) -> Vec<(PathBuf, String)> {
        self.read.borrow().iter().map(|(path, hash)| (path.clone(), hash.clone())).collect()
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_folder_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("scripts");
        std::fs::create_dir_all(inside.join("lib")).unwrap();
        std::fs::write(inside.join("lib/a.lua"), "return 1").unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        let files = Files::beside(&inside.join("main.lua"));
        assert_eq!(files.module("lib.a").unwrap().1, "lib/a.lua");
        assert!(files.read("../secret").unwrap_err().contains("outside the script's folder"));
        assert!(files.read("lib/../../secret").is_err());
        assert!(files.read("/etc/passwd").is_err());
        assert!(files.read("lib").unwrap_err().contains("not a file"));
        assert!(files.module("lib.b").unwrap_err().starts_with("require 'lib.b': cannot read"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(dir.path(), inside.join("out")).unwrap();
            assert!(files.read("out/secret").unwrap_err().contains("leads outside"));
        }
        let read = files.list();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].1.len(), 64);
    }
}
