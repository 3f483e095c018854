//! TCP segments in a few words, with sequence numbers that count from the first one.

use crate::{Seq, TcpFlags, TcpSegment, Transport};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Sequence numbers count from the first one of each direction of a connection.
#[derive(Default)]
pub struct RelativeNumbers(BTreeMap<(IpAddr, u16, IpAddr, u16), Seq>);

impl RelativeNumbers {
    /// The relative sequence and acknowledgment numbers of a segment.
    pub fn relative(&mut self, (src, dst): (IpAddr, IpAddr), segment: &TcpSegment) -> (u32, Option<u32>) {
        let own = (src, segment.src_port, dst, segment.dst_port);
        let other = (dst, segment.dst_port, src, segment.src_port);
        if segment.flags.syn() {
            self.0.insert(own, segment.seq);
        }
        // Without its SYN the first byte seen counts as the first of all: number 1.
        let first = *self.0.entry(own).or_insert(Seq(segment.seq.0.wrapping_sub(1)));
        let ack = segment.flags.ack().then(|| {
            let first = *self.0.entry(other).or_insert(Seq(segment.ack.0.wrapping_sub(1)));
            segment.ack.0.wrapping_sub(first.0)
        });
        (segment.seq.0.wrapping_sub(first.0), ack)
    }

    /// What a packet carries, in a few words.
    pub fn label(&mut self, addresses: (IpAddr, IpAddr), transport: &Transport) -> String {
        match transport {
            Transport::Tcp(segment) => {
                let (seq, ack) = self.relative(addresses, segment);
                self.segment(addresses, segment, seq, ack)
            }
            Transport::Udp(_, payload) => format!("UDP {} B", payload.len()),
            Transport::Icmp(message) if addresses.0.is_ipv6() => message.text_v6(),
            Transport::Icmp(message) => message.to_string(),
            Transport::Raw(protocol, payload) => format!("{protocol} {} B", payload.len()),
        }
    }

    fn segment(
        &self,
        (src, dst): (IpAddr, IpAddr),
        segment: &TcpSegment,
        seq: u32,
        ack: Option<u32>,
    ) -> String {
        let len = segment.payload.len() as u32;
        let mut text = flag_names(segment.flags).join(" ");
        if len > 0 {
            let head =
                if text == "ACK" || text.is_empty() { "data".to_owned() } else { format!("{text} data") };
            text = format!("{head} {seq}:{}", seq.wrapping_add(len));
        } else if segment.seq_len() > 0 || segment.flags.intersects(TcpFlags::RST) {
            let _ = write!(text, " seq {seq}");
        }
        if let Some(ack) = ack {
            let _ = write!(text, "{}ack {ack}", if text == "ACK" { " " } else { ", " });
        }
        if segment.window == 0 && !segment.flags.intersects(TcpFlags::RST) {
            text.push_str(", win 0");
        }
        let first = self.0.get(&(dst, segment.dst_port, src, segment.src_port)).map_or(0, |first| first.0);
        for (left, right) in &segment.options.sack {
            let _ = write!(text, ", sack {}:{}", left.0.wrapping_sub(first), right.0.wrapping_sub(first));
        }
        text.replace("ACK ack", "ack")
    }
}

/// The names of the flags that matter to people.
pub fn flag_names(flags: TcpFlags) -> Vec<&'static str> {
    let all =
        [(TcpFlags::SYN, "SYN"), (TcpFlags::FIN, "FIN"), (TcpFlags::RST, "RST"), (TcpFlags::ACK, "ACK")];
    all.into_iter().filter(|(flag, _)| flags.intersects(*flag)).map(|(_, name)| name).collect()
}
