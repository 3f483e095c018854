//! Congestion controls in Lua, and what connections tell of themselves.

mod common;

use common::{error_of, good, printed, result_of, script};
use std::fmt::Write;
use tidewire_script::{Ended, RunResult};

/// A lossy bottleneck with one flow under the control of `cc`, after the declarations of `head`.
fn bottleneck(head: &str, cc: &str, watched: &str) -> String {
    format!(
        "{head}\nlocal p = experiment {{ duration = '8s' }}\n{}\
         local f = a:bulk {{ to = b, cc = '{cc}', name = 'flow' }}\nf:watch({{ {watched} }}, {{ every = '20ms' }})\n",
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

#[test]
fn every_variable_of_a_control_can_be_watched() {
    for (cc, variables) in [
        ("cubic", "w_max k w_est cnt delay_min"),
        ("bbr", "mode bw min_rtt pacing_gain cwnd_gain round_count full_bw_reached policed"),
        (
            "bbr3",
            "mode bw max_bw min_rtt pacing_gain cwnd_gain round_count full_bw_count full_bw_reached inflight_longterm inflight_shortterm",
        ),
        ("dctcp", "alpha"),
        ("vegas", "diff base_rtt min_rtt"),
        ("westwood", "bw rtt_min"),
        ("hybla", "rho min_rtt"),
        ("illinois", "alpha beta base_rtt max_rtt"),
        ("htcp", "alpha beta min_rtt max_rtt rate_max"),
        ("highspeed", "a b"),
        ("bic", "w_max cnt"),
        ("veno", "diff base_rtt min_rtt"),
        ("yeah", "queue fast reno_count"),
        ("ledbat", "queueing_delay base_delay target"),
    ] {
        let names: Vec<String> = variables.split(' ').map(|variable| format!("'{cc}.{variable}'")).collect();
        let text = series(&good(result_of(&script(&bottleneck("", cc, &names.join(", "))))));
        for name in variables.split(' ') {
            assert!(text.contains(&format!(" {cc}.{name} ")), "{cc}.{name} gives no samples");
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
    let names = [
        "cwnd_bytes",
        "ssthresh_bytes",
        "srtt_ms",
        "inflight_bytes",
        "delivery_rate_mbps",
        "pacing_rate_mbps",
    ];
    let watched: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let text = series(&good(result_of(&script(&bottleneck("", "bbr", &watched.join(", "))))));
    names.iter().for_each(|name| assert!(*name == "ssthresh_bytes" || text.contains(name), "{name}"));
    let text = series(&good(result_of(&script(&bottleneck("", "reno", "'ssthresh_bytes'")))));
    assert!(text.contains("ssthresh_bytes"));
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
