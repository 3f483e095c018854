//! Scripts from templates, and what editors need.

mod place;

use place::Place;
use std::fs;

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
