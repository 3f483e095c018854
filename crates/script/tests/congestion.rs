//! Congestion controls in Lua, and what connections tell of themselves.

mod common;

use common::{error_of, good, printed, result_of, script};
use std::fmt::Write;
use tidewire_script::spec::fields;
use tidewire_script::{Ended, RunResult};

/// A lossy bottleneck with one flow under the control of `cc`, after the declarations of `head`.
fn bottleneck(head: &str, cc: &str, watched: &str) -> String {
    let watch = if watched.is_empty() {
        String::new()
    } else {
        format!("f:watch({{ {watched} }}, {{ every = '20ms' }})")
    };
    format!(
        "{head}\nlocal p = experiment {{ duration = '8s' }}\n{}\
         local f = a:bulk {{ to = b, cc = '{cc}', name = 'flow' }}\n{watch}\n",
        "local a, b = net:host 'a', net:host 'b'\nnet:link(a, b, { rate = '10Mbps', delay = '10ms', queue = '30pkt', \
         forward = { loss = '0.2%' } })\n"
    )
}

/// The series of a run as text, with the name of the control left out.
fn series(result: &RunResult) -> String {
    let table = &result.tables.iter().find(|(name, _)| name == "series").unwrap().1;
    let mut text = String::new();
    for row in &table.rows {
        let _ = writeln!(text, "{} {} {}", row[0], row[2], row[3]);
    }
    text
}

