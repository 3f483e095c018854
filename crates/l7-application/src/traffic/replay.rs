//! Replay of recorded traffic: datagrams of the sizes and at the times of a capture or a table.

use crate::{Process, Resume, SocketApi, Wait};
use std::sync::Arc;
use tidewire_units::{Instant, SocketId, Span};
use tidewire_wire::{Endpoint, Payload, read_pcapng};

/// What was recorded: how long after the first, and payload bytes; in order of time.
pub type Recorded = Arc<[(Span, u32)]>;

/// Sends what was recorded.
#[derive(Debug)]
pub struct Replay {
    to: Endpoint,
    packets: Recorded,
    start: Instant,
    stop: Instant,
    /// Times are multiplied by this.
    scale: f64,
    next: usize,
    socket: Option<SocketId>,
}

impl Replay {
    /// Sends `packets` to `to` from `start` on, until `stop` at the latest, so many times as slow.
    pub fn new(to: Endpoint, packets: Recorded, start: Instant, stop: Instant, scale: f64) -> Replay {
        Replay { to, packets, start, stop, scale, next: 0, socket: None }
    }

    fn due(&self) -> Option<Instant> {
        let after = self.packets.get(self.next)?.0;
        let after =
            if self.scale == 1.0 { after } else { Span::from_secs_f64(after.as_secs_f64() * self.scale) };
        Some(self.start + after).filter(|at| *at < self.stop)
    }
}

impl Process for Replay {
    fn resume(&mut self, now: Instant, _: Resume, sockets: &mut dyn SocketApi) -> Wait {
        while let Some(at) = self.due() {
            if at > now {
                return Wait::Until(at);
            }
            if self.socket.is_none() {
                let Ok(socket) = sockets.datagram(self.to) else { return Wait::Done };
                sockets.measure(socket);
                self.socket = Some(socket);
            }
            if let Some(socket) = self.socket {
                let _ = sockets.send_datagram(socket, Payload::Zeros(self.packets[self.next].1));
            }
            self.next += 1;
        }
        self.socket.into_iter().for_each(|socket| sockets.close(socket));
        Wait::Done
    }
}

/// Reads lines of a time in seconds and a payload size in bytes, with a comma, semicolon or blanks between. Lines that begin with #
/// and a heading count as none.
///
/// # Errors
/// The number of the first bad line, and what is wrong with it.
pub fn parse_table(text: &str) -> Result<Recorded, (usize, String)> {
    let mut packets: Vec<(Span, u32)> = Vec::new();
    let mut first = None;
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split([',', ';', ' ', '\t']).filter(|field| !field.is_empty());
        let (time, size) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let (time, size): (Option<f64>, Option<f64>) = (time.parse().ok(), size.parse().ok());
        let bad = |what: &str| Err((i + 1, format!("'{line}': {what}")));
        match (time, size) {
            (None, None) if packets.is_empty() => continue,
            (Some(time), Some(size)) if time.is_finite() && time >= 0.0 => {
                if !(1.0..=65_507.0).contains(&size) || size.fract() != 0.0 {
                    return bad("a datagram has 1 to 65507 bytes");
                }
                let first = *first.get_or_insert(time);
                let after = Span::from_secs_f64((time - first).max(0.0));
                if time < first || packets.last().is_some_and(|(last, _)| after < *last) {
                    return bad("is earlier than the line before");
                }
                packets.push((after, size as u32));
            }
            _ => return bad("is not a time in seconds and a size in bytes"),
        }
    }
    if packets.is_empty() {
        return Err((text.lines().count().max(1), "there is no packet".to_owned()));
    }
    Ok(packets.into())
}

/// Reads a capture, pcapng or the older pcap: the IPv4 and IPv6 packets with UDP or TCP payload in it, by time.
///
/// # Errors
/// What is wrong with the file, and at which byte or packet.
pub fn parse_capture(file: &[u8]) -> Result<Recorded, String> {
    let packets = match file.get(..4) {
        Some([0x0A, 0x0D, 0x0D, 0x0A]) => of_pcapng(file)?,
        Some(magic) => of_pcap(file, magic)?,
        None => return Err("the file is too short for a capture".to_owned()),
    };
    let Some(first) = packets.iter().map(|(at, _)| *at).min() else {
        return Err("the capture holds no packet with UDP or TCP payload".to_owned());
    };
    let mut packets: Vec<(Span, u32)> =
        packets.into_iter().map(|(at, size)| (Span::from_ns(at - first), size)).collect();
    packets.sort_by_key(|(at, _)| *at);
    Ok(packets.into())
}

