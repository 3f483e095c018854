//! What maps of the world have and formats do not promise.

use super::tests::{bare, read, refused};
use super::*;
use crate::{NodeKind, QueueSpec, check, draw};
use tidewire_units::{Bytes, Rate, Span};

fn names(plan: &Plan) -> Vec<&str> {
    plan.nodes().iter().map(|node| node.name.as_str()).collect()
}

fn graphml(inner: &str) -> (Plan, Vec<String>) {
    let keys = [
        ("label", "l"),
        ("Latitude", "y"),
        ("Longitude", "x"),
        ("hyperedge", "h"),
        ("Internal", "i"),
        ("LinkSpeedRaw", "r"),
        ("LinkLabel", "t"),
        ("LinkSpeed", "s"),
        ("LinkSpeedUnits", "u"),
        ("delay", "d"),
    ];
    let keys: String = keys.iter().map(|(name, id)| format!("<key id='{id}' attr.name='{name}'/>")).collect();
    read("map.graphml", &format!("<graphml>{keys}<graph edgedefault='undirected'>{inner}</graph></graphml>"))
}

#[test]
fn names_may_be_in_any_script_of_the_world_with_entities_and_line_breaks() {
    let (plan, _) = graphml(
        "<node id='0'><data key='l'>São Paulo</data></node><node id='1'><data key='l'>北京 &amp; 東京</data></node>\
         <node id='2'><data key='l'>K&#246;ln\n  (West)</data></node><node id='3'><data key='l'><![CDATA[a<b>]]></data></node>\
         <node id='4'><data key='l'>&eacute;t&quot;</data></node>",
    );
    assert_eq!(names(&plan), ["São Paulo", "北京 & 東京", "Köln (West)", "a<b>", "t\""]);
    let svg = draw::svg(&plan);
    assert!(svg.contains("a&lt;b&gt;") && svg.contains("北京 &amp; 東京"));
}

#[test]
fn equal_empty_and_numeric_names_stay_apart() {
    let (plan, notes) = graphml(
        "<node id='0'><data key='l'>1</data></node><node id='1'><data key='l'></data></node><node id='2'><data key='l'>Bern</data></node>\
         <node id='3'><data key='l'>Bern</data></node><node id='4'><data key='l'>Bern (2)</data></node><node id='5'><data key='l'>None</data></node>\
         <node id='  '/>",
    );
    assert_eq!(names(&plan), ["1", "1 (2)", "Bern", "Bern (2)", "Bern (2) (2)", "5", "node7"]);
    assert!(notes.iter().any(|note| note.starts_with("3 names were taken")), "{notes:?}");
}

#[test]
fn parallel_links_stay_and_loops_do_not() {
    let (plan, notes) = graphml(
        "<node id='a'/><node id='b'/><edge source='a' target='b'/><edge source='b' target='a'/><edge source='a' target='a'/><edge source='b' target='b'/>",
    );
    let links: Vec<&str> = plan.links().iter().map(|link| link.name.as_str()).collect();
    assert_eq!(links, ["a-b", "b-a#2"]);
    assert_eq!(
        notes,
        [
            "no node has coordinates; 4 links have the default delay of 0s",
            "2 links from a node to itself were left out"
        ]
    );
}

#[test]
fn a_directed_map_with_both_directions_of_each_link_has_half_as_many_links() {
    let text = "<graphml><key id='d' attr.name='delay'/><graph edgedefault='directed'><node id='a'/><node id='b'/>\
        <edge source='a' target='b'><data key='d'>3ms</data></edge><edge source='b' target='a'><data key='d'>4ms</data></edge></graph></graphml>";
    let (plan, _) = read("x.graphml", text);
    let spec = &plan.links()[0].spec;
    assert_eq!(
        (plan.links().len(), spec.forward.delay, spec.backward.delay),
        (1, Span::from_ms(3), Span::from_ms(4))
    );
    // One direction only: a link like any other.
    let (plan, _) = read(
        "x.graphml",
        "<graphml><graph edgedefault='directed'><node id='a'/><node id='b'/><edge source='a' target='b'/></graph></graphml>",
    );
    assert_eq!(plan.links().len(), 1);
}

