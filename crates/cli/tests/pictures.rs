//! The pictures of the documentation are what the program draws.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_pictures_of_the_page_on_loss_are_those_of_its_runs() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").canonicalize().unwrap();
    let drawn = tempfile::tempdir().unwrap();
    let status = Command::new("bash")
        .arg(docs.join("pictures/draw"))
        .args([env!("CARGO_BIN_EXE_tidewire").as_ref(), drawn.path()])
        .status()
        .expect("bash starts");
    assert!(status.success());
    let page = fs::read_to_string(docs.join("what-happens-on-loss.md")).unwrap();
    let mut compared = 0;
    for entry in fs::read_dir(drawn.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let committed = fs::read_to_string(docs.join("pictures").join(name)).unwrap_or_default();
        let again = "draw them anew: docs/pictures/draw target/release/tidewire docs/pictures";
        assert!(fs::read_to_string(&path).unwrap() == committed, "{name} differs; {again}");
        assert!(page.contains(&format!("(pictures/{name})")), "the page shows {name}");
        compared += 1;
    }
    assert_eq!(compared, 6);
}

#[test]
fn the_ladders_of_the_page_on_loss_are_those_of_its_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let results = tempfile::tempdir().unwrap();
    let mut printed = String::new();
    for lost in ["one", "tail"] {
        let output = Command::new(env!("CARGO_BIN_EXE_tidewire"))
            .args(["run", "scripts/tcp/loss.lua", "-p", &format!("lost={lost}"), "--out"])
            .arg(results.path())
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(output.status.success());
        printed.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    let page = fs::read_to_string(root.join("docs/what-happens-on-loss.md")).unwrap();
    let is_arrow = |line: &&str| line.starts_with("  ") && (line.contains("|-- ") || line.contains("|<--"));
    let ladders: Vec<&str> = page.lines().filter(is_arrow).collect();
    assert!(ladders.len() >= 9, "{ladders:?}");
    for line in ladders {
        assert!(printed.lines().any(|known| known == line), "no run prints\n{line}");
    }
}

#[test]
fn every_network_of_the_repository_can_be_pdf_and_the_small_ones_letters() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let place = tempfile::tempdir().unwrap();
    let tidewire = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
        let output = command.args(arguments).current_dir(&root).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut drawn = 0;
    for entry in fs::read_dir(root.join("topologies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            continue;
        }
        let pdf = place.path().join("network.pdf");
        let (code, _) = tidewire(&["topo", path.to_str().unwrap(), "-o", pdf.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{}", path.display());
        assert!(fs::read(&pdf).unwrap().starts_with(b"%PDF-"), "{}", path.display());
        fs::remove_file(&pdf).unwrap();
        drawn += 1;
    }
    assert!(drawn > 10);
    let crowded = place.path().join("crowded.lua");
    for network in ["net:grid { rows = 10, columns = 15 }", "net:fat_tree { k = 8 }"] {
        fs::write(&crowded, network).unwrap();
        let pdf = place.path().join("network.pdf");
        let (code, _) = tidewire(&["topo", crowded.to_str().unwrap(), "-o", pdf.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{network}");
        assert!(fs::read(&pdf).unwrap().starts_with(b"%PDF-"), "{network}");
    }
    let (code, letters) = tidewire(&["topo", "topologies/home.toml", "--ascii"]);
    let (_, table) = tidewire(&["topo", "topologies/home.toml"]);
    assert_eq!(code, Some(0));
    let names =
        table.lines().skip(1).take_while(|line| !line.is_empty()).filter(|line| !line.starts_with(' '));
    for name in names.filter_map(|line| line.split(' ').next()) {
        assert!(letters.contains(name), "{name} is not in\n{letters}");
    }
    let (code, _) = tidewire(&["topo", "topologies/home.toml", "-o", "home.png"]);
    assert_eq!(code, Some(2), "pixels are refused");
}
