//! The first line of a packet trace: the link, the client, the settings.

use super::literal::{Literal, parse_pairs};
use crate::network::kernel_tcp;
use tidewire_l4_transport::{CcKind, EcnMode, MtuProbing, TcpConfig};
use tidewire_topology::{LossModel, LossSpec, Match};
use tidewire_units::{Rate, Span};

/// Packets that a list of drops may have.
const MOST_LISTED: u64 = 10_000_000;
/// Packets that may be sent: minutes of computing.
const MOST_PACKETS: f64 = 5e7;

/// What a trace was recorded with.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub rate: Rate,
    pub delay: Span,
    pub queue: u32,
    /// Random losses: probability and seed.
    pub loss: (f64, u64),
    pub drops: Vec<Drops>,
    /// Everything that arrives at the link between these two times is lost.
    pub outages: Vec<(Span, Span)>,
    pub client: Client,
    pub tcp: TcpConfig,
    /// Settings that have no counterpart here.
    pub unknown: Vec<String>,
}

/// What the client did.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Client {
    /// Bytes to send at once; none to send for `secs`.
    pub bytes: Option<u64>,
    pub secs: f64,
    /// Closes so long after it has written everything, once all of it is acknowledged.
    pub hold: Span,
    pub reset: bool,
    pub maxwait: Span,
}

/// Ordinals of lost packets of one kind.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Drops {
    pub forward: bool,
    pub among: Match,
    pub ordinals: Vec<u64>,
}

/// Why a trace has no scenario.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum NoScenario {
    /// A program of its own drove it.
    NoClient,
    /// No congestion control of this name.
    UnknownCc(String),
    /// The header cannot be understood.
    Bad(String),
}

impl Scenario {
    pub fn parse(line: &str) -> Result<Scenario, NoScenario> {
        let header = parse_pairs(line.trim_start_matches('#')).map_err(NoScenario::Bad)?;
        let bad = |what: &str| NoScenario::Bad(format!("no {what} in the header"));
        let link = header.get("link").ok_or_else(|| bad("link"))?;
        let client = match header.get("client") {
            Some(client @ Literal::Map(_)) => client,
            _ => return Err(NoScenario::NoClient),
        };
        let rate = link.number("rate").and_then(|rate| Rate::from_bits_per_s(rate as u64));
        let delay = link.number("delay_us").filter(|us| (0.0..1e9).contains(us));
        let cc = client.text("cc").unwrap_or("reno");
        let cc = CcKind::from_name(cc).ok_or_else(|| NoScenario::UnknownCc(cc.to_owned()))?;
        let mut tcp = kernel_tcp(cc);
        tcp.offload = header.number("gso_max_segs1") == Some(0.0);
        tcp.nodelay = client.number("nodelay") != Some(0.0);
        let mut unknown = Vec::new();
        for (name, value) in header.get("sysctls").map_or(&[] as &[_], Literal::entries) {
            if !apply(&mut tcp, name, &value.as_setting()) {
                unknown.push(name.clone());
            }
        }
        Ok(Scenario {
            rate: rate.ok_or_else(|| bad("rate"))?,
            delay: Span::from_secs_f64(delay.ok_or_else(|| bad("delay_us"))? * 1e-6),
            queue: link.number("queue").ok_or_else(|| bad("queue"))? as u32,
            loss: (link.number("loss").unwrap_or(0.0), link.number("seed").unwrap_or(1.0) as u64),
            drops: link.text("drop").map_or(Ok(Vec::new()), drops).map_err(NoScenario::Bad)?,
            outages: link.get("outage_ms").map_or(Ok(Vec::new()), outages).map_err(NoScenario::Bad)?,
            client: client_of(client),
            tcp,
            unknown,
        })
    }

    /// More packets than anybody wants to wait for.
    pub fn is_endless(&self, end: Span) -> bool {
        let seconds = end.as_secs_f64().min(self.client.maxwait.as_secs_f64() + 100.0);
        let carried = self.rate.bits_per_s() as f64 * seconds / 12_000.0;
        let sent = self.client.bytes.map_or(f64::INFINITY, |bytes| bytes as f64 / 1448.0);
        carried.min(sent) > MOST_PACKETS
    }