#[test]
fn parts_nodes_without_links_and_absurd_coordinates_are_said() {
    let (plan, notes) = graphml(
        "<node id='a'><data key='y'>1e300</data><data key='x'>7</data></node><node id='b'><data key='y'>NaN</data><data key='x'>x</data></node>\
         <node id='c'><data key='y'>50</data><data key='x'>8</data></node><edge source='a' target='b'/>",
    );
    assert_eq!(plan.links()[0].spec.forward.delay, Span::ZERO);
    assert!(notes.contains(&"1 node has coordinates that are not on the globe".to_owned()), "{notes:?}");
    let unread = "1 node has a coordinate that is none and was not used, longitude 'x' in line 1".to_owned();
    assert!(notes.contains(&unread), "{notes:?}");
    assert!(notes.contains(&"the network has 2 parts that no link joins".to_owned()), "{notes:?}");
    assert!(
        notes.contains(&"2 nodes have no coordinates; 1 link there has the default delay of 0s".to_owned()),
        "{notes:?}"
    );
}

#[test]
fn what_others_write_is_used_if_it_can_be_and_negative_numbers_never() {
    let text = |rate: &str| {
        format!(
            "graph {{ a -- b [capacity=\"{rate}\", weight=0]; b -- c [bandwidth=\"1Gbps\", weight=2.5] }}"
        )
    };
    let (plan, notes) = read("x.dot", &text("ample"));
    assert_eq!(
        (plan.links()[1].spec.forward.rate, plan.links()[1].spec.forward.cost),
        (Rate::from_mbps(1000), 5)
    );
    assert!(
        notes.contains(&"1 link has an attribute that was not used, weight '0' in line 1".to_owned()),
        "{notes:?}"
    );
    assert_eq!(refused("x.dot", &text("-5")), "x.dot:1: '-5' is not a rate, for example \"10Mbps\"");
    let (_, notes) =
        graphml("<node id='a'><data key='i'>0</data></node><node id='b'><data key='i'>1</data></node>");
    assert!(notes.contains(&"1 node is of another network".to_owned()), "{notes:?}");
}

#[test]
fn speeds_are_read_from_what_there_is() {
    let (plan, _) = graphml(
        "<node id='a'/><node id='b'/>\
         <edge source='a' target='b'><data key='r'>155000000.0</data><data key='t'>10 Gbps</data></edge>\
         <edge source='a' target='b'><data key='t'>&lt; 2.5 Gbit/s</data></edge>\
         <edge source='a' target='b'><data key='s'>34</data><data key='u'>M</data></edge>\
         <edge source='a' target='b'><data key='t'>2 x STM-16</data></edge>\
         <edge source='a' target='b'><data key='t'>Dark fibre (lit 2004)</data></edge>\
         <edge source='a' target='b'><data key='r'>0</data></edge>",
    );
    let bits: Vec<u64> = plan.links().iter().map(|link| link.spec.forward.rate.bits_per_s()).collect();
    assert_eq!(bits, [155_000_000, 2_500_000_000, 34_000_000, 4_976_640_000, 1_000_000_000, 1_000_000_000]);
}

#[test]
fn hyperedges_nested_graphs_ports_and_defaults_are_understood() {
    let (plan, _) = graphml(
        "<node id='a'><port name='p'/></node><node id='b'><graph id='in'><node id='b::1'/></graph></node>\
         <edge source='a' target='b::1' sourceport='p'/><hyperedge><endpoint node='a'/><endpoint node='b'/><endpoint node='b::1'/></hyperedge>",
    );
    assert_eq!((plan.nodes().len(), plan.links().len(), plan.count(NodeKind::Switch)), (4, 4, 1));
    let (plan, _) = read(
        "x.graphml",
        "<graphml><key id='d' for='edge' attr.name='delay'><default>7ms</default></key><key id='n' for='node' attr.name='kind'><default>host</default></key>\
         <graph><node id='a'/><node id='b'><data key='n'>router</data></node><edge source='a' target='b'/></graph></graphml>",
    );
    assert_eq!(plan.links()[0].spec.forward.delay, Span::from_ms(7));
    assert_eq!(plan.count(NodeKind::Host), 1);
}

#[test]
fn a_doctype_comments_a_bom_and_windows_lines_change_nothing() {
    let text = "\u{feff}<?xml version='1.0'?>\r\n<!DOCTYPE graphml [<!ENTITY x \"y\">]>\r\n<!-- <node id='no'/> -->\r\n<graphml>\r\n<graph>\r\n<node id='a'/>\r\n<node id='b'/>\r\n<edge source='a' target='c'/>\r\n</graph></graphml>";
    assert_eq!(refused("m.graphml", text), "m.graphml:8: this edge ends at 'c', which is no node");
}

