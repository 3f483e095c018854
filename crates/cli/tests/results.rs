//! What can be done with results that are there: reports, comparisons, shards, bundles.

mod place;

use place::Place;
use std::fs;
use std::io::Read;
use std::path::Path;

const LOSSY: &str = r#"
local p = experiment {
  name = "lossy", params = { loss = { "0%", "2%" } }, reps = 4, duration = "4s", warmup = "1s",
  expect = { { "mean(goodput_mbps) > 2", where = { loss = "0%" } } },
  plot = { x = "loss", y = "goodput_mbps" },
}
local a, b = net:host "a", net:host "b"
net:link(a, b, { rate = "4Mbps", delay = "5ms", forward = { loss = p.loss } })
local flow = a:bulk { to = b, cc = "reno" }
flow:watch("cwnd_bytes", { every = "100ms" })
at_end(function() record { goodput_mbps = flow.goodput_mbps } end)
"#;

fn tables(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<(String, Vec<u8>)> = names
        .filter(|name| name.ends_with(".csv"))
        .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_report_is_one_page_that_needs_nothing_else() {
    let place = Place::new(&[("lossy.lua", &LOSSY.replace("> 2\"", "> 3.9\""))]);
    place.expect("sweep lossy.lua -q", 1);
    let (out, _) = place.expect("report", 1);
    assert!(out.contains("FAIL  mean(goodput_mbps) > 3.9") && out.contains("report.html"), "{out}");
    let page = fs::read_to_string(place.path("results/lossy/latest/report.html")).unwrap();
    for part in [
        "<svg",
        "FAIL",
        "tidewire run lossy.lua -p loss=0%",
        "flow:watch",
        "&quot;sha256&quot;",
        "<td class=\"t\">0%</td>",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    for outside in ["src=", "href=", "http://", "https://", "url("] {
        let found = page.matches(outside).count()
            - page.matches("xmlns=\"http://").count() * usize::from(outside == "http://");
        assert_eq!(found, 0, "{outside}");
    }
    let (out, _) = place.expect("report results/lossy --text --json", 1);
    assert!(out.contains("\"report\": null") || out.contains("\"report\":null"), "{out}");
    let (_, err) = place.expect("report lossy.lua", 2);
    assert!(err.contains("is not a results folder"), "{err}");
}

#[test]
fn a_comparison_finds_what_became_worse_and_nothing_else() {
    let slower = LOSSY.replace("\"reno\"", "\"reno\", mss = 500");
    let place = Place::new(&[("lossy.lua", LOSSY), ("slower.lua", &slower)]);
    place.expect("sweep lossy.lua -q --out one", 0);
    place.expect("sweep slower.lua -q --out two", 0);
    let (out, _) = place.expect("compare one/lossy two/lossy", 1);
    assert!(out.contains("WORSE") && out.contains("goodput_mbps") && out.contains("paired"), "{out}");
    let (out, _) = place.expect("compare two/lossy/latest one/lossy/latest", 0);
    assert!(out.contains("better"), "{out}");
    let (out, _) = place.expect("compare one/lossy one/lossy", 0);
    assert!(out.contains("2 of 2 figures do not differ"), "{out}");
    place.expect("compare one/lossy two/lossy --tolerance 99%", 0);
    let (_, err) = place.expect("compare one/lossy two/lossy --metric godput_mbps", 2);
    assert!(err.contains("did you mean 'goodput_mbps'?"), "{err}");
    let (out, _) = place.expect("compare one/lossy two/lossy --json", 1);
    assert!(out.contains("\"WORSE\""), "{out}");
}

#[test]
fn shards_on_two_machines_join_to_the_sweep_of_one() {
    let place = Place::new(&[("lossy.lua", LOSSY)]);
    for part in 1..=2 {
        let (out, err) = place.expect(&format!("sweep lossy.lua --shard {part}/2 --out m{part}"), 0);
        assert!(err.contains(&format!("lossy: shard {part} of 2, loss(2) x 2 reps = 4 runs")), "{err}");
        assert!(out.contains("join all 2 with tidewire merge"), "{out}");
    }
    let (out, _) = place.expect("merge m1/lossy/latest m2/lossy/latest --out all", 0);
    assert!(out.contains("8 runs") && !out.contains("missing"), "{out}");
    place.expect("sweep lossy.lua -q --out whole", 0);
    let [all, whole] = ["all", "whole"].map(|out| tables(&place.path(out).join("lossy/latest")));
    assert!(all.len() >= 6 && all == whole);
    let (_, err) = place.expect("sweep lossy.lua --shard 3/2", 2);
    assert!(err.contains("write 2/8 for the second of eight"), "{err}");
    let (out, _) = place.expect("merge m1/lossy/latest --out half", 0);
    assert!(out.contains("4 runs, 4 missing"), "{out}");
    place.expect("sweep lossy.lua -q --seed 2 --out other", 0);
    let (_, err) = place.expect("merge m1/lossy/latest other/lossy/latest", 2);
    assert!(err.contains("the seed differs"), "{err}");
}

#[test]
fn replications_go_on_until_the_interval_is_narrow() {
    let text = LOSSY.replace("reps = 4", "reps = { min = 3, max = 12, until_ci = \"2%\" }");
    let place = Place::new(&[("lossy.lua", &text)]);
    let (out, err) = place.expect("sweep lossy.lua", 0);
    assert!(err.contains("lossy: loss(2) x 3 to 12 reps = at most 24 runs"), "{err}");
    assert!(out.contains("replications of each point until the interval is within 2 %"), "{out}");
    let runs = fs::read_to_string(place.path("results/lossy/latest/runs.csv")).unwrap();
    // Without loss nothing is random: three are enough.
    assert_eq!(runs.lines().filter(|line| line.contains(",0%,")).count(), 3, "{runs}");
    assert!(runs.lines().filter(|line| line.contains(",2%,")).count() > 3, "{runs}");
    place.expect("sweep lossy.lua -q -j 1 --out one", 0);
    assert!(tables(&place.path("results/lossy/latest")) == tables(&place.path("one/lossy/latest")));
    let wrong = LOSSY.replace("reps = 4", "reps = { min = 3, until_ci = \"2%\", metric = \"godput_mbps\" }");
    fs::write(place.path("lossy.lua"), wrong).unwrap();
    let (_, err) = place.expect("sweep lossy.lua", 3);
    assert!(err.contains("no run records a metric 'godput_mbps'; did you mean 'goodput_mbps'?"), "{err}");
}

#[test]
fn a_bundle_holds_what_is_needed_to_get_the_results_again() {
    let text = format!("{LOSSY}\nrequire 'lib.tools'");
    let place = Place::new(&[("lossy.lua", &text)]);
    fs::create_dir(place.path("lib")).unwrap();
    fs::write(place.path("lib/tools.lua"), "return {}").unwrap();
    place.expect("sweep lossy.lua -q", 0);
    let (out, _) = place.expect("bundle", 0);
    assert!(out.contains("lossy-") && out.contains(".zip"), "{out}");
    place.expect("bundle -o a.zip", 0);
    place.expect("bundle -o b.zip", 0);
    let zip = fs::read(place.path("a.zip")).unwrap();
    assert!(zip == fs::read(place.path("b.zip")).unwrap());
    let holds = |name: &str| zip.windows(name.len()).any(|window| window == name.as_bytes());
    for name in [
        "README.txt",
        "runs.csv",
        "script.lua",
        "lib/tools.lua",
        "manifest.json",
        "plots/loss-goodput_mbps.svg",
    ] {
        assert!(holds(name), "{name}");
    }
    assert!(!holds("parts/"));
    // The folder's own copy of the script gives the same tables.
    place.expect("sweep results/lossy/latest/script.lua -q --out again", 0);
    assert!(tables(&place.path("results/lossy/latest")) == tables(&place.path("again/lossy/latest")));
}

#[test]
fn a_compressed_series_is_the_same_and_is_plotted_as_well() {
    let text = LOSSY
        .replace("plot = {", "plot = { { series = \"cwnd_bytes\" }, {")
        .replace("\"goodput_mbps\" },\n}", "\"goodput_mbps\" } },\n}");
    let place = Place::new(&[("lossy.lua", &text)]);
    place.expect("sweep lossy.lua -q --out plain", 0);
    place.expect("sweep lossy.lua -q --gzip --out packed", 0);
    let [plain, packed] = ["plain", "packed"].map(|out| place.path(out).join("lossy/latest"));
    assert!(!packed.join("series.csv").exists());
    let mut text = String::new();
    let file = fs::File::open(packed.join("series.csv.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    assert!(text == fs::read_to_string(plain.join("series.csv")).unwrap());
    let plots = |folder: &Path| fs::read_dir(folder.join("plots")).unwrap().count();
    assert_eq!((plots(&plain), plots(&packed)), (2, 2));
    let (out, _) = place.expect("plot packed/lossy/latest --series cwnd_bytes", 0);
    assert!(out.contains(".svg"), "{out}");
}

#[test]
fn a_parameter_may_have_the_name_of_a_column_of_the_summary() {
    let text = "local p = experiment { name = 'n', params = { n = {1, 2} } }  record { x_count = p.n }";
    let place = Place::new(&[("n.lua", text)]);
    place.expect("sweep n.lua -q", 0);
    let summary = fs::read_to_string(place.path("results/n/latest/summary.csv")).unwrap();
    assert!(summary.starts_with("n,metric,unit,n_2,mean,"), "{summary}");
}

const CAPTURED: &str = r#"
local a, b, s = net:host "a", net:host "b", net:switch "s"
local l = net:link(a, s, { rate = "10Mbps", delay = "10ms", backward = { loss = { seq = { 8 } } } })
net:link(s, b)
l:pcap()
b:pcap "bob.pcapng"
b:serve(80, function(conn) conn:send_bytes "60kB" end)
assert(a:connect(b, 80)):discard()
a:udp():sendto("hi", b, 9)
"#;

#[test]
fn a_capture_at_the_receiver_has_what_the_link_carried() {
    let text = r#"
local a, b = net:host "a", net:host "b"
local l = net:link(a, b, { rate = "10Mbps", queue = "10pkt" })
l:pcap("offered.pcapng")
l:pcap("carried.pcapng", { side = "receiver" })
a:cbr { to = b, rate = "30Mbps", stop = "100ms" }
"#;
    let place = Place::new(&[("side.lua", text)]);
    place.expect("run side.lua", 0);
    let packets = |name: &str| -> f64 {
        let (out, _) = place.expect(&format!("trace results/side/latest/pcap/r1-{name}.pcapng --json"), 0);
        let found = out.split("\"packets\":").nth(1).expect("a conversation");
        found.split([',', '}']).next().unwrap().parse().unwrap()
    };
    // 30 Mbit/s of 1000 bytes for 0.1 s, of which 10 Mbit/s with headers and ten in the queue get through.
    assert_eq!(packets("offered"), 375.0);
    assert_eq!(packets("carried"), 127.0);
}

#[test]
fn a_capture_is_shown_as_a_ladder_and_as_a_time_sequence_diagram() {
    let place = Place::new(&[("captured.lua", CAPTURED)]);
    place.expect("run captured.lua", 0);
    let (out, _) = place.expect("trace", 0);
    assert!(out.contains("r1-bob.pcapng") && out.contains("r1-link-a-s.pcapng"), "{out}");
    let file = "results/captured/latest/pcap/r1-link-a-s.pcapng";
    let (out, _) = place.expect(&format!("trace {file} --rows 200 -o a.svg"), 0);
    for part in ["TCP", "UDP", "|-- SYN seq 0", "SYN ACK", "data 1:1449", "sack", " X-", "FIN"] {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
    let svg = fs::read_to_string(place.path("a.svg")).unwrap();
    for part in ["sent again", "acknowledged", "lost", "sequence number"] {
        assert!(svg.contains(part), "{part}");
    }
    let (out, _) = place.expect(&format!("trace {file} --rows 2"), 0);
    assert!(out.contains("more packets"), "{out}");
    let (_, err) = place.expect(&format!("trace {file} --conversation 9"), 2);
    assert!(err.contains("the capture has"), "{err}");
    let (out, _) = place.expect("trace --json", 0);
    assert!(out.contains("\"protocol\""), "{out}");
}
