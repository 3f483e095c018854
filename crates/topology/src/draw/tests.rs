use super::labels::Rect;
use super::layout::arrange;
use super::links::Legend;
use super::scene::Scene;
use super::*;
use crate::generate::{self, RandomModel, Style};
use crate::{LossModel, Plan};
use proptest::prelude::*;
use tidewire_units::{Bytes, Probability, Purpose, Rate, Streams};

fn numbered(build: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = Plan::new();
    build(&mut plan);
    plan.assign_addresses().unwrap();
    plan
}

fn shapes() -> Vec<(&'static str, Plan)> {
    let style = Style::default();
    let slow = LinkSpec::new(Rate::from_mbps(50), Span::from_ms(18));
    vec![
        ("line", numbered(|p| drop(generate::line(p, 5, &style)))),
        ("long line", numbered(|p| drop(generate::line(p, 30, &style)))),
        ("ring", numbered(|p| drop(generate::ring(p, 9, &style)))),
        ("star", numbered(|p| drop(generate::star(p, 12, &Style::switched())))),
        ("tree", numbered(|p| drop(generate::tree(p, 3, 3, &Style { hosts: 2, ..Style::switched() })))),
        ("wide tree", numbered(|p| drop(generate::tree(p, 3, 6, &Style::switched())))),
        ("grid", numbered(|p| drop(generate::grid(p, 4, 4, &style)))),
        ("dumbbell", numbered(|p| drop(generate::dumbbell(p, 8, &slow, &style)))),
        ("parking lot", numbered(|p| drop(generate::parking_lot(p, 4, &style)))),
        ("fat tree", numbered(|p| drop(generate::fat_tree(p, 4, &style)))),
        (
            "leaf and spine",
            numbered(|p| drop(generate::leaf_spine(p, 3, 4, &Style { hosts: 3, ..style.clone() }))),
        ),
    ]
}

/// The symbols of a drawing.
fn symbols(plan: &Plan) -> Vec<Rect> {
    let scene = Scene::new(plan, &Legend::new(plan));
    let (points, _) = arrange(plan, &scene);
    scene.vertices.iter().zip(points).map(|(vertex, point)| Rect::around(point, vertex.symbol)).collect()
}

fn overlaps(rects: &[Rect]) -> usize {
    let later = |i: usize| rects[i + 1..].iter().filter(|other| rects[i].overlap(**other) > 1.0).count();
    (0..rects.len()).map(later).sum()
}

/// The boxes of the texts of an SVG, from their attributes.
fn texts(svg: &str) -> Vec<(Rect, String)> {
    let attribute = |line: &str, name: &str| -> Option<f64> {
        line.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?.parse().ok()
    };
    let shown =
        svg.lines().filter(|line| line.starts_with("<text") && !line.contains("text-anchor=\"start\""));
    shown
        .map(|line| {
            let content = line.split('>').nth(1).unwrap().trim_end_matches("</text").to_owned();
            let size = attribute(line, "font-size").unwrap();
            let [x, y] = ["x", "y"].map(|name| attribute(line, name).unwrap());
            let width = super::labels::text_width(&content, size);
            (Rect::around([x, y - size * 0.36], [width, size * 0.9]), content)
        })
        .collect()
}

