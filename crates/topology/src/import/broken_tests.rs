//! Files that are no networks: a message with its place, never a panic, a hang or all memory.

use super::tests::refused;
use super::*;
use proptest::prelude::*;

/// A small good file of each format.
const GOOD: [(&str, &str); 10] = [
    (
        "a.graphml",
        "<graphml><key id='k' attr.name='label'/><graph edgedefault='undirected'><node id='a'><data key='k'>A &amp; B</data></node><node id='b'/><edge source='a' target='b'/></graph></graphml>",
    ),
    ("a.gml", "graph [ node [ id 1 label \"a\" ] node [ id 2 ] edge [ source 1 target 2 ] ]"),
    ("a.dot", "graph g { a -- b -- {c d} [rate=\"10Mbps\"]; \"x\" -> }"),
    ("b.dot", "strict digraph g { a -> b -> {c d}; node [kind=host]; e }"),
    (
        "a.json",
        r#"{"nodes":[{"name":"a"},{"name":"b"}],"links":[{"ends":["a","b"],"loss":{"every":3},"queue":"9pkt"}]}"#,
    ),
    ("b.json", r#"{"nodes":[{"id":"a"},{"id":2}],"links":[{"source":"a","target":2,"delay":"1ms"}]}"#),
    ("a.toml", "[[nodes]]\nname = \"a\"\n[[nodes]]\nname = \"b\"\n[[links]]\nends = [\"a\", \"b\"]\n"),
    ("a.csv", "source,target,rate\na,b,10Mbps\n"),
    ("a.cch", "1 @x -> <2> =a r0\n2 @y -> <1> =b r0\n"),
    (
        "a.brite",
        "Topology: ( 2 Nodes, 1 Edges )\nNodes: ( 2 )\n0 1 2 1 1 -1 RT\n1 3 4 1 1 -1 RT\nEdges: ( 1 )\n0 0 1 2.8 0.5 10.0\n",
    ),
];

#[test]
fn empty_files_and_files_of_other_kinds_are_refused() {
    for (name, _) in GOOD {
        for text in [
            "",
            "\n\n",
            "\u{feff}",
            "hello world, this is no network\n",
            "\u{1}\u{2}",
            "[]",
            "42",
            "<html><body/></html>",
        ] {
            assert!(refused(name, text).starts_with(name), "{name} {text:?}");
        }
        let mut plan = Plan::new();
        let error = load_alone(&mut plan, name, b"PK\x03\x04\0\0\n\0", &Style::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{name}:1: there is a null character here; this is not a text file")
        );
    }
}

#[test]
fn messages_name_what_to_write_and_no_types() {
    let toml = "[[nodes]]\nname = \"a\"\n[[nodes]]\nname = \"b\"\n[[links]]\nends = [\"a\", \"b\"]\n";
    for (text, part) in [
        (format!("{toml}arq = \"foo\"\n"), "'foo' is none of \"stop_and_wait\", \"gbn\", \"sr\""),
        (format!("{toml}arq = 7\n"), "or a table such as {kind = \"sr\", window = 8}"),
        (format!("{toml}arq = {{ kind = \"sr\", windw = 8 }}\n"), "unknown field `windw`"),
        (
            toml.replace("\"b\"]", "\"b\", \"c\"]"),
            "a.toml:6: a link has two ends, as in ends = [\"a\", \"b\"], not 3",
        ),
        (toml.replace(", \"b\"]", "]"), "a link has two ends, as in ends = [\"a\", \"b\"], not 1"),
        (format!("{toml}forward = 7\n"), "expected a table of options such as {rate = \"1Mbps\"}"),
        ("nodes = [\"a\"]".to_owned(), "expected a table such as {name = \"a\", kind = \"router\"}"),
        ("nodes = []\nlinks = [3]".to_owned(), "expected a table such as {ends = "),
        (format!("subnets = [1]\n{toml}"), "expected a table such as {prefix = "),
        (format!("routes = [1]\n{toml}"), "expected a table such as {node = "),
        (
            format!("{toml}queue = {{ discipline = \"codel\", traget = \"5ms\" }}\n"),
            "a.toml:7: unknown field `traget`",
        ),
        (format!("{toml}mtu = \"1500\"\n"), "expected a whole number from 0 to 65535"),
        (format!("{toml}ips = [\"10.0.0.1/24\"]\n"), "expected a list of 2"),
        (format!("{toml}loss = {{ seq = [0] }}\n"), "packets to be lost are counted from 1"),
        (format!("[[nodes]]\nname = \"c\"\nprocessing = \"-5us\"\n{toml}"), "'-5us'"),
        (
            format!("[[nodes]]\nname = \"c\"\nkind = \"switch\"\nhub = true\nradio = {{}}\n{toml}"),
            "a switch is a hub or has a radio, not both",
        ),
    ] {
        let message = refused("a.toml", &text);
        assert!(message.contains(part) && !message.contains("Document"), "{text}: {message}");
    }
    let (plan, _) = super::tests::read("a.toml", &format!("{toml}arq = \"sr\"\n"));
    assert!(plan.links()[0].spec.arq.is_some());
}

#[test]
fn a_header_that_may_be_a_link_is_spoken_of() {
    let spoken = |text: &str| {
        let (_, notes) = super::tests::read("e.csv", text);
        notes.iter().any(|note| note.starts_with("the first line, 'a,b', was read as the header"))
    };
    assert!(spoken("a,b\nb,c\nc,d\n") && spoken("a;b\nb;c\n"));
    assert!(!spoken("source,target\na,b\n") && !spoken("a,b,rate\nx,y,10Mbps\n"));
}

#[test]
fn deep_nesting_is_refused_or_flat() {
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    assert!(refused("a.json", &deep("[", "]")).contains("a.json:1"));
    assert!(refused("a.json", &deep("{\"nodes\":", "}")).contains("a.json:1"));
    assert!(refused("a.toml", &format!("nodes = {}", deep("[", "]"))).contains("a.toml"));
    assert!(refused("a.dot", &format!("graph {}", deep("{", "}"))).contains("nest"));
    survives("a.dot", format!("graph {{ a [label={}] }}", deep("<", ">")).as_bytes());
    assert!(refused("a.gml", &deep("graph [ ", "]")).contains("no nodes"));
    assert!(refused("a.graphml", &deep("<graph>", "</graph>")).contains("no nodes"));
}

#[test]
fn entities_are_not_expanded_a_billion_times() {
    let text = "<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><graphml><key id='k' attr.name='label'/><graph><node id='n'><data key='k'>&b;</data></node></graph></graphml>";
    let mut plan = Plan::new();
    load_alone(&mut plan, "a.graphml", text.as_bytes(), &Style::default()).unwrap();
    assert_eq!(plan.nodes()[0].name, "n");
}

#[test]
fn more_than_is_read_is_refused_before_it_is_kept() {
    let mut plan = Plan::new();
    let error = load_alone(&mut plan, "a.csv", &vec![b' '; MOST_BYTES + 1], &Style::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.csv: the file is larger than 64 MiB, the most that is read of a network"
    );
    let side: String = (0..3000).map(|i| format!("n{i} ")).collect();
    assert!(
        refused("a.dot", &format!("graph {{ {{{side}}} -- {{{side}}} }}"))
            .contains("links; this is the most")
    );
    let again = format!("{{{side}}} -- ").repeat(3);
    assert!(refused("a.dot", &format!("strict graph {{ {again} x }}")).contains("links; this is the most"));
}

#[test]
fn wrong_values_are_refused_at_their_line() {
    let csv =
        |columns: &str, values: &str| refused("a.csv", &format!("source,target,{columns}\na,b,{values}\n"));
    assert_eq!(csv("rate", "-5Mbps"), "a.csv:2: '-5Mbps' is not a rate, for example \"10Mbps\"");
    assert!(csv("rate", "10").contains("write \"10Mbps\""));
    assert!(csv("delay", "-3").contains("a.csv:2: '-3' is not a delay"));
    assert!(csv("loss", "150%").contains("a.csv:2: '150%' is not a probability"));
    assert!(csv("mtu", "12").contains("MTU of 12 bytes"), "{}", csv("mtu", "12"));
    assert!(csv("cost", "0").contains("is not a weight"));
    assert!(csv("queue", "many").contains("a.csv:2"));
    assert!(
        refused("a.json", "{\"nodes\":[\n{\"name\":\"a\"},\n{\"name\":\"a\"}]}")
            .starts_with("a.json:3: node 'a': ")
    );
    assert!(refused("a.json", "{\"nodes\":[\n{\"name\":7}]}").starts_with("a.json:2: invalid type: integer"));
    assert!(refused("a.json", "{\"include\": [7]}").contains("an include is the name of a file"));
    assert!(
        refused("a.toml", "[[nodes]]\nname = \"a\"\nsize = 3\n")
            .starts_with("a.toml:3: unknown field `size`"),
        "{}",
        refused("a.toml", "[[nodes]]\nname = \"a\"\nsize = 3\n")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn damaged_files_never_panic(which in 0usize..GOOD.len(), cut in 0usize..400, at in 0usize..400, byte: u8, twice: bool) {
        let (name, text) = GOOD[which];
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if twice {
            let copy = bytes[at..].to_vec();
            bytes.extend(copy);
        }
        survives(name, &bytes);
        survives(name, &text.as_bytes()[..cut.min(text.len())]);
        survives("unknown", &bytes);
    }

    #[test]
    fn no_text_panics(which in 0usize..GOOD.len(), text in "\\PC{0,80}") {
        survives(GOOD[which].0, text.as_bytes());
    }
}

#[test]
fn a_brite_file_that_is_cut_off_is_no_smaller_network() {
    let whole = "Topology: ( 3 Nodes, 2 Edges )\nNodes: ( 3 )\n0 1 1 1 1 -1 RT\n1 5 5 1 1 -1 RT\n2 7 7 1 1 -1 RT\nEdges: ( 2 )\n0 0 1 5.0 0.01 10.0\n1 1 2 5.0 0.01 10.0\n";
    assert_eq!(super::tests::read("a.brite", whole).0.links().len(), 2);
    let cut = |at: &str| refused("a.brite", &whole[..whole.find(at).unwrap()]);
    assert_eq!(cut("1 1 2"), "a.brite:6: 2 edges are announced, 1 are there: a part of the file is missing");
    assert_eq!(cut("2 7 7"), "a.brite:2: 3 nodes are announced, 2 are there: a part of the file is missing");
}
