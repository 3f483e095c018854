//! Packets and frames of QUIC version 1 (RFC 9000 sections 12, 17 and 19) in bytes. Encryption is modelled: nothing is hidden, the
//! authentication tag is so many zeros.

use super::ranges::RangeSet;
use bytes::Bytes;

/// Bytes of the authentication tag (RFC 9001 section 5.3).
pub(crate) const TAG: usize = 16;
/// Bytes of connection identifiers here.
pub(crate) const CID: usize = 8;
/// The exponent of the unit of acknowledgment delays.
const DELAY_SHIFT: u32 = 3;

/// Kinds of packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    OneRtt,
}

impl Kind {
    /// The packet number space: Initial, Handshake, application data (RFC 9000 section 12.3).
    pub fn space(self) -> usize {
        match self {
            Kind::Initial => 0,
            Kind::Handshake => 1,
            Kind::ZeroRtt | Kind::OneRtt => 2,
        }
    }

    /// Bytes of its header and tag.
    pub fn overhead(self) -> usize {
        match self {
            Kind::OneRtt => 1 + CID + 4 + TAG,
            Kind::Initial => 1 + 4 + 2 * (1 + CID) + 1 + 2 + 4 + TAG,
            Kind::ZeroRtt | Kind::Handshake => 1 + 4 + 2 * (1 + CID) + 2 + 4 + TAG,
        }
    }
}

/// A packet as it was received.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Packet {
    pub kind: Kind,
    pub destination: u64,
    /// Of long headers.
    pub source: Option<u64>,
    pub number: u64,
    pub payload: Bytes,
}

/// Frames. Those of data carry where it stands.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Frame {
    Padding,
    Ping,
    /// Delay in us, packets.
    Ack(u64, RangeSet),
    Reset {
        stream: u64,
        error: u64,
        size: u64,
    },
    Crypto {
        offset: u64,
        data: Bytes,
    },
    Stream {
        id: u64,
        offset: u64,
        data: Bytes,
        fin: bool,
    },
    MaxData(u64),
    MaxStreamData(u64, u64),
    PathChallenge(u64),
    PathResponse(u64),
    /// Error code; of the application or of the transport.
    Close {
        error: u64,
        application: bool,
    },
    HandshakeDone,
}

/// Bytes that a variable-length integer takes (RFC 9000 section 16).
pub(crate) fn varint_len(n: u64) -> usize {
    match n {
        0..=63 => 1,
        64..=16_383 => 2,
        16_384..=1_073_741_823 => 4,
        _ => 8,
    }
}

pub(crate) fn put_varint(n: u64, out: &mut Vec<u8>) {
    match varint_len(n) {
        1 => out.push(n as u8),
        2 => out.extend((n as u16 | 0x4000).to_be_bytes()),
        4 => out.extend((n as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend((n | 0xC000_0000_0000_0000).to_be_bytes()),
    }
}

/// Reads what another has written; every method gives nothing when it ends too early.
struct Reader<'a>(&'a Bytes, usize);

impl Reader<'_> {
    fn left(&self) -> usize {
        self.0.len() - self.1
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.0.get(self.1)?;
        self.1 += 1;
        Some(byte)
    }

    fn number(&mut self, len: usize) -> Option<u64> {
        (0..len).try_fold(0, |n, _| Some(n << 8 | u64::from(self.byte()?)))
    }

    fn varint(&mut self) -> Option<u64> {
        let first = *self.0.get(self.1)?;
        let len = 1 << (first >> 6);
        Some(self.number(len)? & (u64::MAX >> (64 - len * 8 + 2)))
    }

    fn data(&mut self, len: usize) -> Option<Bytes> {
        let data = (len <= self.left()).then(|| self.0.slice(self.1..self.1 + len))?;
        self.1 += len;
        Some(data)
    }
}

/// Appends a packet with this payload, and its tag.
pub(crate) fn put_packet(
    kind: Kind,
    destination: u64,
    source: u64,
    number: u64,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    let number = (number as u32).to_be_bytes();
    if kind == Kind::OneRtt {
        out.push(0x43);
        out.extend(destination.to_be_bytes());
    } else {
        let code = match kind {
            Kind::Initial => 0,
            Kind::ZeroRtt => 1,
            _ => 2,
        };
        out.push(0xC3 | code << 4);
        out.extend(1u32.to_be_bytes());
        for cid in [destination, source] {
            out.push(CID as u8);
            out.extend(cid.to_be_bytes());
        }
        if kind == Kind::Initial {
            out.push(0);
        }
        out.extend(((payload.len() + 4 + TAG) as u16 | 0x4000).to_be_bytes());
    }
    out.extend(number);
    out.extend(payload);
    out.resize(out.len() + TAG, 0);
}