#[test]
fn latin_1_and_utf_16_are_read() {
    let mut plan = Plan::new();
    let imported = load_alone(&mut plan, "x.csv", b"source,target\nK\xf6ln,Z\xfcrich\n", &bare()).unwrap();
    assert_eq!(
        (names(&plan), imported.notes[0].as_str()),
        (vec!["Köln", "Zürich"], "line 2 is not UTF-8: the file was read as Latin-1")
    );
    let utf16: Vec<u8> = "\u{feff}graph { Köln -- Bern }".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut plan = Plan::new();
    load_alone(&mut plan, "x.dot", &utf16, &bare()).unwrap();
    assert_eq!(names(&plan), ["Köln", "Bern"]);
}

#[test]
fn gml_is_read_with_its_graphics_and_numbers_as_ids() {
    let text = "Creator \"x [ ]\"\ngraph [\n  directed 0\n  # a comment ]\n  node [ id 1 label \"Caf&#233;\" graphics [ x 10.5 y 2 ] ]\n  node [ id 2 ]\n  node [ id -3 label \"None\" Latitude 1.5 Longitude 3 ]\n  edge [ source 1 target 2 LinkSpeedRaw 1e9 graphics [ fill \"red\" ] ]\n  edge [ source -3 target 1 value 3 ]\n]\n";
    let (plan, notes) = read("x.gml", text);
    assert_eq!(names(&plan), ["Café", "2", "-3"]);
    assert_eq!(plan.nodes()[0].position, Some([10.5, -2.0]));
    assert_eq!(plan.links().len(), 2, "{notes:?}");
    assert_eq!(
        refused("x.gml", "graph [\n node [ id 1 ]\n edge [ source 1 target 9 ]\n]"),
        "x.gml:3: this edge ends at '9', which is no node"
    );
}

#[test]
fn dot_is_read_with_chains_groups_defaults_and_ports() {
    let text = "/* c */ strict graph \"net\" {\n node [shape=box, kind=router]; edge [rate=\"10Mbps\"]\n a -- b:eth0:n -- {c; d [label=\"D\\n10.0.0.1\"]} [delay=\"2ms\"];\n subgraph cluster_1 { node [kind=host] h1; h1 -- a }\n a -- b // again\n # line\n \"a b\" -- é [label=<<b>x</b>>]\n}";
    let (plan, _) = read("x.dot", text);
    assert_eq!(names(&plan), ["a", "b", "c", "D", "h1", "a b", "é"]);
    let links: Vec<&str> = plan.links().iter().map(|link| link.name.as_str()).collect();
    assert_eq!(links, ["a-b", "b-c", "b-D", "h1-a", "a b-é"]);
    let spec = &plan.links()[1].spec.forward;
    assert_eq!((spec.rate, spec.delay), (Rate::from_mbps(10), Span::from_ms(2)));
    assert_eq!(plan.count(NodeKind::Host), 1);
    let (plan, _) = read("x.gv", "digraph { a -> b; b -> a; b -> c -> b }");
    assert_eq!(plan.links().len(), 2);
}

#[test]
fn rocketfuel_maps_leave_out_what_is_of_others() {
    let text = "1 @New+York,+NY bb (2) &1 -> <2> <3> {-1} =core1.ny r0\n2 @?T (1) -> <1> r1\n3 @London + (1) -> <1> =core1.ny! r0\n-1 =other.net r5\n";
    let (plan, notes) = read("x.cch", text);
    assert_eq!(names(&plan), ["core1.ny", "?T 2", "core1.ny (2)"]);
    assert_eq!(plan.links().len(), 2);
    assert!(
        notes.contains(&"1 links to other networks were left out".to_owned())
            || notes.iter().any(|n| n.starts_with("1 link")),
        "{notes:?}"
    );
    assert_eq!(refused("x.cch", "1 @a -> <7>\n"), "x.cch:1: this edge ends at '7', which is no node");
}

#[test]
fn brite_has_places_delays_and_rates() {
    let text = "Topology: ( 2 Nodes, 1 Edges )\nModel (1 - RTWaxman):  2 1000 100 1  2  0.15 0.2 1 1 10.0 1024.0\n\nNodes: ( 2 )\n0\t10.00\t20.00\t1\t1\t-1\tRT_NODE\n1\t30.00\t40.00\t1\t1\t-1\tRT_NODE\n\nEdges: ( 1 )\n0\t0\t1\t28.3\t0.5\t10.0\t-1\t-1\tE_RT\tU\n";
    let (plan, _) = read("x.brite", text);
    let spec = &plan.links()[0].spec.forward;
    assert_eq!(
        (spec.rate, spec.delay, plan.nodes()[1].position),
        (Rate::from_mbps(10), Span::from_us(500), Some([30.0, 40.0]))
    );
}