    /// What the link loses, in one direction.
    pub fn losses(&self, forward: bool) -> Vec<LossSpec> {
        let mine = self.drops.iter().filter(|drops| drops.forward == forward);
        mine.map(|drops| LossSpec { model: LossModel::Listed(drops.ordinals.clone()), among: drops.among })
            .collect()
    }
}

fn client_of(client: &Literal) -> Client {
    let ms = |key: &str, default: f64| {
        Span::from_secs_f64(client.number(key).unwrap_or(default).clamp(0.0, 1e9) * 1e-3)
    };
    Client {
        bytes: client.number("bytes").map(|bytes| bytes as u64),
        secs: client.number("secs").unwrap_or(0.0).clamp(0.0, 1e5),
        hold: ms("hold", 500.0),
        reset: client.number("rst").is_some_and(|rst| rst != 0.0),
        maxwait: Span::from_secs_f64(client.number("maxwait").unwrap_or(1e5).clamp(0.0, 1e5)),
    }
}

/// `D18-20,D25,S1`: kinds and ordinals; a missing letter repeats the last one.
fn drops(text: &str) -> Result<Vec<Drops>, String> {
    let mut all: Vec<Drops> = Vec::new();
    let mut kind = None;
    for item in text.split([',', ' ', ';']).map(str::trim).filter(|item| !item.is_empty()) {
        let letter = item.chars().next().filter(char::is_ascii_alphabetic);
        let range = &item[usize::from(letter.is_some())..];
        if let Some(letter) = letter {
            kind = Some(kind_of(letter).ok_or_else(|| format!("unknown kind of packet '{letter}'"))?);
        }
        let (forward, among) = kind.ok_or_else(|| format!("no kind of packet in '{item}'"))?;
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("'{item}' is no range of packets"));
        let (first, last) = (number(first)?, number(last)?);
        let listed: u64 = all.iter().map(|drops| drops.ordinals.len() as u64).sum();
        if last.saturating_sub(first).saturating_add(listed) >= MOST_LISTED {
            return Err(format!("'{item}' makes more than {MOST_LISTED} packets"));
        }
        match all.iter_mut().find(|drops| (drops.forward, drops.among) == (forward, among)) {
            Some(drops) => drops.ordinals.extend(first..=last),
            None => all.push(Drops { forward, among, ordinals: (first..=last).collect() }),
        }
    }
    Ok(all)
}

fn kind_of(letter: char) -> Option<(bool, Match)> {
    let among = match letter.to_ascii_uppercase() {
        'D' => Match::Data,
        'F' => Match::Fin,
        'P' => Match::Ack,
        'S' if letter == 'S' => Match::Syn,
        'S' => Match::SynAck,
        _ => return None,
    };
    Some((letter.is_ascii_uppercase(), among))
}

/// `3000:40000`, several separated by commas, in ms.
fn outages(value: &Literal) -> Result<Vec<(Span, Span)>, String> {
    let text = value.as_setting().replace(' ', ",");
    let one = |item: &str| {
        let (from, to) = item.split_once([':', '-'])?;
        let ms = |text: &str| text.trim().parse::<f64>().ok().filter(|ms| (0.0..1e9).contains(ms));
        Some((Span::from_secs_f64(ms(from)? * 1e-3), Span::from_secs_f64(ms(to)? * 1e-3)))
    };
    let items = text.split(',').filter(|item| !item.is_empty());
    items.map(|item| one(item).ok_or_else(|| format!("'{item}' is no outage"))).collect()
}

