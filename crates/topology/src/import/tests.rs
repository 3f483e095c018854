use super::attributes::operator_rate;
use super::*;
use crate::{LinkSpec, NodeKind, check, routes};
use proptest::prelude::*;
use tidewire_units::{Rate, Span};

pub(super) fn bare() -> Style {
    Style { hosts: 0, ..Style::default() }
}

fn graphml(plan: &mut Plan, bytes: &[u8], style: &Style) -> Result<Imported, ImportError> {
    load_alone(plan, "map.graphml", bytes, style)
}

fn edge_list(plan: &mut Plan, bytes: &[u8], style: &Style) -> Result<Imported, ImportError> {
    load_alone(plan, "list", bytes, style)
}

/// The plan in a text of some format, and what was said about it.
pub(super) fn read(name: &str, text: &str) -> (Plan, Vec<String>) {
    let mut plan = Plan::new();
    let imported = load_alone(&mut plan, name, text.as_bytes(), &bare()).unwrap_or_else(|e| panic!("{e}"));
    (plan, imported.notes)
}

pub(super) fn refused(name: &str, text: &str) -> String {
    load_alone(&mut Plan::new(), name, text.as_bytes(), &bare()).unwrap_err().to_string()
}

const ZOO: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="label" attr.type="string" for="node" id="d1" />
  <key attr.name="Latitude" attr.type="double" for="node" id="d2" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d3" />
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d4" />
  <graph edgedefault="undirected">
    <edge source="0" target="1"><data key="d4">10000000000.0</data></edge>
    <node id="0"><data key="d1">New York &amp; Co</data><data key="d2">40.71</data><data key="d3">-74.01</data></node>
    <node id="1"><data key="d1">London</data><data key="d2">51.51</data><data key="d3">-0.13</data></node>
    <node id="2"><data key="d1">London</data></node>
    <edge source="1" target="2" />
    <edge source="2" target="2" />
  </graph>
</graphml>"#;

#[test]
fn a_map_of_the_topology_zoo_gets_names_rates_and_delays_from_distances() {
    let mut plan = Plan::new();
    let imported = graphml(&mut plan, ZOO.as_bytes(), &bare()).unwrap();
    let names: Vec<&str> = plan.nodes().iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["New York & Co", "London", "London (2)"]);
    assert_eq!(
        imported.notes,
        [
            "1 node has no coordinates; 1 link there has the default delay of 0s",
            "1 name was taken; its second node is 'London (2)'",
            "1 link from a node to itself was left out"
        ]
    );
    let long = &plan.link(imported.built.links[0]).spec.forward;
    assert_eq!(long.rate, Rate::from_mbps(10_000));
    // 5570 km at 200,000 km/s.
    assert!((long.delay.as_ms_f64() - 27.85).abs() < 0.1, "{}", long.delay);
    assert_eq!(plan.link(imported.built.links[1]).spec, LinkSpec::default());
}

#[test]
fn labels_and_places_of_yed_are_read() {
    let text = r#"<graphml xmlns:y="u"><key attr.name="label" for="edge" id="d5"/><graph>
        <node id="n0"><data key="d7"><y:ShapeNode><y:Geometry x="78.5" y="43"/><y:NodeLabel>Seattle</y:NodeLabel></y:ShapeNode></data></node>
        <node id="n1"><data key="d7"><y:ShapeNode><y:NodeLabel>Denver</y:NodeLabel></y:ShapeNode></data></node>
        <edge source="n0" target="n1"><data key="d5"><![CDATA[OC-192c]]></data></edge></graph></graphml>"#;
    let mut plan = Plan::new();
    let imported = graphml(&mut plan, text.as_bytes(), &Style { hosts: 2, ..Style::default() }).unwrap();
    assert_eq!(plan.node(plan.find("Seattle").unwrap()).position, Some([78.5, -43.0]));
    assert_eq!(plan.link(imported.built.links[0]).spec.backward.rate.bits_per_s(), 9_953_280_000);
    assert_eq!((plan.count(NodeKind::Host), imported.built.hosts.len()), (4, 4));
    assert!(plan.find("Denver-h2").is_some());
}