fn of_pcapng(file: &[u8]) -> Result<Vec<(u64, u32)>, String> {
    let capture = read_pcapng(file).map_err(|error| {
        let (number, at) = bad_block(file);
        format!("block {number} of the pcapng file, at byte {at}: {error}")
    })?;
    let with = |packet: &tidewire_wire::CapturedPacket| {
        let layer = match capture.interfaces.get(packet.interface)?.link {
            tidewire_wire::LinkLayer::RawIp => 101,
            _ => 1,
        };
        let ns = packet.time.since(Instant::ZERO).as_ps() / 1000;
        Some((ns, payload_of(&packet.bytes, layer)?))
    };
    Ok(capture.packets.iter().filter_map(with).collect())
}

/// The first block that makes a pcapng file unreadable: its number, and where it begins.
fn bad_block(file: &[u8]) -> (usize, usize) {
    let mut begins = vec![0];
    let mut at = 0;
    while let Some(len) = file.get(at + 4..at + 8).and_then(|bytes| bytes.try_into().ok()) {
        let len = u32::from_le_bytes(len) as usize;
        if len < 12 || len > file.len() - at {
            break;
        }
        at += len;
        begins.push(at);
    }
    // Files are readable up to some block and not from there on.
    let whole = begins.partition_point(|at| read_pcapng(&file[..*at]).is_ok());
    let number = whole.max(1);
    (number, begins[number - 1])
}

/// The classic format: a header of 24 bytes, then packets with 16 each, in the byte order of who wrote it.
fn of_pcap(file: &[u8], magic: &[u8]) -> Result<Vec<(u64, u32)>, String> {
    let (big, unit) = match magic {
        [0xA1, 0xB2, 0xC3, 0xD4] => (true, 1000),
        [0xD4, 0xC3, 0xB2, 0xA1] => (false, 1000),
        [0xA1, 0xB2, 0x3C, 0x4D] => (true, 1),
        [0x4D, 0x3C, 0xB2, 0xA1] => (false, 1),
        _ => return Err("neither pcapng nor pcap: the first four bytes are unknown".to_owned()),
    };
    let word = |at: usize| -> Option<u64> {
        let bytes: [u8; 4] = file.get(at..at + 4)?.try_into().ok()?;
        Some(u64::from(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }))
    };
    let layer = word(20).ok_or("the header is cut off")? as u32;
    let (mut at, mut packets, mut number) = (24, Vec::new(), 0);
    while at < file.len() {
        number += 1;
        let head = (|| Some((word(at)?, word(at + 4)?, word(at + 8)? as usize)))();
        let whole =
            head.and_then(|(s, fraction, len)| Some((s, fraction, file.get(at + 16..at + 16 + len)?)));
        let (s, fraction, data) =
            whole.ok_or_else(|| format!("packet {number}, at byte {at}, is cut off"))?;
        packets.extend(payload_of(data, layer).map(|size| (s * 1_000_000_000 + fraction * unit, size)));
        at += 16 + data.len();
    }
    Ok(packets)
}

