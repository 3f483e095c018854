//! Capture files: pcapng as in the IETF draft draft-ietf-opsawg-pcapng, little-endian, time in nanoseconds.

use crate::{EthernetHeader, LinkLayer, Malformed, Packet};
use std::io::{self, Write};
use tidewire_units::Instant;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_FCSLEN: u16 = 13;

const LINKTYPE_ETHERNET: u16 = 1;
const LINKTYPE_RAW: u16 = 101;
const LINKTYPE_IPV4: u16 = 228;

/// Writes a capture file of one section, block by block. Each block is one `write_all`.
pub struct PcapngWriter<W: Write> {
    out: W,
    interfaces: Vec<(LinkLayer, u32)>,
    block: Vec<u8>,
    packet: Vec<u8>,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file. `application` names the program that writes it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, application: &str) -> io::Result<Self> {
        let mut writer = PcapngWriter { out, interfaces: Vec::new(), block: Vec::new(), packet: Vec::new() };
        writer.begin(SECTION_HEADER);
        writer.put(&BYTE_ORDER_MAGIC.to_le_bytes());
        writer.put(&1u16.to_le_bytes());
        writer.put(&0u16.to_le_bytes());
        writer.put(&u64::MAX.to_le_bytes());
        writer.option(SHB_USERAPPL, application.as_bytes());
        writer.end()?;
        Ok(writer)
    }

    /// Declares an interface and returns its number in this file. Of packets longer than `snaplen` bytes only the start is kept;
    /// 0 means no limit.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn add_interface(&mut self, name: &str, link: LinkLayer, snaplen: u32) -> io::Result<u32> {
        let link_type = match link {
            LinkLayer::Ethernet | LinkLayer::EthernetWithFcs => LINKTYPE_ETHERNET,
            LinkLayer::RawIp => LINKTYPE_RAW,
        };
        self.begin(INTERFACE_DESCRIPTION);
        self.put(&link_type.to_le_bytes());
        self.put(&0u16.to_le_bytes());
        self.put(&snaplen.to_le_bytes());
        self.option(IF_NAME, name.as_bytes());
        self.option(IF_TSRESOL, &[9]);
        if link == LinkLayer::EthernetWithFcs {
            self.option(IF_FCSLEN, &[EthernetHeader::FCS_LEN as u8]);
        }
        self.end()?;
        self.interfaces.push((link, snaplen));
        Ok(self.interfaces.len() as u32 - 1)
    }

    /// Adds a packet as it was at `time`, rounded down to nanoseconds, with a comment for people if it is not empty: why it was
    /// dropped, for instance.
    ///
    /// # Errors
    /// Those of `out`.
    ///
    /// # Panics
    /// When the interface was not declared, or as [`Packet::emit_into`].
    pub fn write_packet(
        &mut self,
        interface: u32,
        time: Instant,
        packet: &Packet,
        comment: &str,
    ) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.packet);
        bytes.clear();
        packet.emit_into(self.interfaces[interface as usize].0, &mut bytes);
        let result = self.write_bytes(interface, time, &bytes, comment);
        self.packet = bytes;
        result
    }

    /// Adds a packet that is already in bytes.
    ///
    /// # Errors
    /// Those of `out`.
    ///
    /// # Panics
    /// When the interface was not declared.
    pub fn write_bytes(
        &mut self,
        interface: u32,
        time: Instant,
        bytes: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        let kept = match self.interfaces[interface as usize].1 {
            0 => bytes,
            snaplen => &bytes[..bytes.len().min(snaplen as usize)],
        };
        let ns = time.as_ns();
        self.begin(ENHANCED_PACKET);
        for word in [interface, (ns >> 32) as u32, ns as u32, kept.len() as u32, bytes.len() as u32] {
            self.put(&word.to_le_bytes());
        }
        self.put(kept);
        self.pad();
        if !comment.is_empty() {
            self.option(COMMENT, comment.as_bytes());
        }
        self.end()
    }

    /// Flushes and gives back the underlying writer.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.put(&kind.to_le_bytes());
        self.put(&[0; 4]);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let mut end = value.len().min(usize::from(u16::MAX));
        // A text is not cut in the middle of a character.
        while end < value.len() && value[end] & 0xC0 == 0x80 {
            end -= 1;
        }
        self.put(&code.to_le_bytes());
        self.put(&(end as u16).to_le_bytes());
        self.put(&value[..end]);
        self.pad();
    }

    fn end(&mut self) -> io::Result<()> {
        self.put(&END_OF_OPTIONS.to_le_bytes());
        self.put(&0u16.to_le_bytes());
        let len = (self.block.len() + 4) as u32;
        self.put(&len.to_le_bytes());
        self.block[4..8].copy_from_slice(&len.to_le_bytes());
        self.out.write_all(&self.block)
    }
}

/// What a capture file holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Capture {
    /// Interfaces in the order of their declaration.
    pub interfaces: Vec<CapturedInterface>,
    /// Packets in the order of the file.
    pub packets: Vec<CapturedPacket>,
}

