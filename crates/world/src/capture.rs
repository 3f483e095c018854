//! Captures: packets as they enter or leave links, as pcapng.

use crate::{Sight, World};
use std::io::{self, Write};
use tidewire_l1_physical::Offer;
use tidewire_units::{DirId, Instant};
use tidewire_wire::{Hot, LinkLayer, Packets, PcapngWriter};

/// Where a capture looks at a direction of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CapturePoint {
    /// As packets are offered to the port, dropped ones with a comment.
    Sent(DirId),
    /// As they arrive at the other end.
    Received(DirId),
}

struct Capture {
    points: Vec<CapturePoint>,
    writer: PcapngWriter<Box<dyn Write>>,
    failed: Option<io::Error>,
}

#[derive(Default)]
pub(crate) struct Captures {
    all: Vec<Capture>,
}

impl Captures {
    fn note_offer(&mut self, at: Instant, dir: usize, packet: &Hot, packets: &Packets, offer: Offer) {
        let comment = match offer {
            Offer::Arrives(_) => "",
            Offer::Lost => "lost on the link",
            Offer::QueueFull => "dropped: the queue is full",
            Offer::LinkDown => "dropped: the link is down",
        };
        self.note(at, CapturePoint::Sent(DirId::from_index(dir)), packet, packets, comment);
    }

    fn note_arrival(&mut self, at: Instant, dir: usize, packet: &Hot, packets: &Packets) {
        self.note(at, CapturePoint::Received(DirId::from_index(dir)), packet, packets, "");
    }

    fn note(&mut self, at: Instant, point: CapturePoint, packet: &Hot, packets: &Packets, comment: &str) {
        for capture in self.all.iter_mut().filter(|capture| capture.failed.is_none()) {
            if let Some(interface) = capture.points.iter().position(|known| *known == point) {
                let written =
                    capture.writer.write_packet(interface as u32, at, &packets.unpack(packet), comment);
                capture.failed = written.err();
            }
        }
    }
}

impl World {
    /// A packet is offered to a direction that is observed.
    #[cold]
    #[inline(never)]
    pub(crate) fn see_offer(&mut self, dir: usize, packet: &Hot, offer: Offer) {
        self.captures.note_offer(self.now, dir, packet, &self.packets, offer);
        self.tap_saw(dir, packet, Sight::Offered, None);
    }

    /// A packet arrives from a direction that is observed.
    #[cold]
    #[inline(never)]
    pub(crate) fn see_arrival(&mut self, dir: usize, packet: &Hot) {
        self.captures.note_arrival(self.now, dir, packet, &self.packets);
        self.tap_saw(dir, packet, Sight::Arrived, None);
    }

    /// Records every packet at these points from now on, one pcapng interface each, named as given.
    ///
    /// Gives the number of the recording.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn capture(&mut self, points: &[(CapturePoint, String)], out: Box<dyn Write>) -> io::Result<usize> {
        let mut writer = PcapngWriter::new(out, "tidewire")?;
        for (point, name) in points {
            let (CapturePoint::Sent(dir) | CapturePoint::Received(dir)) = *point;
            let direction = &mut self.directions[dir.index()];
            direction.observed = true;
            let framed = direction.port.framing().has_mac();
            writer.add_interface(name, if framed { LinkLayer::Ethernet } else { LinkLayer::RawIp }, 0)?;
        }
        let points = points.iter().map(|(point, _)| *point).collect();
        self.captures.all.push(Capture { points, writer, failed: None });
        Ok(self.captures.all.len() - 1)
    }

    /// Records nothing more with this number.
    pub fn stop_capture(&mut self, number: usize) {
        if let Some(capture) = self.captures.all.get_mut(number) {
            capture.points.clear();
        }
    }

    /// Writes what captures still hold, and ends them.
    ///
    /// # Errors
    /// The first error that any of them met.
    pub fn finish_captures(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for capture in self.captures.all.drain(..) {
            let finished = capture.writer.finish().map(drop);
            result = result.and(capture.failed.map_or(finished, Err));
        }
        result
    }
}