#[test]
fn broken_graphml_is_refused_with_its_line() {
    let refused = |text: &str| graphml(&mut Plan::new(), text.as_bytes(), &bare()).unwrap_err().to_string();
    let graph = |inner: &str| refused(&format!("<graphml>\n<graph>\n{inner}\n</graph></graphml>"));
    assert_eq!(
        graph(r#"<node id="a"/><node id="a"/>"#),
        "map.graphml:3: there is already a node with the id 'a'"
    );
    assert_eq!(
        graph(r#"<node id="a"/><edge source="a" target="b"/>"#),
        "map.graphml:3: this edge ends at 'b', which is no node"
    );
    assert_eq!(graph(r#"<edge source="a"/>"#), "map.graphml:3: the target of an edge is missing");
    assert_eq!(graph(""), "map.graphml: the file has no nodes");
    assert!(graph("<node id='a'></graph>").starts_with("map.graphml:3: this is not well-formed XML"));
    assert_eq!(refused("hello"), "map.graphml:1: there is no <graph> in this file");
}

#[test]
fn both_directions_of_a_rocketfuel_link_become_one_link_with_whole_costs() {
    let text = "# weights\nSan+Jose,+CA1 Anaheim,+CA2 2.5\nAnaheim,+CA2 San+Jose,+CA1 3\nAnaheim,+CA2 Tacoma,+WA3 2\n";
    let mut plan = Plan::new();
    let imported = edge_list(&mut plan, text.as_bytes(), &bare()).unwrap();
    assert_eq!((plan.nodes().len(), plan.links().len()), (3, 2));
    let spec = &plan.links()[0].spec;
    assert_eq!((spec.forward.cost, spec.backward.cost), (5, 6));
    assert_eq!((plan.links()[1].spec.forward.cost, plan.links()[1].spec.backward.cost), (4, 4));
    assert_eq!(
        imported.notes,
        [
            "no node has coordinates; 2 links have the default delay of 0s",
            "all weights were multiplied by 2, to make whole costs of them"
        ]
    );
}

#[test]
fn a_csv_list_has_a_header_and_options() {
    let text = "source,target,rate,delay,cost\n\"Paris, FR\",Rome,10Gbps,5ms,3\nRome,Bern,STM-4,,\n";
    let mut plan = Plan::new();
    edge_list(&mut plan, text.as_bytes(), &bare()).unwrap();
    assert!(plan.find("Paris, FR").is_some());
    let [first, second] = [0, 1].map(|i| &plan.links()[i].spec.forward);
    assert_eq!((first.rate, first.delay, first.cost), (Rate::from_mbps(10_000), Span::from_ms(5), 3));
    assert_eq!((second.rate.bits_per_s(), second.cost), (622_080_000, 1));
}

#[test]
fn broken_lists_are_refused_with_their_line() {
    let refused = |text: &str| edge_list(&mut Plan::new(), text.as_bytes(), &bare()).unwrap_err().to_string();
    assert_eq!(refused("a b\na b c d\n"), "list:2: expected two names and perhaps a weight");
    assert_eq!(refused("a b 0\n"), "list:1: '0' is not a weight: expected a number above 0");
    assert_eq!(refused("x,y\na,b\n"), "list:1: the header must name the columns 'source' and 'target'");
    assert_eq!(
        refused("source,target,rate\na,b,fast\n"),
        "list:2: 'fast' is not a rate, for example \"10Mbps\""
    );
    assert_eq!(
        refused("source,target\na\n"),
        "list:2: this line has another number of columns than the header"
    );
    assert_eq!(refused("source,target\n"), "list: the file has no nodes");
}

#[test]
fn rates_are_read_as_operators_write_them() {
    let cases = [
        ("OC-3", Some(155_520_000)),
        ("OC-192c", Some(9_953_280_000)),
        ("STM-16", Some(2_488_320_000)),
        ("10 Gbit/s", Some(10_000_000_000)),
        ("2.5Gbps", Some(2_500_000_000)),
        ("T3", Some(44_736_000)),
        ("Fibre", None),
        ("", None),
        ("OC-", None),
    ];
    for (text, bits) in cases {
        assert_eq!(operator_rate(text).map(Rate::bits_per_s), bits, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..ZOO.len(), flip in 0usize..ZOO.len(), byte: u8) {
        let mut broken = ZOO.as_bytes().to_vec();
        broken[flip] = byte;
        for input in [&bytes[..], &ZOO.as_bytes()[..cut], &broken[..]] {
            let mut plan = Plan::new();
            let _ = edge_list(&mut plan, input, &Style::default());
            let mut plan = Plan::new();
            if graphml(&mut plan, input, &Style::default()).is_ok() && plan.assign_addresses().is_ok() {
                let _ = (check(&plan), routes(&plan, &|_| true), crate::draw::svg(&plan));
            }
        }
    }
}
