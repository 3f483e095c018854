//! Scripts from templates, and what editors need.

mod place;

use place::Place;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_template_is_a_script_that_passes_the_strict_check() {
    let place = Place::new(&[]);
    let (list, _) = place.expect("new --list", 0);
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 10, "{list}");
    for name in names {
        place.expect(&format!("new mine/{name} --template {name}"), 0);
        place.expect(&format!("check mine/{name}.lua --strict"), 0);
        let text = fs::read_to_string(place.path(&format!("mine/{name}.lua"))).unwrap();
        assert!(!text.contains("scripts/"), "{name}: {text}");
    }
    let (out, _) = place.expect("run mine/hello.lua", 0);
    assert!(out.contains("ping"), "{out}");
}

#[test]
fn an_editor_gets_definitions_and_settings_and_nothing_is_overwritten() {
    let place = Place::new(&[(".luarc.json", "{ \"mine\": 1 }")]);
    let (out, err) = place.expect("new losses --template tcp-udp", 0);
    assert!(
        out.contains("wrote losses.lua") && err.contains("next: tidewire sweep losses.lua"),
        "{out}{err}"
    );
    assert_eq!(fs::read_to_string(place.path(".luarc.json")).unwrap(), "{ \"mine\": 1 }");
    let meta = fs::read_to_string(place.path(".tidewire/meta/tidewire.lua")).unwrap();
    assert!(meta.starts_with("---@meta"));
    assert!(fs::read_to_string(place.path("losses.lua")).unwrap().contains("name     = \"losses\""));
    let (_, err) = place.expect("new losses", 2);
    assert!(err.contains("losses.lua is there already"), "{err}");
    let (_, err) = place.expect("new other --template helo", 2);
    assert!(err.contains("did you mean 'hello'?"), "{err}");
    let (out, _) = place.expect("new --meta", 0);
    assert!(out.contains("tidewire.lua") && !out.contains("hello"), "{out}");
    let (_, err) = place.expect("new", 2);
    assert!(err.contains("<NAME>"), "{err}");
}

fn scripts_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            scripts_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "lua") {
            found.push(path);
        }
    }
}

#[test]
fn every_script_that_comes_with_tidewire_passes_the_strict_check() {
    // These show what the warning is about: a host that does not forward, switches without a spanning tree, more load than a link
    // carries.
    let meant = [
        "links/noise.lua",
        "links/spanning_tree.lua",
        "links/arq.lua",
        "links/wireless.lua",
        "links/pause.lua",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let mut scripts = Vec::new();
    scripts_below(&folder, &mut scripts);
    assert!(scripts.len() > 50);
    let place = Place::new(&[]);
    for script in scripts.iter().filter(|path| !meant.iter().any(|name| path.ends_with(name))) {
        place.expect(&format!("check {} --strict", script.display()), 0);
    }
}