/// Takes the packets of a datagram apart; what cannot be read ends it (RFC 9000 section 12.2).
pub(crate) fn packets(datagram: &Bytes) -> Vec<Packet> {
    let mut reader = Reader(datagram, 0);
    std::iter::from_fn(|| packet(&mut reader)).collect()
}

fn packet(reader: &mut Reader<'_>) -> Option<Packet> {
    let first = reader.byte()?;
    if first & 0x40 == 0 {
        return None;
    }
    if first & 0x80 == 0 {
        let (destination, number) = (reader.number(CID)?, reader.number(4)?);
        let payload = reader.data(reader.left().checked_sub(TAG)?)?;
        reader.data(TAG)?;
        return Some(Packet { kind: Kind::OneRtt, destination, source: None, number, payload });
    }
    let kind = match first >> 4 & 3 {
        0 => Kind::Initial,
        1 => Kind::ZeroRtt,
        2 => Kind::Handshake,
        _ => return None,
    };
    let version = reader.number(4)?;
    let mut cid = || (reader.byte()? as usize == CID).then(|| reader.number(CID)).flatten();
    let (destination, source) = (cid()?, cid()?);
    if kind == Kind::Initial {
        let token = reader.varint()?;
        reader.data(usize::try_from(token).ok()?)?;
    }
    let len = usize::try_from(reader.varint()?).ok()?.checked_sub(4 + TAG)?;
    let number = reader.number(4)?;
    let payload = reader.data(len)?;
    reader.data(TAG)?;
    (version == 1).then_some(Packet { kind, destination, source: Some(source), number, payload })
}

impl Frame {
    /// Appends the frame. A stream frame is always written with its length.
    pub fn put(&self, out: &mut Vec<u8>) {
        let mut numbers = |all: &[u64]| all.iter().for_each(|n| put_varint(*n, out));
        match self {
            Frame::Padding => out.push(0),
            Frame::Ping => out.push(1),
            Frame::Ack(delay, ranges) => put_ack(*delay, ranges, out),
            Frame::Reset { stream, error, size } => numbers(&[4, *stream, *error, *size]),
            Frame::Crypto { offset, data } => {
                numbers(&[6, *offset, data.len() as u64]);
                out.extend(data);
            }
            Frame::Stream { id, offset, data, fin } => {
                numbers(&[0x0E | u64::from(*fin), *id, *offset, data.len() as u64]);
                out.extend(data);
            }
            Frame::MaxData(most) => numbers(&[0x10, *most]),
            Frame::MaxStreamData(id, most) => numbers(&[0x11, *id, *most]),
            Frame::PathChallenge(what) => {
                out.push(0x1A);
                out.extend(what.to_be_bytes());
            }
            Frame::PathResponse(what) => {
                out.push(0x1B);
                out.extend(what.to_be_bytes());
            }
            Frame::Close { error, application } => {
                if *application {
                    numbers(&[0x1D, *error, 0]);
                } else {
                    numbers(&[0x1C, *error, 0, 0]);
                }
            }
            Frame::HandshakeDone => out.push(0x1E),
        }
    }

    /// Whether it must be acknowledged (RFC 9000 section 13.2).
    pub fn elicits_ack(&self) -> bool {
        !matches!(self, Frame::Padding | Frame::Ack(..) | Frame::Close { .. })
    }
}

fn put_ack(delay: u64, ranges: &RangeSet, out: &mut Vec<u8>) {
    let all: Vec<_> = ranges.descending().collect();
    let Some(first) = all.first() else { return };
    let numbers = [2, first.end - 1, delay >> DELAY_SHIFT, all.len() as u64 - 1, first.end - 1 - first.start];
    numbers.iter().for_each(|n| put_varint(*n, out));
    for pair in all.windows(2) {
        put_varint(pair[0].start - pair[1].end - 1, out);
        put_varint(pair[1].end - 1 - pair[1].start, out);
    }
}

/// The frames of a packet; nothing when one cannot be read.
pub(crate) fn frames(payload: &Bytes) -> Option<Vec<Frame>> {
    let mut reader = Reader(payload, 0);
    let mut all = Vec::new();
    while reader.left() > 0 {
        match frame(&mut reader)? {
            Frame::Padding => {}
            other => all.push(other),
        }
    }
    Some(all)
}

