//! What a course on networks wants to see, and what shows it.

/// A subject.
#[derive(Debug)]
pub struct Row {
    /// Its numbers in the project's checklist.
    pub rows: &'static [u8],
    /// What it is about.
    pub subject: &'static str,
    /// The functions that show it.
    pub functions: &'static [&'static str],
    /// A script that shows it, below `scripts/`.
    pub script: &'static str,
}

const fn row(
    rows: &'static [u8],
    subject: &'static str,
    functions: &'static [&'static str],
    script: &'static str,
) -> Row {
    Row { rows, subject, functions, script }
}

/// All subjects that can be shown, in the order of their numbers.
pub fn rows() -> &'static [Row] {
    ROWS
}

const ROWS: &[Row] = &[
    row(&[1, 2, 12], "layers, encapsulation, whose MAC address", &["journey"], "links/journey.lua"),
    row(&[3], "layers are independent", &["net:link", "net:lan", "net:hub"], "links/three_kinds.lua"),
    row(&[4], "loopback does not reach the wire", &["host:ping"], "links/loopback.lua"),
    row(&[5], "bits, rate, propagation", &["net:link"], "links/serialisation.lua"),
    row(&[6, 7], "noise damages data; two of ten frames", &["net:link"], "links/noise.lua"),
    row(&[8], "framing with special bits", &["coding.stuff", "coding.frame"], "links/framing.lua"),
    row(&[9], "errors, order and flow control on a link", &["net:link"], "links/arq.lua"),
    row(&[10], "delivery by MAC address", &["switch:mac_table"], "links/learning.lua"),
    row(&[10], "networks apart on the same switches", &["switch:vlans"], "links/vlans.lua"),
    row(&[11], "ARP: who has this address?", &["host:arp_table"], "links/arp.lua"),
    row(&[13], "DHCP gives addresses and gateways", &["host:dhcp_server", "host:lease"], "services/dhcp.lua"),
    row(
        &[14],
        "routing finds ways, forwarding uses them",
        &["net:routing", "router:rib", "host:fib"],
        "routing/rip_count_to_infinity.lua",
    ),
    row(&[14], "link state: what takes how long", &["net:wait_converged"], "routing/ospf_convergence.lua"),
    row(&[15], "IP promises neither delivery nor order", &["net:link"], "internet/best_effort.lua"),
    row(
        &[16],
        "a switch dies, packets are lost",
        &["switch:crash", "switch:boot"],
        "failures/switch_dies.lua",
    ),
    row(&[17], "IPv4 addresses, and how many", &["cidr"], "links/addresses.lua"),
    row(&[18], "IPv6", &["net:ipv6", "host:neighbor_table"], "internet/ipv6.lua"),
    row(&[19, 20], "ports; those of TCP and those of UDP", &["host:listen", "host:udp"], "sockets/ports.lua"),
    row(
        &[21],
        "sockets: bind, listen, accept, connect, send, recv, close",
        &["tcp:bind", "tcp:accept", "tcp:connect"],
        "sockets/textbook.lua",
    ),
    row(&[22], "three-way handshake with states", &["ladder"], "tcp/handshake.lua"),
    row(
        &[23],
        "four-way close with states; reset; both at once",
        &["tcp:close", "tcp:abort"],
        "tcp/close.lua",
    ),
    row(&[24], "SYN lost, server down, port closed", &["tcp:connect"], "tcp/connect_errors.lua"),
    row(&[25], "a film that can be seen before it has arrived", &["tcp:discard"], "tcp/video.lua"),
    row(&[25], "a film over HTTP, piece by piece", &["host:play"], "video/progressive.lua"),
    row(&[26], "flow control for a slow receiver", &["ladder"], "tcp/flow_control.lua"),
    row(&[27], "error control", &["net:link"], "tcp/error_control.lua"),
    row(&[28], "order, and duplicates", &["net:link"], "tcp/duplicates.lua"),
    row(&[29], "sending slowly when there is congestion", &["flow:watch", "host:bulk"], "tcp/congestion.lua"),
    row(&[29], "a congestion control of one's own", &["congestion"], "tcp/own_congestion_control.lua"),
    row(&[30], "UDP: no connection, losses, full speed", &["host:cbr"], "udp/plain.lua"),
    row(&[31], "\"Hello\" becomes \"Helo\"", &["udp:sendto", "udp:recvfrom"], "udp/missing_letters.lua"),
    row(
        &[32],
        "TCP against UDP under the same losses",
        &["experiment", "host:bulk", "host:cbr"],
        "tcp_vs_udp.lua",
    ),
    row(&[33, 69], "names: from the root down, and back", &["host:resolve"], "dns/hierarchy.lua"),
    row(&[34], "names: time to live, caches", &["host:resolve"], "dns/ttl.lua"),
    row(
        &[35, 74],
        "several name servers, private zones, failover",
        &["host:dns_server", "net:dns_tree"],
        "dns/managed.lua",
    ),
    row(&[36], "typing a URL: the whole journey", &["net:trace"], "chain/journey_of_a_url.lua"),
    row(&[37], "the long way to a server", &["host:traceroute"], "internet/long_way.lua"),
    row(&[38], "HTTP requests and answers", &["host:http_server", "host:http_get"], "web/http.lua"),
    row(
        &[39],
        "HTTPS: certificates, round trips, who can read it",
        &["net:authority", "host:trust"],
        "web/https.lua",
    ),
    row(
        &[40, 41, 42, 73],
        "cookies, sessions, tokens, a closed browser",
        &["host:http_server"],
        "web/sessions.lua",
    ),
    row(&[43, 72], "where the session lives", &["host:http_balancer"], "chain/where_sessions_live.lua"),
    row(&[50], "CGI against a pool of workers", &["host:http_server"], "chain/cgi.lua"),
    row(&[51], "kinds of workers, slow clients", &["host:http_balancer"], "chain/slow_clients.lua"),
    row(&[53], "task queue and workers", &["host:queue_server", "host:queue_workers"], "chain/tasks.lua"),
    row(&[54], "cache and database", &["host:cache_server", "host:database_server"], "chain/cache.lua"),
    row(&[55], "the whole chain, in spans", &["net:web_chain", "net:trace"], "chain/chain.lua"),
    row(&[38], "many requests on one connection", &["host:http_client"], "web/http2.lua"),
    row(
        &[38],
        "a page and all that it names",
        &["host:browser", "browser:open", "page:waterfall"],
        "web/browser.lua",
    ),
    row(
        &[44, 45, 78],
        "files: two connections, a server that remembers",
        &["host:ftp_server", "host:ftp"],
        "files/ftp.lua",
    ),
    row(&[47], "the page, or a part of it", &["html", "host:browser"], "web/partial_update.lua"),
    row(&[46], "methods, paths and status codes of an API", &["host:http_server"], "web/http.lua"),
    row(&[48, 70], "lost answers, and what is done twice", &["host:http_server"], "web/idempotency.lua"),
    row(&[49], "static and dynamic pages", &["host:http_server"], "web/http.lua"),
    row(
        &[52],
        "load shared by several servers; one dies",
        &["host:http_balancer", "host:tcp_proxy"],
        "web/load_balancer.lua",
    ),
    row(
        &[56],
        "inbound and outbound rules, a stateful firewall",
        &["host:firewall", "host:firewall_rules"],
        "services/firewall.lua",
    ),
    row(
        &[57],
        "telnet is read on the way, SSH is not",
        &["host:telnet", "host:ssh", "net:ssh_key"],
        "terminal/telnet_and_ssh.lua",
    ),
    row(&[58], "client and server", &["host:serve", "resource"], "client_server.lua"),
    row(
        &[58, 59],
        "a server or a swarm, against theory",
        &["net:swarm", "swarm:wait"],
        "p2p/distribution.lua",
    ),
    row(&[59], "peers among themselves, by hand", &["host:spawn"], "p2p.lua"),
    row(&[59], "keys without a server", &["host:udp"], "p2p/dht.lua"),
    row(
        &[60],
        "a rendezvous server, and peers that talk directly",
        &["net:nat", "nat:table"],
        "services/hole_punching.lua",
    ),
    row(&[60], "calls: direct, punched, relayed", &["net:nat", "host:crash"], "hybrid/skype.lua"),
    row(&[61], "a game in lock-step; the host leaves", &["host:udp", "host:crash"], "hybrid/starcraft.lua"),
    row(&[62], "one work, three structures", &["net:swarm", "host:crash"], "hybrid/three_structures.lua"),
    row(
        &[63],
        "checkpoints of a long transfer",
        &["host:transfer", "host:transfer_server"],
        "session/checkpoints.lua",
    ),
    row(&[64], "remote calls that come twice", &["host:rpc", "host:rpc_server"], "session/rpc.lua"),
    row(
        &[65],
        "format, compression, encryption",
        &["codec.encode", "codec.decode"],
        "presentation/codecs.lua",
    ),
    row(&[66], "mail", &["host:mail_server", "host:send_mail"], "mail/mail.lua"),
    row(&[66], "a room for talk", &["host:chat_server", "host:chat"], "mail/chat.lua"),
    row(&[67], "polling", &["host:http_client"], "web/polling.lua"),
    row(&[68], "which layer is broken?", &["diagnose", "inject_fault"], "failures/which_layer.lua"),
    row(&[71], "character sets", &["codec.charset", "codec.text"], "presentation/charsets.lua"),
    row(&[75], "front and application server", &["host:http_balancer"], "chain/front.lua"),
    row(&[76], "line coding", &["coding.encode", "coding.draw"], "links/line_coding.lua"),
    row(&[77], "kinds of request", &["host:http_server", "html"], "web/kinds_of_request.lua"),
    row(&[79], "devices of one's own", &["net:device", "device:on_frame"], "devices/switch.lua"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_shown() {
        let shown: Vec<u8> = rows().iter().flat_map(|row| row.rows).copied().collect();
        let missing: Vec<u8> = (1..=79).filter(|row| !shown.contains(row)).collect();
        assert!(missing.is_empty(), "nothing shows {missing:?}");
        let index = include_str!("../../../../scripts/README.md");
        let rows_of = |line: &str| -> Vec<u8> {
            let cell = line.strip_prefix("| ").and_then(|rest| rest.split(" |").next()).unwrap_or_default();
            cell.split(", ").filter_map(|n| n.parse().ok()).collect()
        };
        let indexed: Vec<u8> = index.lines().flat_map(rows_of).collect();
        assert!((1..=79).all(|row| indexed.contains(&row)), "the index lacks one of {indexed:?}");
    }

    #[test]
    fn what_shows_a_subject_exists() {
        let known: Vec<&str> = crate::spec::all().iter().map(|f| f.name).collect();
        let scripts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
        for row in rows() {
            let unknown = row.functions.iter().find(|name| !known.contains(name));
            assert_eq!(unknown, None, "rows {:?}", row.rows);
            let text = std::fs::read_to_string(scripts.join(row.script)).expect(row.script);
            let used = |name: &&str| text.contains(name.rsplit([':', '.']).next().unwrap_or(name));
            assert!(row.functions.iter().any(used), "{} uses none of {:?}", row.script, row.functions);
        }
    }
}