/// Payload bytes of UDP or TCP in a captured packet, by what its IP header says.
fn payload_of(data: &[u8], layer: u32) -> Option<u32> {
    let ip = match layer {
        // Ethernet, with a tag or without.
        1 => match data.get(12..14)? {
            [0x81, 0x00] => data.get(18..)?,
            [0x08, 0x00] | [0x86, 0xDD] => data.get(14..)?,
            _ => return None,
        },
        101 | 228 | 229 => data,
        _ => return None,
    };
    let pair = |at: usize| Some(u32::from(*ip.get(at)?) << 8 | u32::from(*ip.get(at + 1)?));
    let (protocol, header, total) = match ip.first()? >> 4 {
        4 => (*ip.get(9)?, usize::from(ip[0] & 15) * 4, pair(2)?),
        6 => (*ip.get(6)?, 40, pair(4)? + 40),
        _ => return None,
    };
    let above = match protocol {
        17 => 8,
        6 => u32::from(ip.get(header + 12)? >> 4) * 4,
        _ => return None,
    };
    total.checked_sub(header as u32 + above).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_in_which_line_it_is_wrong() {
        let packets = parse_table("t_s,bytes\n1.0,100\n1.5,200\n").unwrap();
        assert_eq!(packets[..], [(Span::ZERO, 100), (Span::from_ms(500), 200)]);
        let wrong = |text| parse_table(text).unwrap_err();
        assert_eq!(wrong("0,100\n\n1,zero\n").0, 3);
        assert_eq!(
            wrong("0,100\n1,100\n0.5,100\n"),
            (3, "'0.5,100': is earlier than the line before".to_owned())
        );
        assert_eq!(wrong("0,70000\n").0, 1);
        assert_eq!(wrong("time,bytes\n").1, "there is no packet");
    }

    fn udp_frame(payload: u16) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((28 + payload).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0; 8]);
        frame
    }

    fn pcap(frames: &[(u32, u32, Vec<u8>)]) -> Vec<u8> {
        let mut file = vec![0xD4, 0xC3, 0xB2, 0xA1];
        file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0, 0, 0]);
        for (s, us, frame) in frames {
            for word in [*s, *us, frame.len() as u32, frame.len() as u32] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
        file
    }

    #[test]
    fn a_capture_gives_times_and_payloads_even_of_packets_that_it_holds_in_part() {
        let file = pcap(&[(5, 0, udp_frame(160)), (5, 20_000, udp_frame(1200)), (6, 0, vec![0; 60])]);
        let packets = parse_capture(&file).unwrap();
        assert_eq!(packets[..], [(Span::ZERO, 160), (Span::from_ms(20), 1200)]);
    }

    #[test]
    fn a_broken_capture_is_refused_where_it_breaks() {
        let file = pcap(&[(5, 0, udp_frame(160)), (5, 20_000, udp_frame(160))]);
        assert_eq!(parse_capture(&file[..file.len() - 5]).unwrap_err(), "packet 2, at byte 82, is cut off");
        assert!(parse_capture(b"what?").unwrap_err().contains("first four bytes"));
        assert!(parse_capture(&[0x0A, 0x0D, 0x0D, 0x0A, 1]).is_err());
        assert!(parse_capture(b"").is_err());
    }

    /// A pcapng file of one section, one Ethernet interface with nanoseconds, and packets at these times.
    fn pcapng(times: &[u64]) -> Vec<u8> {
        let block = |kind: u32, body: &[u8]| {
            let len = (12 + body.len() as u32).to_le_bytes();
            [&kind.to_le_bytes()[..], &len, body, &len].concat()
        };
        let mut file =
            block(0x0A0D_0D0A, &[0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        file.extend(block(1, &[1, 0, 0, 0, 0xFF, 0xFF, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]));
        for time in times {
            let frame = udp_frame(70);
            let mut body: Vec<u8> = vec![0; 4];
            for word in [(time >> 32) as u32, *time as u32, frame.len() as u32, frame.len() as u32] {
                body.extend(word.to_le_bytes());
            }
            body.extend(&frame);
            body.resize(body.len().next_multiple_of(4), 0);
            file.extend(block(6, &body));
        }
        file
    }

    #[test]
    fn a_broken_pcapng_file_is_refused_at_the_block_that_breaks() {
        let file = pcapng(&[1_000, 2_000_000]);
        assert_eq!(parse_capture(&file).unwrap()[1], (Span::from_us(1999), 70));
        let second = file.len() - (file.len() - 60) / 2;
        let at = |file: &[u8]| parse_capture(file).unwrap_err();
        assert_eq!(
            at(&file[..file.len() - 5]),
            format!("block 4 of the pcapng file, at byte {second}: truncated")
        );
        let mut longer = file.clone();
        longer[64..68].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0x7F]);
        assert!(at(&longer).starts_with("block 3 of the pcapng file, at byte 60: "), "{}", at(&longer));
        assert!(at(&[&file[..60], b"what comes here is no block"].concat()).starts_with("block 3 "));
        assert!(at(&[0x0A, 0x0D, 0x0D, 0x0A, 1]).starts_with("block 1 "));
    }

    #[test]
    fn times_beyond_all_measure_stop_nothing() {
        let packets =
            parse_capture(&pcap(&[(0, 0, udp_frame(9)), (u32::MAX, u32::MAX, udp_frame(9))])).unwrap();
        assert_eq!(packets.len(), 2);
        assert_eq!(parse_capture(&pcapng(&[0, u64::MAX])).unwrap().len(), 2);
        assert_eq!(parse_table("0,100\n1e300,100\n").unwrap().len(), 2);
        for n in 0..400 {
            // Whatever is cut off or changed: an answer, and no panic.
            let mut file = pcapng(&[1, 2, 3]);
            file.truncate(n);
            let _ = parse_capture(&file);
            let mut file = pcapng(&[1, 2, 3]);
            let len = file.len();
            file[(n * 7) % len] ^= 1 << (n % 8);
            let _ = parse_capture(&file);
        }
    }
}
