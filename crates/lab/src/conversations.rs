//! Captures, conversation by conversation: a ladder of text, a time-sequence diagram (Jacobson, Shepard 1991).

use crate::error::LabError;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use tidewire_plot::{Axis, Curve, Figure, Format, Marks, Point};
use tidewire_units::Instant;
use tidewire_wire::{Net, Packet, RelativeNumbers, Seq, Transport, read_pcapng};

/// What two ends say to each other.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// `TCP`, `UDP`, `ICMP`.
    pub protocol: &'static str,
    /// Both ends; the first one spoke first.
    pub ends: [String; 2],
    /// Bytes that each of them sent, without headers.
    pub bytes: [u64; 2],
    /// All packets, in order.
    packets: Vec<Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    /// From the first end to the second.
    forward: bool,
    /// Why it does not arrive, if the capture says so.
    lost: String,
    addresses: (IpAddr, IpAddr),
    transport: Transport,
}

/// Protocol and both ends, the smaller one first.
type Key = (&'static str, [(IpAddr, u16); 2]);

impl Conversation {
    /// How many packets there are.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether there is none; there is always one.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// From its first packet to its last, in seconds.
    pub fn seconds(&self) -> (f64, f64) {
        let at = |seen: Option<&Seen>| seen.map_or(0.0, |seen| seen.at.as_secs_f64());
        (at(self.packets.first()), at(self.packets.last()))
    }
}

/// The conversations of a capture file, in the order of their first packets.
///
/// # Errors
/// The file cannot be read or is no pcapng file.
pub fn conversations(path: &Path) -> Result<Vec<Conversation>, LabError> {
    let bytes = fs::read(path).map_err(|error| LabError::io("cannot read", path, error, ""))?;
    let capture = read_pcapng(&bytes).map_err(|error| {
        LabError::Usage(format!("{} is not a capture in pcapng format: {error}", path.display()))
    })?;
    let mut all: Vec<Conversation> = Vec::new();
    let mut known: BTreeMap<Key, usize> = BTreeMap::new();
    for packet in capture.packets {
        let link = capture.interfaces[packet.interface].link;
        let (addresses, transport) = match Packet::parse(&packet.bytes, link).map(|packet| packet.net) {
            Ok(Net::Ipv4(header, transport)) => ((header.src.into(), header.dst.into()), transport),
            Ok(Net::Ipv6(header, transport)) => ((header.src.into(), header.dst.into()), transport),
            _ => continue,
        };
        let (protocol, ports, len) = about(&transport);
        let ends = [(addresses.0, ports.0), (addresses.1, ports.1)];
        let mut key = ends;
        key.sort_unstable();
        let at = *known.entry((protocol, key)).or_insert_with(|| {
            let ends = ends.map(|(ip, port)| shown(ip, port));
            all.push(Conversation { protocol, ends, bytes: [0; 2], packets: Vec::new() });
            all.len() - 1
        });
        let conversation = &mut all[at];
        let forward = conversation.ends[0] == shown(ends[0].0, ends[0].1);
        conversation.bytes[usize::from(!forward)] += len as u64;
        let seen = Seen { at: packet.time, forward, lost: packet.comment, addresses, transport };
        conversation.packets.push(seen);
    }
    Ok(all)
}

fn about(transport: &Transport) -> (&'static str, (u16, u16), usize) {
    match transport {
        Transport::Tcp(segment) => ("TCP", (segment.src_port, segment.dst_port), segment.payload.len()),
        Transport::Udp(header, payload) => ("UDP", (header.src_port, header.dst_port), payload.len()),
        Transport::Icmp(_) => ("ICMP", (0, 0), 0),
        Transport::Raw(_, payload) => ("IP", (0, 0), payload.len()),
    }
}

fn shown(ip: IpAddr, port: u16) -> String {
    match (ip, port) {
        (ip, 0) => ip.to_string(),
        (IpAddr::V6(ip), port) => format!("[{ip}]:{port}"),
        (ip, port) => format!("{ip}:{port}"),
    }
}

/// Two lines of time with an arrow for each packet, at most so many.
pub fn ladder_lines(conversation: &Conversation, rows: usize) -> Vec<String> {
    const WIDTH: usize = 48;
    let [left, right] = &conversation.ends;
    let mut lines = vec![format!("{:>12}  {left:<WIDTH$}{right}", "ms")];
    let mut numbers = RelativeNumbers::default();
    for seen in conversation.packets.iter().take(rows) {
        let label = numbers.label(seen.addresses, &seen.transport);
        let dashes = "-".repeat((WIDTH - 4).saturating_sub(label.chars().count()).max(2) - 1);
        let arrow = match (seen.forward, seen.lost.is_empty()) {
            (true, true) => format!("|-- {label} {dashes}>|"),
            (true, false) => format!("|-- {label} {dashes}X "),
            (false, true) => format!("|<{dashes} {label} --|"),
            (false, false) => format!(" X{dashes} {label} --|"),
        };
        let ms = format!("{:.3}", seen.at.as_secs_f64() * 1e3);
        lines.push(format!("{ms:>12}  {arrow}  {}", seen.lost).trim_end().to_owned());
    }
    if conversation.packets.len() > rows {
        lines.push(format!("{:>12}  and {} more packets", "", conversation.packets.len() - rows));
    }
    lines
}

/// Sequence numbers over time, of the direction with more data: what was sent, sent again, lost, and acknowledged. None without data.
pub fn time_sequence(conversation: &Conversation) -> Option<Figure> {
    let forward = conversation.bytes[0] >= conversation.bytes[1];
    let mut line = Line::default();
    let mut curves: [Vec<Point>; 3] = Default::default();
    let mut acks = Vec::new();
    for seen in &conversation.packets {
        let Transport::Tcp(segment) = &seen.transport else { continue };
        let at = seen.at.as_secs_f64();
        if seen.forward != forward {
            if segment.flags.ack() && seen.lost.is_empty() {
                acks.push((at, line.place(segment.ack)));
            }
            continue;
        }
        if segment.payload.is_empty() {
            line.place(segment.seq);
            continue;
        }
        let start = line.place(segment.seq);
        let end = start + f64::from(segment.payload.len() as u32);
        let again = end <= line.highest;
        line.highest = line.highest.max(end);
        let curve = if !seen.lost.is_empty() { 2 } else { usize::from(again) };
        curves[curve].push(Point::new(at, end));
    }
    if curves.iter().all(Vec::is_empty) {
        return None;
    }
    let [sent, again, lost] = curves;
    let curves = [
        ("sent", Marks::Dots(sent)),
        ("acknowledged", Marks::Step(acks)),
        ("sent again", Marks::Dots(again)),
        ("lost", Marks::Dots(lost)),
    ];
    let curves = curves.into_iter().enumerate().filter(|(_, (_, marks))| !is_empty(marks));
    let curves = curves.map(|(style, (name, marks))| Curve::new(name, style, marks)).collect();
    let [a, b] = &conversation.ends;
    let title = if forward { format!("{a} > {b}") } else { format!("{b} > {a}") };
    let y = Axis { format: Format::Si, ..Axis::linear("sequence number (B)") };
    Some(Figure::single(title, Axis::linear("time (s)"), y, curves))
}

fn is_empty(marks: &Marks) -> bool {
    match marks {
        Marks::Dots(points) => points.is_empty(),
        Marks::Step(points) => points.is_empty(),
        _ => false,
    }
}

/// Sequence numbers of one direction without their wrapping around.
#[derive(Default)]
struct Line {
    last: Option<(Seq, f64)>,
    highest: f64,
}

impl Line {
    /// Bytes since the first number that was seen.
    fn place(&mut self, seq: Seq) -> f64 {
        let (last, place) = *self.last.get_or_insert((seq, 0.0));
        let place = place + f64::from(seq.0.wrapping_sub(last.0) as i32);
        self.last = Some((seq, place));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_wrap_around_go_on() {
        let mut line = Line::default();
        assert_eq!(line.place(Seq(u32::MAX - 9)), 0.0);
        assert_eq!(line.place(Seq(90)), 100.0);
        assert_eq!(line.place(Seq(u32::MAX)), 9.0);
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pcapng");
        fs::write(&path, "no capture at all").unwrap();
        let error = conversations(&path).unwrap_err();
        assert!(error.to_string().contains("is not a capture in pcapng format"), "{error}");
        assert_eq!(conversations(&dir.path().join("none")).unwrap_err().exit_code(), 5);
    }
}
