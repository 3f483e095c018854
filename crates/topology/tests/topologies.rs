//! Every file of the folder `topologies` is a network in which all reach all.

use std::fs;
use std::path::{Path, PathBuf};
use tidewire_topology::generate::Style;
use tidewire_topology::{NodeKind, Plan, Severity, check, draw, import, routes};
use tidewire_units::{NodeId, Rate, Span};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topologies")
}

fn loaded(name: &str) -> (Plan, Vec<String>) {
    let mut plan = Plan::new();
    let style = Style { hosts: 0, ..Style::default() };
    let bytes = fs::read(folder().join(name)).unwrap();
    let imported = import::load(&mut plan, name, &bytes, &style, &mut |file| {
        fs::read(folder().join(file)).map_err(|error| error.to_string())
    });
    let notes = imported.unwrap_or_else(|error| panic!("{error}")).notes;
    plan.assign_addresses().unwrap();
    (plan, notes)
}

fn names() -> Vec<String> {
    let entries =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name != "README.md").collect();
    names.sort();
    names
}

#[test]
fn every_file_is_a_network_without_faults_that_routes_all_pairs_and_can_be_drawn() {
    for name in names() {
        let (plan, _) = loaded(&name);
        let warnings: Vec<_> =
            check(&plan).into_iter().filter(|f| f.problem.severity() != Severity::Note).collect();
        assert_eq!(warnings, [], "{name}");
        let tables = routes(&plan, &|_| true);
        let addressed = |id: &NodeId| plan.node(*id).spec.kind() != NodeKind::Switch;
        for from in plan.node_ids().filter(addressed) {
            for to in plan.node_ids().filter(addressed).filter(|to| *to != from) {
                let owned = plan.node(to).ifaces.iter().filter_map(|iface| plan.iface(*iface).address);
                for address in owned {
                    assert!(
                        !tables.lookup(from, address.ip).is_empty(),
                        "{name}: no route to {}",
                        address.ip
                    );
                }
                assert!(plan.path(from, to, &|_| true).is_some(), "{name}: no path");
            }
        }
        let svg = draw::svg(&plan);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{name}");
        plan.node_ids().for_each(|id| assert!(svg.contains(&plan.node(id).name), "{name}"));
        assert_eq!(svg, draw::svg(&loaded(&name).0), "{name} is drawn the same again");
    }
}

#[test]
fn the_table_of_the_folder_lists_every_file() {
    let page = fs::read_to_string(folder().join("README.md")).unwrap();
    let names = names();
    assert!(names.len() >= 12);
    for name in names {
        assert!(page.contains(&format!("[{name}]({name})")), "{name} is in the table");
    }
}

#[test]
fn every_file_says_what_it_is() {
    for name in names() {
        let text = fs::read_to_string(folder().join(&name)).unwrap();
        let says =
            ["#", "//", "<!--", "about", "\"name\": \"A ", "Model ("].iter().any(|sign| text.contains(sign));
        assert!(says, "{name} has a comment");
    }
}

#[test]
fn files_mean_what_their_comments_say() {
    let (home, _) = loaded("home.toml");
    let uplink = &home.link(home.find_link("home-router-provider").unwrap()).spec;
    assert_eq!(uplink.backward.rate.bits_per_s(), 10 * uplink.forward.rate.bits_per_s());
    let (isp, notes) = loaded("isp.graphml");
    assert_eq!(notes, Vec::<String>::new());
    let cable = &isp.link(isp.find_link("Paris-London").unwrap()).spec.forward;
    assert_eq!(cable.rate, Rate::from_mbps(400_000));
    // 344 km.
    assert!((cable.delay.as_ms_f64() - 1.72).abs() < 0.02, "{}", cable.delay);
    let (branches, _) = loaded("branches.toml");
    assert_eq!((branches.nodes().len(), branches.count(NodeKind::Host)), (17, 10));
    let path = |from: &str, to: &str| {
        let [from, to] = [from, to].map(|name| branches.find(name).unwrap());
        branches.path(from, to, &|_| true).unwrap().len()
    };
    // Over the leased line, not around.
    assert_eq!(path("north-files", "south-files"), 6);
    let (backbone, notes) = loaded("backbone.intra");
    let link = &backbone.link(backbone.find_link("LosAngeles-Seattle").unwrap()).spec;
    assert_eq!((link.forward.cost, link.backward.cost), (22, 20));
    assert!(notes.iter().any(|note| note.contains("multiplied by 2")), "{notes:?}");
    let (satellite, _) = loaded("satellite.toml");
    let up = &satellite.link(satellite.find_link("bridge-geostationary").unwrap()).spec.forward;
    assert_eq!(up.delay, Span::from_ms(120));
}
