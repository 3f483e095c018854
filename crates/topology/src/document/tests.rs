use super::queues::plain;
use super::*;
use crate::generate::{self, Style};
use crate::{
    CeThreshold, CorruptSpec, DisciplineKind, DisciplineSpec, IfaceAddr, ImpairmentSpec, JitterShape,
    JitterSpec, LossSpec,
};
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

/// A discipline with all options that it has.
fn every_option(kind: DisciplineKind) -> DisciplineSpec {
    use DisciplineKind::{Codel, Drr, FqCodel, Pie, Prio, Red, Tbf};
    let of = |kinds: &[DisciplineKind]| kinds.contains(&kind);
    DisciplineSpec {
        kind,
        ecn: Some(of(&[Red, Codel, FqCodel, Pie])),
        target: of(&[Codel, FqCodel, Pie]).then_some(Span::from_ms(5)),
        interval: of(&[Codel, FqCodel, Pie]).then_some(Span::from_us(123_456)),
        thresholds: of(&[Red]).then_some((5.0, 15.5)),
        max_p: Probability::new(0.02).filter(|_| of(&[Red])),
        quantum: of(&[FqCodel, Drr]).then_some(300),
        flows: of(&[FqCodel]).then_some(1024),
        ce_threshold: Some(CeThreshold::Time(Span::from_us(1000))),
        classes: if of(&[Drr, Prio]) { vec![4, 2, 1] } else { Vec::new() },
        bucket: of(&[Tbf]).then_some((Rate::from_mbps(5), Bytes(10_001))),
        police: of(&[Tbf]),
    }
}

#[test]
fn every_queue_discipline_reads_back_as_it_was() {
    use DisciplineKind::*;
    for kind in [DropTail, Red, Codel, FqCodel, Pie, Drr, Prio, Tbf] {
        let mut plan = Plan::new();
        let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
        let mut spec = LinkSpec::default();
        spec.forward.discipline = Some(Box::new(every_option(kind)));
        spec.forward.queue = QueueSpec::Bdp { factor: 2.0, rtt: Span::from_ms(40) };
        let bucket = (kind == Tbf).then_some((Rate::from_mbps(5), Bytes(10_000)));
        let bare = DisciplineSpec { kind, bucket, ce_threshold: Some(CeThreshold::Packets(20)), ..plain() };
        spec.backward.discipline = Some(Box::new(bare));
        plan.connect(a, b, spec).unwrap();
        assert_eq!(roundtrip(&plan), plan, "{kind:?}");
    }
}