const RENO: &str = r#"
congestion("my_reno", {
  on_ack = function(c, sample)
    if not c.cwnd_limited then return end
    local acked = sample.acked
    if c.cwnd < c.ssthresh then acked = c:slow_start(acked) end
    if acked > 0 then c:additive_increase(c.cwnd, acked) end
  end,
  ssthresh = function(c) return math.max(c.cwnd // 2, 2) end,
})"#;

const WATCHED: &str =
    "'cwnd_bytes', 'ssthresh_bytes', 'srtt_ms', 'inflight_bytes', 'retransmits_count', 'received_bytes'";

#[test]
fn reno_written_in_lua_gives_the_trace_of_the_built_in_one() {
    let own = good(result_of(&script(&bottleneck(RENO, "my_reno", WATCHED))));
    let native = good(result_of(&script(&bottleneck("", "reno", WATCHED))));
    let (own, native) = (series(&own), series(&native));
    assert!(native.lines().count() > 1000 && native.contains("retransmits_count"), "{native}");
    assert!(
        own == native,
        "the first difference: {:?}",
        own.lines().zip(native.lines()).find(|(a, b)| a != b)
    );
}

#[test]
fn windows_may_have_fractions_and_a_control_its_own_variables() {
    let head = r#"
congestion("aimd", {
  init = function(c) c.losses, c.rtos = 0, 0 end,
  on_ack = function(c, sample)
    if c.in_slow_start then c.cwnd = c.cwnd + sample.acked
    else c.cwnd = c.cwnd + sample.acked / c.cwnd end
    c.rtt = sample.rtt
  end,
  ssthresh = function(c) return c.cwnd / 2 end,
  on_loss = function(c) c.losses = c.losses + 1 end,
  on_rto = function(c) c.rtos = c.rtos + 1 end,
})"#;
    let result =
        good(result_of(&script(&bottleneck(head, "aimd", "'aimd.losses', 'aimd.rtt', 'cwnd_bytes'"))));
    let text = series(&result);
    let last = |metric: &str| {
        let line = text.lines().rfind(|line| line.contains(metric)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(last("aimd.losses") >= 3.0, "{}", last("aimd.losses"));
    assert!((0.02..0.08).contains(&last("aimd.rtt")));
    let flows = &result.tables.iter().find(|(name, _)| name == "flows").unwrap().1;
    let at = |name: &str| flows.columns.iter().position(|column| column == name).unwrap();
    assert_eq!(flows.rows[0][at("cc")].to_string(), "aimd");
    assert!(flows.rows[0][at("goodput_mbps")].number().unwrap() > 6.0);
}

#[test]
fn a_control_can_set_window_and_pacing_at_every_acknowledgment() {
    let head = r#"
congestion("fixed_rate", {
  control = function(c, sample)
    c.pacing_rate = "4Mbps"
    c.cwnd = 100
    c.seen = (c.seen or 0) + 1
  end,
})"#;
    let result =
        good(result_of(&script(&bottleneck(head, "fixed_rate", "'pacing_rate_mbps', 'fixed_rate.seen'"))));
    let flows = &result.tables.iter().find(|(name, _)| name == "flows").unwrap().1;
    let at = flows.columns.iter().position(|column| column == "goodput_mbps").unwrap();
    let goodput = flows.rows[0][at].number().unwrap();
    assert!((3.5..4.01).contains(&goodput), "{goodput}");
    assert!(series(&result).contains("pacing_rate_mbps 4\n"));
}

#[test]
fn an_error_in_a_control_ends_the_run_with_its_line() {
    let head = r#"
congestion("broken", {
  on_ack = function(c, sample)
    if c.now > 1 then
      local x = nil
      x.y = 1
    end
  end,
})"#;
    let result = result_of(&script(&bottleneck(head, "broken", "'cwnd_bytes'")));
    let error = result.error.unwrap();
    assert_eq!(error.place.as_ref().map(|place| (place.file.as_str(), place.line)), Some(("exp.lua", 6)));
    for part in [
        "attempt to index a nil value (local 'x')",
        "in the congestion control 'broken', declared at exp.lua:2",
    ] {
        assert!(error.message.contains(part), "{}", error.message);
    }
    assert_eq!(result.ended, Ended::Failed);
    let sim = result.sim.as_secs_f64();
    assert!((1.0..2.0).contains(&sim), "ended at once, at {sim}");
    assert!(
        result.tables.iter().any(|(name, table)| name == "series" && !table.rows.is_empty()),
        "what was measured is kept"
    );
}

#[test]
fn mistakes_in_controls_are_told() {
    let control =
        |body: &str| bottleneck(&format!("congestion('mine', {{ {body} }})"), "mine", "'cwnd_bytes'");
    let cases: [(String, &str); 12] = [
        (control("on_akc = function() end"), "unknown option 'on_akc' of congestion; did you mean 'on_ack'?"),
        (control("on_loss = function() end"), "the congestion control 'mine' needs on_ack"),
        (control("on_ack = function(c) c.cwdn = 5 end"), "c has no 'cwdn'; did you mean 'cwnd'?"),
        (control("on_ack = function(c) c.mss = 5 end"), "c.mss cannot be set"),
        (control("on_ack = function(c) c.cwnd = 'much' end"), "c.cwnd is a number of packets"),
        (control("on_ack = function(c) c.cwnd = 0/0 end"), "c.cwnd is a number of packets"),
        (control("on_ack = function(c) sleep '1s' end"), "sleep cannot be used inside a congestion control"),
        (
            control("on_ack = function(c) net:find('a'):ping('b') end"),
            "cannot be used inside a congestion control",
        ),
        (
            control("on_ack = function(c) end, ssthresh = function() return 'x' end"),
            "ssthresh of the congestion control 'mine' gives a number of packets, got x",
        ),
        (control("on_ack = function(c) while true do end end"), "ran too long without waiting"),
        (
            "congestion('reno', { on_ack = print })".to_owned(),
            "there is already a congestion control named 'reno'",
        ),
        (
            bottleneck("congestion('mine', { on_ack = print })", "mnie", ""),
            "unknown congestion control 'mnie'; did you mean 'mine'?",
        ),
    ];
    for (text, says) in cases {
        let error = error_of(&text);
        assert!(error.message.contains(says), "{text}\n{}\nshould contain {says}", error.message);
        assert!(error.place.is_some(), "{}", error.message);
    }
}

#[test]
fn a_control_can_print_and_draw_and_tell_the_time() {
    let head = "congestion('mine', { on_ack = function(c)\n  if not c.told then c.told = true print('ack', now() > 0.02, random.uniform() < 1, seconds '1ms') end\n  c.cwnd = 10 end })";
    let result = good(result_of(&script(&bottleneck(head, "mine", ""))));
    assert!(result.log[0].ends_with("ack\ttrue\ttrue\t0.001"), "{:?}", result.log);
}

/// The names that the reference lists for something.
fn names_of(what: &str) -> Vec<&'static str> {
    let fields = fields().iter().find(|fields| fields.of == what).unwrap();
    fields.all.iter().map(|field| field.name).collect()
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("'{name}', ")).collect()
}

#[test]
fn every_variable_of_a_control_can_be_watched() {
    let all = names_of("congestion variables");
    let control = |name: &str| name.split('.').next().unwrap().to_owned();
    let mut controls: Vec<String> = all.iter().map(|name| control(name)).collect();
    controls.dedup();
    assert_eq!(controls.len(), 14);
    for cc in controls {
        let own: Vec<&str> = all.iter().copied().filter(|name| control(name) == cc).collect();
        let text = series(&good(result_of(&script(&bottleneck("", &cc, &quoted(&own))))));
        for name in own {
            assert!(text.contains(&format!(" {name} ")), "{name} gives no samples");
        }
    }
    let error = error_of(&bottleneck("", "cubic", "'cubic.w_mx'"));
    assert!(error.message.contains("unknown metric 'cubic.w_mx'; did you mean 'cubic.w_max'?"), "{error}");
    assert!(
        error_of(&bottleneck("", "cubic", "'cubik.w_max'")).message.contains("did you mean 'cubic.w_max'?")
    );
}

#[test]
fn a_flow_leaves_series_of_all_its_figures() {
    let all = names_of("flow:watch");
    // BBR alone has a pacing rate, and CUBIC a threshold: together they have everything.
    let text =
        ["bbr", "cubic"].map(|cc| series(&good(result_of(&script(&bottleneck("", cc, &quoted(&all)))))));
    for name in all {
        let with = text.each_ref().map(|text| text.contains(&format!(" {name} ")));
        assert!(with.contains(&true), "{name} gives no samples");
    }
}

#[test]
fn series_are_in_the_units_of_their_names() {
    // One flow without loss fills 10 Mbit/s, with 21 ms of round trip and a queue of 30 packets.
    let text = "experiment { duration = '8s' }\nlocal a, b = net:host 'a', net:host 'b'\n\
        net:link(a, b, { rate = '10Mbps', delay = '10ms', queue = '30pkt' })\n\
        local f = a:bulk { to = b, cc = 'bbr', name = 'flow' }\n\
        f:watch({ 'cwnd', 'x' }, { every = '100ms' })";
    let error = error_of(text);
    let ambiguous = "unknown metric 'cwnd'; did you mean 'cwnd_bytes' or 'cwnd_packets'?";
    assert!(error.message.contains(ambiguous), "{error}");
    let names = "'srtt', 'goodput', 'sent', 'inflight', 'delivery_rate', 'pacing_rate', 'cwnd_bytes', 'cwnd_packets', 'rto', 'bbr.bw', 'bbr.min_rtt', 'bbr.mode'";
    let result = good(result_of(&script(&text.replace("'cwnd', 'x'", names))));
    let table = &result.tables.iter().find(|(name, _)| name == "series").unwrap().1;
    let mean = |metric: &str| {
        let late = |row: &&Vec<tidewire_metrics::Value>| {
            row[0].number().unwrap() > 2.0 && row[2].to_string() == metric
        };
        let values: Vec<f64> = table.rows.iter().filter(late).map(|row| row[3].number().unwrap()).collect();
        assert!(values.len() >= 50, "{metric}: {} values", values.len());
        values.iter().sum::<f64>() / values.len() as f64
    };
    // 1448 of 1538 bytes are data.
    let full = 10.0 * 1448.0 / 1538.0;
    let near = |metric: &str, low: f64, high: f64| {
        let value = mean(metric);
        assert!((low..high).contains(&value), "{metric}: {value}");
    };
    near("goodput_mbps", 0.97 * full, 1.001 * full);
    near("sent_mbps", 0.97 * full, 1.02 * full);
    near("delivery_rate_mbps", 0.95 * full, 1.05 * full);
    near("pacing_rate_mbps", 0.9 * full, 1.1 * full);
    near("bbr.bw", 0.97 * 1e7 / 1538.0 / 8.0, 1.03 * 1e7 / 1538.0 / 8.0);
    near("srtt_ms", 21.0, 35.0);
    near("bbr.min_rtt", 0.0212, 0.0222);
    near("rto_ms", 215.0, 245.0);
    near("bbr.mode", 1.9, 2.1);
    assert!((mean("cwnd_bytes") / mean("cwnd_packets") - 1448.0).abs() < 1e-6);
    assert!(mean("inflight_bytes") <= mean("cwnd_bytes"));
}

#[test]
fn info_has_exactly_the_fields_of_the_reference() {
    let text = "experiment { duration = '2s' }\nlocal a, b = net:host 'a', net:host 'b'\nnet:link(a, b, { rate = '10Mbps', delay = '10ms', queue = '5pkt' })\n\
        local f = a:bulk { to = b, cc = 'bbr' }\nsleep '1.5s'\nfor name in pairs(f.info) do print(name) end";
    let mut printed = printed(text);
    let mut known: Vec<String> = names_of("tcp.info").into_iter().map(str::to_owned).collect();
    printed.sort();
    known.sort();
    assert_eq!(printed, known);
}

#[test]
fn info_has_the_fields_of_tcp_info() {
    let text = "local a, b = net:host 'a', net:host 'b'\nnet:link(a, b, { rate = '10Mbps', delay = '10ms' })\n\
        b:serve(80, function(conn) conn:discard() end)\nlocal s = assert(a:connect(b, 80))\ns:send_bytes '100kB'\nsleep '1s'\n\
        local i = s.info\nprint(i.state, i.ca_state, i.snd_mss, i.bytes_acked, i.total_retrans, i.retransmits, i.unacked)\n\
        print(i.rtt > 0.02 and i.rtt < 0.2, i.min_rtt >= 0.02, i.rto >= 0.2, i.snd_cwnd >= 10, i.cwnd_bytes == i.snd_cwnd * i.snd_mss)\n\
        print(i.delivery_rate > 1e6, i.timestamps, i.sack, i.ecn, i.data_segs_out >= 70, i.segs_in > 20)\n\
        local f = a:bulk { to = b, size = '50kB' }\nf:wait()\nprint(f.info == nil or f.info.bytes_acked)";
    let lines = printed(text);
    assert_eq!(lines[0], "ESTABLISHED\tOpen\t1448\t100000\t0\t0\t0");
    assert_eq!(lines[1], "true\ttrue\ttrue\ttrue\ttrue");
    assert_eq!(lines[2], "true\ttrue\ttrue\tfalse\ttrue\ttrue");
}