#[test]
fn node_link_json_is_read_in_all_its_dialects() {
    let (plan, _) = read(
        "x.json",
        r#"{"directed": false, "nodes": [{"id": 1, "label": "a", "x": [1]}, {"id": "b"}], "edges": [{"source": 1, "target": "b", "rate": 1e9, "delay": "3ms", "key": 0}]}"#,
    );
    assert_eq!(names(&plan), ["a", "b"]);
    assert_eq!(plan.links()[0].spec.forward.delay, Span::from_ms(3));
    let (plan, _) =
        read("x.json", r#"{"nodes": [{"name": "u"}, {"name": "v"}], "links": [{"source": 0, "target": 1}]}"#);
    assert_eq!((names(&plan), plan.links().len()), (vec!["u", "v"], 1));
    let text = "{\"nodes\": [{\"id\": \"a\"}],\n \"links\": [\n  {\"source\": \"a\", \"target\": \"x\"}]}";
    assert_eq!(refused("x.json", text), "x.json:3: this edge ends at 'x', which is no node");
}

#[test]
fn toml_documents_have_the_options_of_scripts() {
    let text = "[[nodes]]\nname = \"h\"\n[[nodes]]\nname = \"r\"\nkind = \"router\"\n[[links]]\nends = [\"h\", \"r\"]\nrate = \"10Mbps\"\nqueue = {discipline = \"codel\", limit = \"64KiB\", target = \"5ms\"}\njitter = \"2ms\"\n";
    let (plan, _) = read("x.toml", text);
    let spec = &plan.links()[0].spec.forward;
    assert_eq!(spec.queue, QueueSpec::Bytes(Bytes(65_536)));
    assert_eq!(spec.discipline.as_ref().unwrap().target, Some(Span::from_ms(5)));
    assert!(spec.impairments.as_ref().unwrap().jitter.is_some());
    assert_eq!(
        refused("x.toml", &text.replace("\"h\", \"r\"", "\"h\", \"x\"")),
        "x.toml:6: link 1 (h-x): there is no node named 'x'"
    );
    assert!(
        refused("x.toml", &text.replace("10Mbps", "fast"))
            .starts_with("x.toml:6: link 1 (h-r): 'fast' is not a rate")
    );
}

#[test]
fn included_files_come_first_with_their_prefix() {
    let read = |name: &str| match name {
        "site.csv" => Ok(b"source,target\ngw,core\n".to_vec()),
        "loop.json" => Ok(br#"{"include": ["all.json"]}"#.to_vec()),
        _ => Err("no such file".to_owned()),
    };
    let text = r#"{"include": [{"file": "site.csv", "prefix": "n-"}, {"file": "site.csv", "prefix": "s-"}],
        "links": [{"ends": ["n-gw", "s-gw"], "rate": "1Mbps"}]}"#;
    let mut plan = Plan::new();
    let imported = load(&mut plan, "nets/all.json", text.as_bytes(), &bare(), &mut { read }).unwrap();
    assert_eq!(names(&plan), ["n-gw", "n-core", "s-gw", "s-core"]);
    assert_eq!((plan.links().len(), imported.built.nodes.len(), imported.built.links.len()), (3, 4, 3));
    let refused = |text: &str| {
        load(&mut Plan::new(), "nets/all.json", text.as_bytes(), &bare(), &mut { read })
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused("{\"include\": [\n\"loop.json\"]}"),
        "loop.json:1: files include each other: all.json -> loop.json -> all.json"
    );
    assert_eq!(
        refused("{\"include\": [\n\"gone.json\"]}"),
        "nets/all.json:2: cannot include 'gone.json': no such file"
    );
}

#[test]
fn a_star_of_two_thousand_and_a_line_of_five_thousand_are_numbered_routed_and_drawn() {
    let star: String = (0..2000).map(|i| format!("hub n{i}\n")).collect();
    let line: String = (0..5000).map(|i| format!("n{i} n{}\n", i + 1)).collect();
    for text in [star, line] {
        let (mut plan, _) = read("list", &text);
        plan.assign_addresses().unwrap();
        assert!(check(&plan).iter().all(|finding| finding.problem != crate::Problem::Unreachable));
        assert!(draw::svg(&plan).ends_with("</svg>\n"));
    }
}