fn frame(r: &mut Reader<'_>) -> Option<Frame> {
    Some(match r.varint()? {
        0 => Frame::Padding,
        1 => Frame::Ping,
        2 => read_ack(r)?,
        4 => Frame::Reset { stream: r.varint()?, error: r.varint()?, size: r.varint()? },
        6 => {
            let (offset, len) = (r.varint()?, r.varint()?);
            Frame::Crypto { offset, data: r.data(usize::try_from(len).ok()?)? }
        }
        kind @ 8..=0x0F => {
            let id = r.varint()?;
            let offset = if kind & 4 == 0 { 0 } else { r.varint()? };
            let len = if kind & 2 == 0 { r.left() } else { usize::try_from(r.varint()?).ok()? };
            offset.checked_add(len as u64).filter(|end| *end < 1 << 62)?;
            Frame::Stream { id, offset, data: r.data(len)?, fin: kind & 1 == 1 }
        }
        0x10 => Frame::MaxData(r.varint()?),
        0x11 => Frame::MaxStreamData(r.varint()?, r.varint()?),
        0x1A => Frame::PathChallenge(r.number(8)?),
        0x1B => Frame::PathResponse(r.number(8)?),
        kind @ (0x1C | 0x1D) => {
            let error = r.varint()?;
            if kind == 0x1C {
                r.varint()?;
            }
            let len = usize::try_from(r.varint()?).ok()?;
            r.data(len)?;
            Frame::Close { error, application: kind == 0x1D }
        }
        0x1E => Frame::HandshakeDone,
        _ => return None,
    })
}

fn read_ack(r: &mut Reader<'_>) -> Option<Frame> {
    let (largest, delay, count, first) = (r.varint()?, r.varint()?, r.varint()?, r.varint()?);
    let mut ranges = RangeSet::default();
    let mut start = largest.checked_sub(first)?;
    ranges.insert(start..largest + 1);
    for _ in 0..count {
        let (gap, len) = (r.varint()?, r.varint()?);
        let end = start.checked_sub(gap + 1)?;
        start = end.checked_sub(len + 1)?;
        ranges.insert(start..end);
    }
    Some(Frame::Ack(delay.checked_shl(DELAY_SHIFT)?, ranges))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut acked = RangeSet::default();
        for range in [0..1, 3..9, 20..70_000] {
            acked.insert(range);
        }
        let data = Bytes::from_static(b"hello");
        let all = [
            Frame::Ping,
            Frame::Ack(8_000, acked),
            Frame::Crypto { offset: 100, data: data.clone() },
            Frame::Stream { id: 4, offset: 1 << 40, data, fin: true },
            Frame::MaxData(1 << 20),
            Frame::MaxStreamData(8, 77),
            Frame::Reset { stream: 4, error: 1, size: 9 },
            Frame::PathChallenge(7),
            Frame::PathResponse(u64::MAX),
            Frame::Close { error: 3, application: true },
            Frame::Close { error: 3, application: false },
            Frame::HandshakeDone,
        ];
        let mut bytes = Vec::new();
        all.iter().for_each(|frame| frame.put(&mut bytes));
        assert_eq!(frames(&bytes.into()).unwrap(), all);
    }

    #[test]
    fn packets_of_one_datagram_are_taken_apart() {
        let mut datagram = Vec::new();
        put_packet(Kind::Initial, 1, 2, 0, &[1; 30], &mut datagram);
        put_packet(Kind::Handshake, 1, 2, 5, &[1; 10], &mut datagram);
        put_packet(Kind::OneRtt, 1, 2, 9, &[1; 7], &mut datagram);
        let overhead: usize =
            [Kind::Initial, Kind::Handshake, Kind::OneRtt].iter().map(|kind| kind.overhead()).sum();
        assert_eq!(datagram.len(), overhead + 47);
        let all = packets(&datagram.into());
        let seen: Vec<_> = all.iter().map(|p| (p.kind, p.number, p.payload.len(), p.destination)).collect();
        assert_eq!(seen, [(Kind::Initial, 0, 30, 1), (Kind::Handshake, 5, 10, 1), (Kind::OneRtt, 9, 7, 1)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = frames(&bytes);
            for packet in packets(&bytes) {
                let _ = frames(&packet.payload);
            }
        }
    }
}
