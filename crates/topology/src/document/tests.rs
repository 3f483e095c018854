use super::*;
use crate::generate::{self, Style};
use crate::{IfaceAddr, LossSpec};
use proptest::prelude::*;
use tidewire_units::{Bytes, Probability, Span};

fn roundtrip(plan: &Plan) -> Plan {
    let text = serde_json::to_string(plan).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

fn error(text: &str) -> String {
    serde_json::from_str::<Plan>(text).unwrap_err().to_string()
}

#[test]
fn the_document_of_a_pair_is_short_and_readable() {
    let mut plan = Plan::new();
    let [a, b] = ["alice", "bob"].map(|name| plan.add_host(name).unwrap());
    plan.connect(a, b, LinkSpec::new(Rate::from_mbps(10), Span::from_ms(20))).unwrap();
    plan.assign_addresses().unwrap();
    let want = concat!(
        r#"{"nodes":[{"name":"alice","kind":"host","addresses":["10.0.0.1/24"]},{"name":"bob","kind":"host","addresses":["10.0.0.2/24"]}],"#,
        r#""links":[{"name":"alice-bob","ends":["alice","bob"],"rate":"10Mbps","delay":"20ms"}],"#,
        r#""networks":[{"prefix":"10.0.0.0/24","members":["alice","bob"]}]}"#
    );
    assert_eq!(serde_json::to_string(&plan).unwrap(), want);
}

#[test]
fn a_plan_with_every_option_reads_back_as_it_was() {
    let mut plan = Plan::new();
    let ip: IfaceAddr = "10.0.9.5/24".parse().unwrap();
    let host = HostSpec {
        ip: AddressMode::Fixed(ip),
        gateway: Some("10.0.9.1".parse().unwrap()),
        processing: Processing::Uniform(Span::from_us(1), Span::from_us(9)),
        cores: 4,
        forward: true,
    };
    let a = plan.add("a", NodeSpec::Host(host)).unwrap();
    let s = plan
        .add(
            "s",
            NodeSpec::Switch(SwitchSpec {
                ageing: Span::from_secs(5),
                table_size: 4,
                ..SwitchSpec::default()
            }),
        )
        .unwrap();
    let r = plan.add("r", NodeSpec::Router(RouterSpec { ecmp: Ecmp::Packet })).unwrap();
    plan.place(r, [1.5, -2.0]);
    let mut spec = LinkSpec { mtu: 9000, ..LinkSpec::default() };
    spec.forward.queue = QueueSpec::Bdp { factor: 0.5, rtt: Span::from_ms(40) };
    spec.forward.loss = LossSpec { model: LossModel::Every(100), among: Match::SynAck };
    spec.backward.queue = QueueSpec::Bytes(Bytes(1_500_001));
    spec.backward.loss.model = LossModel::Bernoulli(Probability::new(0.07).unwrap());
    spec.backward.cost = 7;
    plan.connect(a, s, spec).unwrap();
    let mut spec = LinkSpec { framing: Framing::Ppp, ..LinkSpec::default() };
    spec.forward.loss.model = LossModel::Listed(vec![5, 9]);
    spec.forward.rate = Rate::from_bits_per_s(1_000_000_007).unwrap();
    spec.backward.rate = Rate::INFINITE;
    let link = plan.connect(r, a, spec).unwrap();
    plan.fix_address(tidewire_units::IfaceId(link.0 * 2), "10.0.8.1/24".parse().unwrap());
    plan.subnet("10.0.9.0/24".parse().unwrap(), &[a, s]).unwrap();
    plan.route(r, "10.1.0.0/16".parse().unwrap(), Via::Node(a)).unwrap();
    plan.route(r, "10.2.0.0/16".parse().unwrap(), Via::Address("10.0.8.2".parse().unwrap())).unwrap();
    assert_eq!(roundtrip(&plan), plan);
}

#[test]
fn mistakes_say_where_and_what_to_write() {
    let node = r#""nodes":[{"name":"a"},{"name":"s","kind":"switch"}]"#;
    let link = |rest: &str| error(&format!(r#"{{{node},"links":[{{"ends":["a","s"],{rest}}}]}}"#));
    let cases = [
        (error(r#"{"nodes":[{"name":"a"},{"name":"a"}]}"#), "node 'a': there is already a node named 'a'"),
        (
            error(r#"{"nodes":[{"name":"a","ecmp":"off"}]}"#),
            "node 'a': 'ecmp' is an option of a router, but this is a host",
        ),
        (
            error(r#"{"nodes":[{"name":"a","ip":"10.0.0.5"}]}"#),
            "node 'a': '10.0.0.5' is not an interface address",
        ),
        (error(r#"{"nodes":[{"name":"a","cores":0}]}"#), "at least one core"),
        (error(r#"{"nodes":[{"name":"a","sise":1}]}"#), "unknown field `sise`"),
        (error(r#"{"nodes":[],"links":[{"ends":["a","b"]}]}"#), "link 1 (a-b): there is no node named 'a'"),
        (error(r#"{"nodes":[{"name":"a"}],"links":[{"ends":["a","a"]}]}"#), "'a' cannot be linked to itself"),
        (link(r#""rate":"10Mb""#), "link 1 (a-s): '10Mb' is not a rate"),
        (link(r#""loss":"5""#), "did you mean '5%'?"),
        (link(r#""loss":{"every":0}"#), "every = 100"),
        (link(r#""loss":{"every":5,"match":"ping"}"#), "'ping' is none of \"data\", \"ack\""),
        (link(r#""queue":"1bdp""#), "needs an rtt"),
        (link(r#""queue":"1.5pkt""#), "not a whole number of packets"),
        (link(r#""framing":"ip""#), "'s' is a switch"),
        (link(r#""mtu":20"#), "MTU of 20 bytes"),
    ];
    for (message, want) in cases {
        assert!(message.contains(want), "{message:?} should contain {want:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn generated_plans_read_back_as_they_were(n in 3u32..20, bits in 1u64..10_000_000_000_000, ps in 0u64..1 << 50, p in 0.0f64..=1.0) {
        let mut plan = Plan::new();
        let rate = Rate::from_bits_per_s(bits).unwrap();
        let mut link = LinkSpec::new(rate, Span::from_ps(ps));
        link.forward.loss.model = LossModel::Bernoulli(Probability::new(p).unwrap());
        generate::ring(&mut plan, n, &Style { link, ..Style::default() }).unwrap();
        prop_assert_eq!(roundtrip(&plan), plan);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = serde_json::from_str::<Plan>(&text);
        let _ = serde_json::from_str::<Plan>(&format!(r#"{{"nodes":[{{"name":"a"}},{{"name":"b"}}],"links":[{{"ends":["a","b"],"rate":{text:?},"queue":{text:?}}}]}}"#));
    }
}
