//! The packets of a run and those of a recording, in the same words.

use crate::{ReproduceError, files};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use tidewire_wire::{LinkLayer, Net, Packet, Seq, TcpFlags, Transport};

/// A TCP packet as it arrives at the link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Record {
    /// Since the first packet.
    pub ms: f64,
    /// From A to B.
    pub forward: bool,
    /// Relative to the initial sequence number.
    pub seq: u32,
    pub ack: u32,
    pub len: u32,
    pub syn: bool,
    pub fin: bool,
    pub reset: bool,
    pub push: bool,
    /// A pure acknowledgment.
    pub pure_ack: bool,
}

impl Record {
    pub fn end(&self) -> u32 {
        self.seq.wrapping_add(self.len)
    }
}

/// The TCP packets of a recording; none when all are of other protocols.
#[derive(Default)]
pub(crate) struct Trace {
    pub records: Vec<Record>,
    /// Rows that could not be used: line and why.
    pub skipped: Vec<String>,
}

/// Reads a recording. Packets that are not TCP's are passed over.
pub(crate) fn read_trace(name: &str, text: &str) -> Result<Trace, ReproduceError> {
    let bad = |why: String| ReproduceError::BadTrace(name.to_owned(), 2, why);
    let mut rows = files::records(text).into_iter();
    let header = rows.next().map(|(_, header)| header).unwrap_or_default();
    let column = |name: &str| {
        header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| bad(format!("there is no column '{name}'")))
    };
    let (ms, dir, proto, flags) = (column("t_ms")?, column("dir")?, column("proto")?, column("flags")?);
    let (seq, ack, len) = (column("seq")?, column("ack")?, column("len")?);
    let (mut records, mut skipped, mut others) = (Vec::new(), Vec::new(), 0);
    for (line, row) in rows {
        let cell = |i: usize| row.get(i).unwrap_or("");
        if cell(proto) != "tcp" {
            others += 1;
            continue;
        }
        let number = |i: usize| {
            let number = cell(i).parse::<f64>().ok().filter(|x| (0.0..=f64::from(u32::MAX)).contains(x));
            number.ok_or_else(|| {
                format!("{line}: column '{}': '{}' is no number of this column", &header[i], cell(i))
            })
        };
        let has = |flag: char| cell(flags).contains(flag);
        let record = || {
            let len = number(len)? as u32;
            Ok(Record {
                ms: number(ms)?,
                forward: match cell(dir) {
                    ">" => true,
                    "<" => false,
                    other => return Err(format!("{line}: '{other}' is no direction")),
                },
                seq: number(seq)? as u32,
                ack: number(ack)? as u32,
                len,
                syn: has('S'),
                fin: has('F'),
                reset: has('R'),
                push: has('P'),
                pure_ack: len == 0 && has('A') && !has('S') && !has('F') && !has('R'),
            })
        };
        match record() {
            Ok(record) => records.push(record),
            Err(why) => skipped.push(why),
        }
    }
    match skipped.first() {
        Some(why) if records.is_empty() => Err(ReproduceError::Csv(format!("{name}.csv:{why}"))),
        None if records.is_empty() && others == 0 => Err(bad("there are no packets".into())),
        _ => Ok(Trace { records, skipped }),
    }
}

/// Keeps what a capture writes: each block is one write.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Rc<RefCell<Kept>>);

#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    /// Initial sequence numbers of both sides.
    isn: [Option<Seq>; 2],
}

impl Recorder {
    pub fn records(&self) -> Vec<Record> {
        self.0.borrow().records.clone()
    }
}

impl Write for Recorder {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().note(block);
        Ok(block.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    /// Takes a block of a capture file; only enhanced packet blocks hold packets. Interface 0 is the way from A to B.
    fn note(&mut self, block: &[u8]) -> Option<()> {
        let word = |i: usize| Some(u32::from_le_bytes(block.get(4 * i..4 * i + 4)?.try_into().ok()?));
        if word(0)? != 6 {
            return None;
        }
        let forward = word(2)? == 0;
        let ns = u64::from(word(3)?) << 32 | u64::from(word(4)?);
        let packet = Packet::parse(block.get(28..28 + word(5)? as usize)?, LinkLayer::RawIp).ok()?;
        let Net::Ipv4(_, Transport::Tcp(tcp)) = packet.net else { return None };
        let side = usize::from(!forward);
        if tcp.flags.syn() {
            self.isn[side].get_or_insert(tcp.seq);
        }
        let (len, flags) = (tcp.payload.len() as u32, tcp.flags);
        self.records.push(Record {
            ms: ns as f64 * 1e-6,
            forward,
            seq: tcp.seq - self.isn[side]?,
            ack: self.isn[1 - side].map_or(0, |isn| tcp.ack - isn),
            len,
            syn: flags.syn(),
            fin: flags.fin(),
            reset: flags.rst(),
            push: flags.contains(TcpFlags::PSH),
            pure_ack: len == 0 && flags.ack() && !flags.syn() && !flags.fin() && !flags.rst(),
        });
        Some(())
    }
}