/// Applies a system control. False when it has no counterpart here.
fn apply(tcp: &mut TcpConfig, name: &str, value: &str) -> bool {
    let number = value.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
    let (on, count) = (number != Some(0.0), number.unwrap_or(0.0).clamp(0.0, 1e9) as u32);
    let memory: Vec<u64> = value.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match name.trim_start_matches("net.ipv4.") {
        "tcp_sack" => tcp.sack = on,
        "tcp_dsack" => tcp.dsack = on,
        "tcp_timestamps" => tcp.timestamps = on,
        "tcp_window_scaling" => tcp.window_scale = on,
        "tcp_early_retrans" => tcp.tlp = count >= 3,
        "tcp_recovery" => tcp.rack = count & 1 == 1,
        "tcp_frto" => tcp.frto = on,
        "tcp_reordering" => tcp.reordering = count,
        "tcp_syn_linear_timeouts" => tcp.syn_linear_timeouts = count,
        "tcp_syn_retries" => tcp.syn_retries = count,
        "tcp_synack_retries" => tcp.synack_retries = count,
        "tcp_retries2" => tcp.retries = count,
        "tcp_slow_start_after_idle" => tcp.slow_start_after_idle = on,
        "tcp_mtu_probing" => {
            let when = [MtuProbing::Off, MtuProbing::BlackHole, MtuProbing::Always];
            tcp.mtu_probing = when[count.min(2) as usize];
        }
        "tcp_rto_min_us" => tcp.rto_min = Span::from_us(u64::from(count)),
        "tcp_rto_max_ms" => tcp.rto_max = Span::from_ms(u64::from(count)),
        "tcp_fin_timeout" => tcp.fin_timeout = Span::from_secs(u64::from(count)),
        "tcp_ecn" => tcp.ecn = [EcnMode::Off, EcnMode::On, EcnMode::Passive][count.min(2) as usize],
        "tcp_rmem" if memory.len() == 3 => (tcp.rcvbuf_init, tcp.rcvbuf_max) = (memory[1], memory[2]),
        "tcp_wmem" if memory.len() == 3 => (tcp.sndbuf_init, tcp.sndbuf_max) = (memory[1], memory[2]),
        "tcp_congestion_control" => match CcKind::from_name(value) {
            Some(cc) => tcp.cc = cc,
            None => return false,
        },
        "tcp_no_metrics_save" => {}
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_lists_have_kinds_ranges_and_commas() {
        let lost = drops("D100,D102-104,7,s1,p10-12").unwrap();
        let data = Drops { forward: true, among: Match::Data, ordinals: vec![100, 102, 103, 104, 7] };
        let synack = Drops { forward: false, among: Match::SynAck, ordinals: vec![1] };
        let acks = Drops { forward: false, among: Match::Ack, ordinals: vec![10, 11, 12] };
        assert_eq!(lost, [data, synack, acks]);
        assert!(drops("D1-20000000").is_err() && drops("D0-18446744073709551615").is_err());
        assert!(drops("X1").is_err() && drops("D1-").is_err() && drops("5").is_err());
    }

    #[test]
    fn settings_become_options_and_unknown_ones_are_named() {
        let line = "# x link={'rate': 1e7, 'delay_us': 25000, 'queue': 42, 'outage_ms': '3000:40000'} \
                    client={'cc': 'cubic', 'secs': 62, 'rst': 1} \
                    sysctls={'net.ipv4.tcp_early_retrans': 0, 'net.ipv4.tcp_rmem': '4096 131072 6291456', 'net.x': 1}";
        let scenario = Scenario::parse(line).unwrap();
        assert!(!scenario.tcp.tlp && scenario.tcp.sack && scenario.tcp.cc == CcKind::Cubic);
        assert_eq!((scenario.tcp.rcvbuf_init, scenario.tcp.rcvbuf_max), (131_072, 6_291_456));
        assert_eq!(scenario.unknown, ["net.x"]);
        assert_eq!(scenario.outages, [(Span::from_secs(3), Span::from_secs(40))]);
        assert!(scenario.client.reset && scenario.client.bytes.is_none());
    }

    #[test]
    fn a_trace_without_client_has_no_scenario() {
        let line = "# x link={'rate': 1e7, 'delay_us': 25000, 'queue': 42} client=None sysctls={}";
        assert_eq!(Scenario::parse(line).unwrap_err(), NoScenario::NoClient);
    }
}