#[test]
fn a_queue_discipline_without_a_limit_has_its_own() {
    let link = |queue: &str| {
        let text = format!(
            r#"{{"nodes":[{{"name":"a"}},{{"name":"b"}}],"links":[{{"ends":["a","b"],"queue":{queue}}}]}}"#
        );
        serde_json::from_str::<Plan>(&text)
            .map(|plan| plan.links()[0].spec.forward.clone())
            .map_err(|e| e.to_string())
    };
    assert_eq!(link(r#"{"discipline":"fq_codel"}"#).unwrap().queue, QueueSpec::Packets(10_240));
    assert_eq!(link(r#"{"discipline":"codel"}"#).unwrap().queue, QueueSpec::Packets(1000));
    assert_eq!(link(r#"{"limit":"5pkt"}"#).unwrap().discipline, None);
    let red = link(r#"{"discipline":"red","min":"5pkt","max":15}"#).unwrap().discipline.unwrap();
    assert_eq!(red.thresholds, Some((5.0, 15.0)));
    for (queue, want) in [
        (r#"{"discipline":"cake"}"#, "'cake' is none of"),
        (r#"{"discipline":"tbf"}"#, "a token bucket needs a rate"),
        (r#"{"discipline":"red","min":9,"max":3}"#, "min below max"),
        (r#"{"discipline":"drr","classes":[0]}"#, "at least 1"),
        (r#"{"limit":"1bdp"}"#, "needs an rtt"),
        (r#"7"#, "expected a queue, which is a limit"),
        (r#"{"discipline":"codel","traget":"5ms"}"#, "unknown field `traget`, expected one of `discipline`"),
        (r#"{"discipline":"red","min":"5pkt","max":"lots"}"#, "'lots' is not a number of packets"),
    ] {
        let error = link(queue).unwrap_err();
        assert!(error.contains(want), "{error:?} should contain {want:?}");
    }
}

#[test]
fn a_plan_with_every_option_reads_back_as_it_was() {
    let mut plan = Plan::new();
    let ip: IfaceAddr = "10.0.9.5/24".parse().unwrap();
    let host = HostSpec {
        ip6: Address6::Fixed("2001:db8:5::10".parse().unwrap()),
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
    let r = plan.add("r", NodeSpec::Router(RouterSpec { ecmp: Ecmp::Packet, nat: None })).unwrap();
    plan.place(r, [1.5, -2.0]);
    let mut spec = LinkSpec {
        mtu: 9000,
        vlan: Some(VlanSpec::Access(10)),
        arq: Some(ArqSpec {
            window: 9,
            timeout: Some(Span::from_ms(3)),
            ..ArqSpec::new(ArqKind::SelectiveRepeat)
        }),
        ..LinkSpec::default()
    };
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
    spec.backward.loss =
        LossSpec { model: LossModel::Repeated { lost: vec![2, 7], of: 9 }, among: Match::Chosen };
    spec.forward.discipline = Some(Box::new(every_option(DisciplineKind::Red)));
    spec.forward.impairments = Some(Box::new(ImpairmentSpec {
        jitter: Some(JitterSpec {
            shape: JitterShape::Pareto(Span::from_us(1500), 2.5),
            correlation: 0.3,
            keep_order: false,
        }),
        corrupt: CorruptSpec::Bits(1e-7),
        duplicate: Probability::new(0.001).unwrap(),
        reorder: Probability::new(0.005).unwrap(),
    }));
    spec.backward.trace = Some(vec![0, 2, 2, 5].into());
    spec.backward.impairments =
        Some(Box::new(ImpairmentSpec { corrupt: CorruptSpec::Listed(vec![3, 7]), ..Default::default() }));
    let link = plan.connect(r, a, spec).unwrap();
    let t = plan.add_switch("t").unwrap();
    let vlan = Some(VlanSpec::Trunk { trunk: vec![10, 20], native: Some(1) });
    plan.connect(s, t, LinkSpec { vlan, ..LinkSpec::default() }).unwrap();
    plan.add("hub", NodeSpec::Switch(SwitchSpec::hub())).unwrap();
    let radio = RadioSpec { exponent: 2.5, cw_min: 31, ..RadioSpec::default() };
    let spec = SwitchSpec { medium: Some(MediumSpec::Radio(radio)), ..SwitchSpec::default() };
    let ap = plan.add("ap", NodeSpec::Switch(spec)).unwrap();
    plan.connect(a, ap, LinkSpec { distance: Some(12.5), ..LinkSpec::default() }).unwrap();
    plan.fix_address(tidewire_units::IfaceId(link.0 * 2), "10.0.8.1/24".parse().unwrap());
    plan.subnet("10.0.9.0/24".parse().unwrap(), &[a, s]).unwrap();
    plan.route(r, "10.1.0.0/16".parse().unwrap(), Via::Node(a)).unwrap();
    plan.route(r, "10.2.0.0/16".parse().unwrap(), Via::Address("10.0.8.2".parse().unwrap())).unwrap();
    assert_eq!(roundtrip(&plan), plan);
}

#[test]
fn a_rate_may_be_a_number_of_bits_per_second() {
    let json = r#"{"nodes":[{"name":"a"},{"name":"b"}],"links":[{"ends":["a","b"],"rate":10000000}]}"#;
    let plan: Plan = serde_json::from_str(json).unwrap();
    assert_eq!(plan.links()[0].spec.forward.rate, Rate::from_mbps(10));
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
        (link(r#""rate":-5"#), "a rate cannot be negative: -5"),
        (link(r#""rate":10"#), "needs a unit"),
        (link(r#""queue":{"discipline":"pie","interval":"0s"}"#), "a queue's interval is from"),
        (link(r#""vlan":{"trunk":[10,10]}"#), "names VLAN 10 twice"),
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