/// An interface of a capture file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CapturedInterface {
    /// Its name; empty when it has none.
    pub name: String,
    /// What stands around its packets.
    pub link: LinkLayer,
    /// How many bytes of a packet are kept at most; 0 for all.
    pub snaplen: u32,
    /// Picoseconds per unit of its time stamps.
    tick_ps: u64,
}

/// A packet of a capture file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CapturedPacket {
    /// Index of its interface.
    pub interface: usize,
    /// When it was seen.
    pub time: Instant,
    /// The bytes that were kept.
    pub bytes: Vec<u8>,
    /// How many bytes it had.
    pub original_len: u32,
    /// The comment; empty when there is none.
    pub comment: String,
}

/// Reads a little-endian capture file. Unknown blocks are skipped.
///
/// # Errors
/// Truncated; version (also for a file that is no pcapng); length; unsupported byte order, link type or time resolution finer than
/// a picosecond.
pub fn read_pcapng(file: &[u8]) -> Result<Capture, Malformed> {
    let mut capture = Capture::default();
    let mut section = None;
    let mut rest = Reader(file);
    while !rest.0.is_empty() {
        let (kind, len) = (rest.u32()?, rest.u32()? as usize);
        let body_len = len.checked_sub(12).filter(|len| len.is_multiple_of(4)).ok_or(Malformed::Length)?;
        let mut body = Reader(rest.take(body_len)?);
        if rest.u32()? as usize != len {
            return Err(Malformed::Length);
        }
        match (kind, section) {
            (SECTION_HEADER, _) => {
                body.section_header()?;
                section = Some(capture.interfaces.len());
            }
            (_, None) => return Err(Malformed::Version),
            (INTERFACE_DESCRIPTION, _) => capture.interfaces.push(body.interface()?),
            (ENHANCED_PACKET, Some(first)) => {
                let packet = body.packet(&capture.interfaces, first)?;
                capture.packets.push(packet);
            }
            _ => {}
        }
    }
    Ok(capture)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N)?.try_into().expect("as many bytes as asked for"))
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn padded(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let value = self.take(len)?;
        self.take(len.next_multiple_of(4) - len)?;
        Ok(value)
    }

    /// The next option; `None` at their end.
    fn option(&mut self) -> Result<Option<(u16, &'a [u8])>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (code, len) = (self.u16()?, usize::from(self.u16()?));
        let value = self.padded(len)?;
        Ok((code != END_OF_OPTIONS).then_some((code, value)))
    }

    fn section_header(&mut self) -> Result<(), Malformed> {
        match self.u32()? {
            BYTE_ORDER_MAGIC => {}
            magic if magic.swap_bytes() == BYTE_ORDER_MAGIC => return Err(Malformed::Unsupported),
            _ => return Err(Malformed::Version),
        }
        if self.u16()? == 1 { Ok(()) } else { Err(Malformed::Version) }
    }

    fn interface(&mut self) -> Result<CapturedInterface, Malformed> {
        let (link_type, _reserved, snaplen) = (self.u16()?, self.u16()?, self.u32()?);
        let (mut name, mut fcs_len, mut resolution) = (String::new(), 0, 6);
        while let Some((code, value)) = self.option()? {
            match (code, value) {
                (IF_NAME, text) => name = String::from_utf8_lossy(text).into_owned(),
                (IF_TSRESOL, [digits]) => resolution = u32::from(*digits),
                (IF_FCSLEN, [len]) => fcs_len = usize::from(*len),
                _ => {}
            }
        }
        let link = match (link_type, fcs_len) {
            (LINKTYPE_ETHERNET, 0) => LinkLayer::Ethernet,
            (LINKTYPE_ETHERNET, EthernetHeader::FCS_LEN) => LinkLayer::EthernetWithFcs,
            (LINKTYPE_RAW | LINKTYPE_IPV4, _) => LinkLayer::RawIp,
            _ => return Err(Malformed::Unsupported),
        };
        let tick_ps = 10u64.pow(12u32.checked_sub(resolution).ok_or(Malformed::Unsupported)?);
        Ok(CapturedInterface { name, link, snaplen, tick_ps })
    }

    fn packet(
        &mut self,
        interfaces: &[CapturedInterface],
        first: usize,
    ) -> Result<CapturedPacket, Malformed> {
        let interface = first.saturating_add(self.u32()? as usize);
        let tick_ps = interfaces.get(interface).ok_or(Malformed::Length)?.tick_ps;
        let ticks = u64::from(self.u32()?) << 32 | u64::from(self.u32()?);
        let (kept, original_len) = (self.u32()? as usize, self.u32()?);
        let bytes = self.padded(kept)?.to_vec();
        let mut comment = String::new();
        while let Some((code, value)) = self.option()? {
            if code == COMMENT {
                comment = String::from_utf8_lossy(value).into_owned();
            }
        }
        let time = Instant::from_ps(ticks.saturating_mul(tick_ps));
        Ok(CapturedPacket { interface, time, bytes, original_len, comment })
    }
}