#[test]
fn no_symbols_and_no_labels_overlap_in_drawings_of_well_known_shapes() {
    for (name, plan) in shapes() {
        let symbols = symbols(&plan);
        assert_eq!(overlaps(&symbols), 0, "symbols of the {name}");
        let texts = texts(&svg(&plan));
        assert!(texts.len() >= symbols.len(), "every symbol of the {name} has a label");
        let drawn = svg(&plan);
        let paper = drawn.rfind("fill-opacity").unwrap_or(0);
        assert!(
            paper < drawn.find("<g transform").unwrap(),
            "paper under labels hides symbols of the {name}"
        );
        for (i, (a, content)) in texts.iter().enumerate() {
            for (b, other) in &texts[i + 1..] {
                assert!(a.overlap(*b) < 6.0, "'{content}' and '{other}' of the {name} overlap: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn a_drawing_names_every_node_and_is_the_same_every_time() {
    for (name, plan) in shapes() {
        let drawing = svg(&plan);
        assert_eq!(drawing, svg(&plan.clone()), "{name}");
        for node in plan.nodes() {
            assert!(drawing.contains(&format!(">{}<", node.name)), "the {name} lacks {}", node.name);
            assert!(dot(&plan).contains(&format!("\"{}\"", node.name)));
            assert!(text(&plan).contains(&node.name));
        }
    }
}

#[test]
fn many_hosts_of_one_router_become_one_symbol() {
    let plan = numbered(|p| drop(generate::star(p, 500, &Style::switched())));
    let drawing = svg(&plan);
    assert!(drawing.contains("h1 … h500") && drawing.contains("500 hosts"));
    assert_eq!(symbols(&plan).len(), 2);
}

#[test]
fn names_are_escaped() {
    let mut plan = Plan::new();
    plan.add_host("a<b>&\"c\"").unwrap();
    assert!(svg(&plan).contains("a&lt;b&gt;&amp;&quot;c&quot;"));
    assert!(dot(&plan).contains(r#""a<b>&\"c\"""#));
}

#[test]
fn an_empty_plan_is_an_empty_drawing() {
    let plan = Plan::new();
    assert!(svg(&plan).starts_with("<svg") && svg(&plan).ends_with("</svg>\n"));
    assert_eq!(dot(&plan).lines().last(), Some("}"));
    assert!(text(&plan).contains("0 links"));
}

#[test]
fn hubs_and_access_points_look_like_themselves_and_links_tell_vlans_and_distances() {
    let plan: Plan = serde_json::from_str(
        r#"{"nodes":[{"name":"a"},{"name":"b"},{"name":"h","kind":"switch","hub":true},{"name":"s","kind":"switch"},
                     {"name":"w","kind":"switch","radio":{}}],
            "links":[{"ends":["a","h"],"rate":"10Mbps"},{"ends":["h","s"],"rate":"10Mbps","vlan":10},
                     {"ends":["b","w"],"distance":12.5},{"ends":["w","s"],"vlan":{"trunk":[10,20],"native":1}}]}"#,
    )
    .unwrap();
    let (text, svg) = (text(&plan), svg(&plan));
    assert!(
        text.ends_with("\n2 hosts, 1 switch, 1 hub, 1 access point, 4 links; diameter 4 links; connected\n"),
        "{text}"
    );
    for part in ["VLAN 10", "12.5 m away", "trunk 10 20, untagged 1"] {
        assert!(text.contains(part) && svg.contains(part), "{part} in\n{text}\n{svg}");
    }
    let symbols: std::collections::BTreeSet<&str> = svg
        .split("<g transform")
        .skip(1)
        .filter_map(|symbol| symbol.split("</title>").nth(1)?.split("</g>").next())
        .collect();
    assert_eq!(symbols.len(), 4, "hosts, switch, hub and access point differ: {symbols:?}");
}

#[test]
fn the_text_of_a_pair_shows_the_chain_and_both_directions() {
    let plan = numbered(|p| {
        let [a, b] = ["alice", "bob"].map(|name| p.add_host(name).unwrap());
        let mut spec =
            LinkSpec::new(Rate::from_mbps(10), Span::from_ms(20)).with_queue(QueueSpec::Bytes(Bytes(65536)));
        spec.forward.loss.model = LossModel::Bernoulli(Probability::new(0.01).unwrap());
        spec.backward.loss.model = LossModel::Listed(vec![5, 9]);
        spec.backward.loss.among = Match::Ack;
        p.connect(a, b, spec).unwrap();
    });
    let want = "\
alice -------- bob

node   kind  interface  address      to
alice  host  0          10.0.0.1/24  bob
bob    host  0          10.0.0.2/24  alice

link           rate    delay  loss           queue  cost
alice-bob  ->  10Mbps  20ms   1%             64KiB  1
           <-  10Mbps  20ms   #5 #9 of acks  64KiB  1

2 hosts, 1 link; diameter 1 link; connected
";
    assert_eq!(text(&plan), want);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn symbols_of_random_networks_do_not_overlap(n in 2u32..60, seed: u64, hosts in 0u32..3) {
        let mut stream = Streams::new(seed).stream(Purpose::Topology, "drawing");
        let style = Style { hosts, ..Style::default() };
        let plan = numbered(|p| {
            generate::random(p, n, RandomModel::BarabasiAlbert { links: 2 }, &style, &mut stream).unwrap();
        });
        let symbols = symbols(&plan);
        prop_assert!(overlaps(&symbols) * 50 <= symbols.len(), "{} of {}", overlaps(&symbols), symbols.len());
        prop_assert!(symbols.iter().all(|rect| rect.low.iter().all(|x| x.is_finite())));
    }
}

#[test]
fn what_a_link_does_to_packets_is_said() {
    let mut plan = Plan::new();
    let text = r#"{"nodes":[{"name":"a"},{"name":"b"}],"links":[{"ends":["a","b"],"trace":[1,2],"jitter":"2ms","corrupt":{"ber":1e-7},
        "duplicate":"1%","queue":{"discipline":"codel","limit":"64KiB"}}]}"#;
    crate::import::load_alone(&mut plan, "x.json", text.as_bytes(), &Style::default()).unwrap();
    let said = super::describe_direction(&plan.links()[0].spec.forward);
    assert_eq!(said, "recorded, jitter 2ms, bit errors 1e-7, duplicate 1%, queue codel 64KiB");
}

#[test]
fn where_every_link_has_its_own_delay_colours_tell_rates() {
    let mut plan = Plan::new();
    let lines: String = (0..100)
        .map(|i| format!("n{i},n{},{}Gbps,{}us\n", (i + 1) % 100, if i % 3 == 0 { 10 } else { 1 }, i + 1))
        .collect();
    let text = format!("source,target,rate,delay\n{lines}");
    crate::import::load_alone(&mut plan, "x.csv", text.as_bytes(), &Style { hosts: 0, ..Style::default() })
        .unwrap();
    let legend = Legend::new(&plan);
    let kinds: Vec<&str> = legend.kinds.iter().map(|kind| kind.text.as_str()).collect();
    assert_eq!(kinds, ["1Gbps", "10Gbps"]);
    assert!(legend.kind_of.iter().all(Option::is_some));
}

#[test]
fn a_star_of_a_hundred_thousand_leaves_is_drawn_as_a_hub_and_one_stack() {
    let mut plan = Plan::new();
    let hub = plan.add_router("hub").unwrap();
    for i in 0..100_000 {
        let leaf = plan.add_router(format!("n{i}")).unwrap();
        plan.connect(hub, leaf, LinkSpec::default()).unwrap();
    }
    assert_eq!(too_large(&plan), None);
    let svg = svg(&plan);
    assert!(svg.len() < 10_000 && svg.contains("100000 routers"), "{} bytes", svg.len());
}

#[test]
fn a_network_too_large_for_a_picture_is_refused_with_what_to_do() {
    let mut plan = Plan::new();
    let nodes: Vec<_> = (0..5000).map(|i| plan.add_router(format!("n{i}")).unwrap()).collect();
    for pair in nodes.windows(2) {
        plan.connect(pair[0], pair[1], LinkSpec::default()).unwrap();
    }
    let why = too_large(&plan).unwrap();
    assert!(why.contains("5000 symbols") && why.contains("--dot"), "{why}");
    assert!(svg(&plan).len() < 1000);
}

#[test]
fn letters_show_every_node_once_and_every_link() {
    for (name, plan) in shapes() {
        if super::scene::size(&plan).0 > 60 {
            assert!(ascii(&plan).unwrap_err().contains("--svg"), "{name}");
            continue;
        }
        let text = ascii(&plan).unwrap();
        let scene = Scene::new(&plan, &Legend::new(&plan));
        for vertex in &scene.vertices {
            let label = &vertex.label[0].text;
            let shown = ["[", "=", "("].iter().any(|open| text.contains(&format!("{open}{label}")));
            assert!(shown, "{label} of the {name}:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 120), "the {name} is too wide:\n{text}");
    }
    let plan = numbered(|p| drop(generate::line(p, 3, &Style::default())));
    let bar = format!("{}|\n", " ".repeat(42));
    let shown = format!(
        "[h1]{0}(r1){0}(r2){0}(r3){0}[h3]\n{1}{2}[h2]\n",
        "-".repeat(16),
        bar.repeat(5),
        " ".repeat(40)
    );
    assert_eq!(ascii(&plan).unwrap(), shown);
}

#[test]
fn labels_of_links_in_the_folder_topologies_lie_on_nothing_but_their_own_link() {
    macro_rules! files {
        ($($name:literal),*) => { [$(($name, include_str!(concat!("../../../../topologies/", $name)))),*] };
    }
    let files =
        files!["satellite.toml", "branches.toml", "home.toml", "metro.json", "mobile.json", "office.json"];
    for (name, text) in files {
        let mut plan = Plan::new();
        let style = Style { hosts: 0, ..Style::default() };
        let read = &mut |file: &str| {
            let found = files.iter().find(|(name, _)| *name == file);
            found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| format!("no {file}"))
        };
        crate::import::load(&mut plan, name, text.as_bytes(), &style, read).unwrap();
        plan.assign_addresses().unwrap();
        assert_eq!(svg::picture(&plan).muddle(), 0.0, "{name}");
    }
}
