//! Services of the network: what they do, row by row of the project's checklist, and how mistakes about them are reported.

mod common;

use common::{column, error_of, good, lines, printed, result_of, shipped};
use tidewire_script::RunResult;

/// Runs a script; it must make this many checks, and all of them must hold.
#[track_caller]
fn shows(name: &str, checks: usize) -> RunResult {
    let result = good(result_of(&shipped(name)));
    result.checks.iter().for_each(|check| assert!(check.passed, "{name}: {}", check.text));
    assert_eq!(result.checks.len(), checks, "{name}");
    result
}

/// How many packets ended so at a node.
fn ended(result: &RunResult, cause: &str, node: &str) -> f64 {
    let table = &result.tables.iter().find(|(name, _)| name == "ledger").expect("a ledger").1;
    let rows = table.rows.iter().filter(|row| {
        row[1] == tidewire_metrics::Value::Text(cause.into())
            && row[2] == tidewire_metrics::Value::Text(node.into())
    });
    rows.filter_map(|row| row[3].number()).sum()
}

#[test]
fn row_56_ssh_from_the_admin_subnet_only_replies_pass_and_the_counters_match() {
    let result = shows("scripts/services/firewall.lua", 9);
    assert_eq!(column(&result, "ssh"), 1.0);
    // Three seconds of SYNs, a second apart, to port 22 from outside and to port 25 from inside.
    assert_eq!((column(&result, "denied"), column(&result, "mail")), (4.0, 4.0));
    assert_eq!(column(&result, "icmp"), 1.0);
    // And the SYN that was rejected.
    assert_eq!(ended(&result, "firewall", "server"), 4.0 + 4.0 + 1.0 + 1.0);
}

#[test]
fn a_socket_hears_at_once_that_its_packet_was_rejected() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         a:firewall{outbound = {{reject = {'tcp/80', 'udp/53', 'icmp'}}}}
         print(a:connect(b, 80))
         local u = a:udp() u:connect(b, 53) u:send 'x'
         print(u:recv{timeout = '1s'})
         print(a:ping(b))
         print(now() < 0.001)
         a:firewall{}
         print(a:ping(b) > 0)",
    );
    assert_eq!(lines, ["nil\tunreachable", "nil\tunreachable", "nil\tunreachable", "true", "true"]);
}

#[test]
fn known_flows_outlive_new_rules_and_end_with_their_timeout() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         local u, v = a:udp(5000), b:udp(53)
         b:firewall{inbound = {{allow = 'udp/53'}}, udp_timeout = '10s'}
         u:sendto('1', b, 53)
         print((v:recvfrom{timeout = '1s'}))
         b:firewall{default = 'deny', udp_timeout = '10s'}
         u:sendto('2', b, 53)
         print((v:recvfrom{timeout = '1s'}))
         print(#b:firewall_flows())
         sleep '11s'
         u:sendto('3', b, 53)
         print(v:recvfrom{timeout = '1s'})
         print(#b:firewall_flows())",
    );
    assert_eq!(lines, ["1", "2", "1", "nil\ttimeout", "0"]);
}

#[test]
fn mistakes_in_rules_are_named_with_their_place() {
    let base = "local a, b = net:host 'a', net:host 'b' net:link(a, b)\n";
    for (text, said) in [
        (
            "a:firewall{inbound = {{alow = 'tcp'}}}",
            "unknown option 'alow' of rule 1 of inbound; did you mean 'allow'?",
        ),
        ("a:firewall{inbound = {{from = 'b'}}}", "rule 1 of inbound must say one of allow, deny and reject"),
        ("a:firewall{inbound = {{allow = 'tpc/22'}}}", "'tpc/22' is not a service"),
        ("a:firewall{inbound = {allow = 'tcp'}}", "inbound must be a list of rules"),
        ("a:firewall{inbound = {{allow = 'tcp', from = '10.0.0/8'}}}", "'10.0.0/8' is not a network"),
        ("a:firewall{default = {inbond = 'deny'}}", "default has no list 'inbond'"),
        ("a:firewall{default = 'drop'}", "it can be one of \"allow\", \"deny\", \"reject\""),
        (
            "a:firewall{outbound = {{allow = 'tcp', to = net:host 'c'}}}",
            "'c' has no address that a rule could name",
        ),
    ] {
        let error = error_of(&format!("{base}{text}"));
        assert!(error.message.contains(said), "{text}: {error}");
        assert!(error.to_string().contains("exp.lua:2"), "{error}");
    }
}

#[test]
fn a_log_has_a_row_for_each_packet() {
    let result = shows("scripts/services/firewall.lua", 9);
    let events = &result.tables.iter().find(|(name, _)| name == "events").expect("events").1;
    let rows: Vec<String> = events.rows.iter().map(|row| format!("{row:?}")).collect();
    assert!(rows.iter().any(|row| row.contains("deny icmp: icmp 10.0.1.1:1 > 10.0.9.1")), "{rows:?}");
    assert!(lines(&result)[0].contains("port 22"));
}
