//! The files that a script names: modules, topologies, traces. They decide the results, so they are part of the folder's key.
//!
//! A text in quotes that is the name of a file below the script's folder counts, whether as a path or as a module's name. A file whose name
//! is put together while the script runs is not seen here; its hash is in the parts of the runs that read it, and checked there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use tidewire_script::Script;

/// Larger files are only known by their length.
const LARGEST: u64 = 64 << 20;

/// Files named by the script and by the modules it names, with a text that changes when they do; by path relative to the script's folder.
pub fn files_named_in(script: &Script) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    if script.path.as_os_str() == "-" {
        return found;
    }
    let base = script.path.parent().unwrap_or(Path::new("")).to_owned();
    let mut unread = vec![script.text.clone()];
    while let Some(text) = unread.pop() {
        for quoted in quoted_texts(&text) {
            for relative in candidates(quoted) {
                let path = base.join(&relative);
                let Ok(about) = fs::metadata(&path) else { continue };
                if !about.is_file() || found.contains_key(&relative) || path == script.path {
                    continue;
                }
                let content = if about.len() > LARGEST { None } else { fs::read(&path).ok() };
                let Some(bytes) = content else {
                    found.insert(relative, format!("{} bytes", about.len()));
                    continue;
                };
                if relative.extension().is_some_and(|extension| extension == "lua") {
                    unread.push(String::from_utf8_lossy(&bytes).into_owned());
                }
                found.insert(relative, crate::folder::sha256_hex(&bytes));
            }
        }
    }
    found
}

fn candidates(text: &str) -> Vec<PathBuf> {
    let inside =
        |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if text.is_empty() || text.len() > 200 || text.contains(['\0', '\n']) || !inside(Path::new(text)) {
        return Vec::new();
    }
    let module = text.replace('.', "/");
    [text.to_owned(), format!("{module}.lua"), format!("{module}/init.lua")].map(PathBuf::from).into()
}

/// Texts between equal quotes on one line; may also find some that are none, which does no harm.
fn quoted_texts(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            loop {
                let open = rest.find(['"', '\''])?;
                let (quote, inside) = rest[open..].split_at(1);
                // An apostrophe opens nothing.
                let Some((inside, after)) = inside.split_once(quote) else {
                    rest = inside;
                    continue;
                };
                rest = after;
                return Some(inside);
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_files_are_found_through_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), text).unwrap();
        };
        write("lib/tools.lua", "net:load 'map.gml'  local x = require('more')");
        write("more/init.lua", "return 1");
        write("map.gml", "graph");
        write("unnamed.lua", "");
        let text = "local t = require \"lib.tools\"\nlocal u = \"../secret\" -- don't";
        let script = Script { path: dir.path().join("exp.lua"), shown: "exp.lua".into(), text: text.into() };
        let names: Vec<String> =
            files_named_in(&script).keys().map(|path| path.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["lib/tools.lua", "map.gml", "more/init.lua"]);
        let before = files_named_in(&script);
        write("map.gml", "other");
        assert_ne!(before, files_named_in(&script));
    }
}
